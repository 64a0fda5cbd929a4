"""Logged exceptions: their class and traceback, without data of callers."""

import sys

from api.logs import _where_raised

CANARY = "a value of a caller"


def fail() -> None:
    try:
        float(CANARY)
    except ValueError as error:
        raise KeyError(CANARY) from error


def test_tracebacks_are_logged_without_messages_and_values():
    try:
        fail()
    except KeyError:
        reported = _where_raised(sys.exc_info())

    assert CANARY not in reported
    assert "builtins.KeyError" in reported
    assert "builtins.ValueError" in reported
    assert f"{__file__}:" in reported
    assert " in fail" in reported
