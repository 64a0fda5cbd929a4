"""The current stage of a command, on a terminal."""

import io
import sys

import pytest

from cli.stages import Stages


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
