"""What a log keeps of an exception: its kind and its place, nothing that a caller sent."""

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
        told = _where_raised(sys.exc_info())

    assert CANARY not in told
    assert "builtins.KeyError" in told
    assert "builtins.ValueError" in told
    assert f"{__file__}:" in told
    assert " in fail" in told
