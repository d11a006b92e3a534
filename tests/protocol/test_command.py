"""The command line: a table on standard output, one sentence for what is wrong."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipdub import cli
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
