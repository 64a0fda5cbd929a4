"""Durations on the command line."""

import re
from datetime import timedelta
from typing import Any

import click

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(0|[1-9][0-9]{0,4})([mhdw])")


class Span(click.ParamType[timedelta]):
    """A duration such as ``90d``; ``0m`` only if ``zero``."""

    name = "time"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _SPAN.fullmatch(value)
        if match is None or (match[1] == "0" and not self._zero):
            self.fail(f"{value!r} is not a duration such as 30m, 12h, 90d or 4w.", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
