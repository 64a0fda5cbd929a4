"""Reads a recipe's TOML into the fields of a Recipe; every key that is wrong is named."""

import tomllib
from collections.abc import Mapping
from typing import Any

from trainers.errors import RecipeRefused, listed
from trainers.recipe import IMPUTE_STRATEGIES, Bands, Constant, Preparation

_TEXT = ("name", "data", "target", "kind", "task", "description")
_REQUIRED = ("data", "kind")
_KEYS = (*_TEXT, "features", "exclude", "params", "columns", "test_size", "seed")
_COLUMN_KEYS = ("impute", "scale", "one_hot", "bands", "drop")


def parse(text: str, source: str) -> dict[str, Any]:
    """The keyword arguments of Recipe that ``text`` gives; ``source`` names it in errors.

    Raises RecipeRefused with all keys that are unknown, missing or of a wrong type.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeRefused([f"it is not TOML: {error}"], source) from None
    reader = _Reader()
    values = reader.recipe(document)
    if reader.mistakes:
        raise RecipeRefused(reader.mistakes, source)
    return values


class _Reader:
    """Collects all mistakes instead of stopping at the first."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def recipe(self, document: Mapping[str, Any]) -> dict[str, Any]:
        self._unknown("", document, _KEYS)
        for key in _REQUIRED:
            if key not in document:
                self.mistakes.append(f"{key} is missing")
        values: dict[str, Any] = {}
        for key in document.keys() & set(_KEYS):
            values[key] = self._value(key, document[key])
        return values

    def _value(self, key: str, value: Any) -> Any:
        if key in _TEXT:
            return self._typed(key, value, str, "a text")
        if key in {"features", "exclude"}:
            return self._texts(key, value)
        if key == "test_size":
            return self._number(key, value)
        if key == "seed":
            return self._typed(key, value, int, "a whole number")
        if key == "params":
            return self._typed(key, value, dict, "a table")
        columns = self._typed(key, value, dict, "a table of columns") or {}
        return {name: self._column(f"columns.{name}", how) for name, how in columns.items()}

    def _column(self, at: str, value: Any) -> Preparation:
        table = self._typed(at, value, dict, "a table") or {}
        self._unknown(f"{at}.", table, _COLUMN_KEYS)
        how: dict[str, Any] = {}
        if "impute" in table:
            how["impute"] = self._impute(f"{at}.impute", table["impute"])
        if "bands" in table:
            how["bands"] = self._bands(f"{at}.bands", table["bands"])
        for key in ("scale", "one_hot", "drop"):
            if key in table:
                how[key] = self._typed(f"{at}.{key}", table[key], bool, "true or false")
        return Preparation(**how)

    def _impute(self, at: str, value: Any) -> Any:
        if value in IMPUTE_STRATEGIES:
            return value
        if isinstance(value, dict) and value.keys() == {"constant"}:
            constant = value["constant"]
            if isinstance(constant, str | int | float):
                return Constant(constant)
        return self._wrong(at, f"one of {listed(IMPUTE_STRATEGIES)} or {{ constant = VALUE }}")

    def _bands(self, at: str, value: Any) -> Bands | None:
        table = self._typed(at, value, dict, "a table with edges and labels")
        if table is None:
            return None
        self._unknown(f"{at}.", table, ("edges", "labels"))
        edges = table.get("edges")
        if not isinstance(edges, list):
            self._wrong(f"{at}.edges", "a list of numbers")
            return None
        numbers = tuple(self._number(f"{at}.edges", edge) for edge in edges)
        labels = self._texts(f"{at}.labels", table.get("labels"))
        return None if labels is None else Bands(numbers, labels)

    def _texts(self, at: str, value: Any) -> tuple[str, ...] | None:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._wrong(at, "a list of texts")
        return None

    def _number(self, at: str, value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self._wrong(at, "a number")
        return 0.0

    def _typed(self, at: str, value: Any, type_: type, asked: str) -> Any:
        if isinstance(value, type_) and not (isinstance(value, bool) and type_ is not bool):
            return value
        return self._wrong(at, asked)

    def _unknown(self, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table.keys() - set(known):
            self.mistakes.append(f"{prefix}{key} is no key here; there are {listed(known, 20)}")

    def _wrong(self, at: str, asked: str) -> Any:
        self.mistakes.append(f"{at} must be {asked}")
