"""``key=value`` on the command line."""

import json
from collections.abc import Iterable
from typing import Any, Never, TypeVar

import click

Value = TypeVar("Value")


class TagPair(click.ParamType[tuple[str, str]]):
    """``key=value``, both text."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, sign, text = value.partition("=")
        if not sign or not key:
            self.fail(f"{value!r} is not of the form key=value.", param, ctx)
        return key, text


def as_mapping(pairs: Iterable[tuple[str, Value]], option: str) -> dict[str, Value]:
    """``pairs`` as a dict. Raises click.UsageError for a repeated key."""
    mapping: dict[str, Value] = {}
    for key, value in pairs:
        if key in mapping:
            raise click.UsageError(f"{option} has the key {key!r} twice.")
        mapping[key] = value
    return mapping


def json_or_text(text: str) -> Any:
    """``text`` parsed as JSON, or unchanged if it is not JSON. NaN and Infinity are not JSON."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except ValueError:
        return text


def refuse_constant(constant: str) -> Never:
    """Raise ValueError for NaN and Infinity, which Python reads but JSON does not have."""
    raise ValueError(f"{constant} is not JSON")
