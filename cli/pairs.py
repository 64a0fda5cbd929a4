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


class ParameterPair(click.ParamType[tuple[str, Any]]):
    """``key=value``, the value as JSON where it is some, else text."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, text = TagPair().convert(value, param, ctx)
        return key, json_or_text(text)


def as_mapping(pairs: Iterable[tuple[str, Value]], option: str) -> dict[str, Value]:
    """``pairs`` as a dict. Raises click.UsageError where a key comes twice."""
    mapping: dict[str, Value] = {}
    for key, value in pairs:
        if key in mapping:
            raise click.UsageError(f"{option} names {key!r} twice.")
        mapping[key] = value
    return mapping


def json_or_text(text: str) -> Any:
    """``text`` read as JSON; as itself where it is none. NaN and Infinity are no JSON."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except ValueError:
        return text


def refuse_constant(constant: str) -> Never:
    """Refuse NaN and Infinity, which Python reads and JSON does not know. Raises ValueError."""
    raise ValueError(f"{constant} is no JSON")
