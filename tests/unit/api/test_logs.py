"""Entries as JSON and as text. Of an exception they have the class and the traceback, without data
of callers."""

import logging
import re
import sys

import pytest

from api.logs import JsonFormatter, TextFormatter

CANARY = "a value of a caller"


def fail() -> None:
    try:
        float(CANARY)
    except ValueError as error:
        raise KeyError(CANARY) from error


def record(**more):
    return logging.LogRecord("api.tests", logging.ERROR, __file__, 1, "it failed", None, **more)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter(colours=False)])
def test_tracebacks_are_logged_without_messages_and_values(formatter):
    try:
        fail()
    except KeyError:
        reported = formatter.format(record(exc_info=sys.exc_info()))

    assert CANARY not in reported
    lines = reported.replace("\\n", "\n").splitlines()
    place = f"  {re.escape(__file__)}:\\d+ in "
    assert re.fullmatch(f"{place}fail", lines[-5].rpartition('"')[2])
    assert [line.strip('"}') for line in (lines[-4], lines[-3], lines[-1])] == [
        "builtins.KeyError",
        "while handling:",
        "builtins.ValueError",
    ]
    assert re.fullmatch(f"{place}fail", lines[-2])


def test_a_terminal_shows_the_level_in_colour():
    shown = TextFormatter(colours=True).format(record(exc_info=None))

    assert re.fullmatch(r"\S+Z \[\x1b\[31merror +\x1b\[0m\] it failed +\[api\.tests\]", shown)


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        ("shop-7", "shop-7"),
        ("müller", "müller"),
        ("admin (HOTSWAP_ADMIN_TOKEN)", '"admin (HOTSWAP_ADMIN_TOKEN)"'),
        ("ci\n2026-11-25 [info] answered", '"ci\\n2026-11-25 [info] answered"'),
        ("ci model=housing", '"ci model=housing"'),
        ('ci"', '"ci\\""'),
        ("\x1b[2J", '"\\u001b[2J"'),
    ],
)
def test_a_name_that_somebody_chose_stays_one_field_of_one_line(actor, shown):
    entry = record(exc_info=None)
    entry.actor = actor

    assert TextFormatter(colours=False).format(entry).endswith(f"[api.tests] actor={shown}")


def test_an_event_is_one_line_of_text():
    entry = record(exc_info=None)
    entry.msg = "cannot open /data\n2026-11-25 [info] answered: no such file"

    shown = TextFormatter(colours=False).format(entry)

    assert r"cannot open /data\n2026-11-25 [info] answered: no such file [api.tests]" in shown
    assert shown.isprintable()
