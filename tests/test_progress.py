import io
import re
import sys

import pytest

from lipdub.progress import Step, terminal_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with terminal_progress() as progress:
        for done in range(0, 1001):
            progress(Step("render", done, 2000))
            clock[0] += 0.125
        progress(Step("remux", 3, None, "s"))
        clock[0] += 40
        progress(Step("remux", 4, None, "s"))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split("/")[0] for line in lines] == [
        "render 240",
        "render 480",
        "render 720",
        "render 960",
        "remux 4",
    ]
    assert lines[0] == "render 240/2000, 8.0 fps" and lines[-1] == "remux 4/?"


def test_a_short_job_writes_nothing_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    with terminal_progress() as progress:
        progress(Step("render", 1, 2))
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_stage_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with terminal_progress() as progress:
        for done in range(1, 51):
            progress(Step("render", done, 100))
        progress(Step("fetch diff2lip", 5_000_000, 407_000_000, "bytes"))
    text = terminal.getvalue()
    assert "render" in text
    assert "50/100" in text
    assert re.search(r"[\d.]+ fps", text)
    assert "5.0 MB" in text
