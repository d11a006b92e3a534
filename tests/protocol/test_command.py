"""The command line: a table on standard output, one sentence for what is wrong."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipdub import cli, weights
from tests.support.weights import save_tiny_checkpoint


@pytest.mark.usefixtures("stand_ins")
def test_evaluate(clips: Path, tmp_path: Path):
    pairs, output = tmp_path / "pairs.txt", tmp_path / "results"
    pairs.write_text("sound view\nsound none\n")
    network = save_tiny_checkpoint(tmp_path / "tiny.safetensors")
    command = ["evaluate", "--pairs", str(pairs), "--root", str(clips), "-o", str(output), "--steps", "1"]
    command += ["--weights", str(network), "--device", "cpu"]
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["real", "video", "(1)", "tiny", "(1)"]
    psnr = next(line for line in lines if "PSNR" in line)
    assert "∞ (1)" in psnr and max(map(len, lines[:-1])) <= 100
    assert lines[-1] == f"{output}: 1 pair"
    assert "note: line 2: " in done.stderr and "note: nothing else is measured." in done.stderr
    again = CliRunner().invoke(cli.app, [*command, "--json"])
    assert json.loads(again.stdout)["pairs"] == 1
    assert json.loads(again.stdout)["files"]["md"] == str(output / "cross.md")
    bad = CliRunner().invoke(cli.app, [*command, "--mode", "both"])
    assert bad.exit_code == 2
    assert bad.stderr == "lipdub: --mode takes cross or reconstruction, not 'both'.\n"


@pytest.mark.usefixtures("stand_ins")
def test_the_draft_is_shown_what_suits_it_under_whatever_name(clips: Path, tmp_path: Path):
    pairs, copy = tmp_path / "pairs.txt", tmp_path / "copy.safetensors"
    pairs.write_text("sound view\n")
    shutil.copy(weights.locate("draft"), copy)
    made = {}
    for name, more in {
        "named": ["draft"],
        "copied": [str(copy)],
        "same": [str(copy), "--reference", "same"],
    }.items():
        command = ["evaluate", "--pairs", str(pairs), "--root", str(clips), "-o", str(tmp_path / name)]
        done = CliRunner().invoke(cli.app, [*command, "--steps", "1", "--device", "cpu", "--weights", *more])
        assert done.exit_code == 0, done.stderr
        made[name] = (tmp_path / name / "cross.json").read_text()
    assert made["copied"] == made["named"]
    assert made["same"] != made["named"]
