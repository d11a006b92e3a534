import io
import re
import sys

import pytest

from lipdub.progress import Step, terminal_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_written_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
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
