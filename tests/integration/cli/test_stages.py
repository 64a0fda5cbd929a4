"""The current stage of a command, on a terminal."""

import io
import sys

import pytest

from cli.stages import Lines, Stages


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_characters_of_names_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Stages() as stage:
        stage("reading \x1b]0;title\x07")
    assert "\x1b]" not in terminal.getvalue()
    assert r"\x1b]0;title\x07" in terminal.getvalue()


def test_without_a_terminal_progress_is_printed_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    always, never = Lines(seconds=0), Lines(seconds=3600)
    for lines in (always, never):
        lines("trying 9 candidates")
        lines.progress(3, 1_000)
    assert capsys.readouterr().err.splitlines() == [
        "trying 9 candidates …",
        "3 of 1,000 done …",
        "trying 9 candidates …",
    ]
