"""Spans of time as flags take them."""

import re
from datetime import timedelta
from typing import Any

import click

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(0|[1-9][0-9]{0,4})([mhdw])")


class Span(click.ParamType[timedelta]):
    """A span of time such as ``90d``; nothing at all (``0m``) only where ``zero`` says so."""

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
            self.fail(f"{value!r} is no span of time: write 30m, 12h, 90d or 4w.", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
