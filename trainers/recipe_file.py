"""Reads a recipe's TOML into the fields of a Recipe, and collects every mistake in it."""

import math
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from hotswap.labels import listed
from trainers.errors import RecipeRefused
from trainers.file_settings import FILE_KEYS, FileSettings
from trainers.origin import Mistake, Origin, Path
from trainers.preparation import IMPUTE_STRATEGIES, Bands, Constant, Preparation
from trainers.recipe_rules import mistakes_in
from trainers.search_space import Choices, Range, Search
from trainers.split_rule import SplitRule
from trainers.toml_line_numbers import key_lines

_REQUIRED = ("data", "kind")


def parse(text: str, source: str) -> dict[str, Any]:
    """The keyword arguments of Recipe that ``text`` gives; ``source`` names it in errors.

    Raises RecipeRefused with all mistakes, each with its line.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also for very long numbers
        raise RecipeRefused([f"it is not TOML: {error}"], source) from None
    return read(document, Origin(source, key_lines(text)))


def read(document: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """The same for a document that is already parsed. Raises RecipeRefused."""
    reader = _Reader()
    values = reader.recipe(document)
    sound = {key: value for key, value in values.items() if key not in reader.wrong}
    if reader.mistakes:
        # The further rules apply only to values of the right type.
        mistakes = [*reader.mistakes, *mistakes_in(sound)]
        raise RecipeRefused(origin.described(mistakes), origin.source)
    return {**values, "origin": origin}


class _Reader:
    """Collects all mistakes instead of stopping at the first; ``wrong`` are the top-level keys that
    have some."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    @property
    def wrong(self) -> set[str | int]:
        return {mistake.path[0] for mistake in self.mistakes if mistake.path}

    def recipe(self, document: Mapping[str, Any]) -> dict[str, Any]:
        self._unknown((), document, tuple(_READERS))
        for key in _REQUIRED:
            if key not in document:
                self._say((), f"{key} is missing")
        values = {
            key: read_value(self, (key,), document[key])
            for key, read_value in _READERS.items()
            if key in document
        }
        values |= values.pop("promotion", {})
        settings = {key: values.pop(key) for key in FILE_KEYS if key in values}
        return {**values, "file": FileSettings(**settings)} if settings else values

    def text(self, at: Path, value: Any) -> Any:
        return self._typed(at, value, str, "a text")

    def number(self, at: Path, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            self._wrong(at, "a number")
        elif not _is_in_range(value):
            self._wrong(at, "a number that a float can hold")
        else:
            return value
        return 0.0

    def whole(self, at: Path, value: Any) -> Any:
        return self._typed(at, value, int, "a whole number")

    def truth(self, at: Path, value: Any) -> Any:
        return self._typed(at, value, bool, "true or false")

    def texts(self, at: Path, value: Any) -> tuple[str, ...] | None:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._wrong(at, "a list of texts")
        return None

    def params(self, at: Path, value: Any) -> dict[str, Any]:
        table = self._typed(at, value, dict, "a table") or {}
        return {name: self._plain((*at, name), inner) for name, inner in table.items()}

    def columns(self, at: Path, value: Any) -> dict[str, Preparation]:
        table = self._typed(at, value, dict, "a table of columns") or {}
        return {name: self._column((*at, name), how) for name, how in table.items()}

    def split(self, at: Path, value: Any) -> SplitRule:
        return SplitRule(**self._table(at, value, {"by": _Reader.text, "column": _Reader.text}))

    def promotion(self, at: Path, value: Any) -> dict[str, Any]:
        return self._table(at, value, {"rollout": _Reader.text})

    def search(self, at: Path, value: Any) -> Search | None:
        known = {
            "method": _Reader.text,
            "params": _Reader._spaces,
            "folds": _Reader.whole,
            "draws": _Reader.whole,
            "metric": _Reader.text,
        }
        table = self._table(at, value, known)
        if "method" not in table:
            self._say(at, "search.method is missing: grid or random")
            return None
        if table["method"] == "grid" and "draws" in table:
            self._say((*at, "draws"), "search.draws requires method = 'random'")
        return Search(**table)

    def _spaces(self, at: Path, value: Any) -> dict[str, Choices | Range]:
        table = self._typed(at, value, dict, "a table of lists and ranges") or {}
        return {name: self._space((*at, name), space) for name, space in table.items()}

    def _space(self, at: Path, value: Any) -> Choices | Range:
        if isinstance(value, list):
            return tuple(self._plain((*at, position), item) for position, item in enumerate(value))
        if not isinstance(value, dict) or not {"low", "high"} <= value.keys():
            return self._wrong(at, "a list of values or { low = NUMBER, high = NUMBER }") or ()
        bounds = {"low": _Reader.number, "high": _Reader.number, "log": _Reader.truth}
        return Range(**self._table(at, value, bounds))

    def _column(self, at: Path, value: Any) -> Preparation:
        known = {
            "type": _Reader.text,
            "impute": _Reader._impute,
            "scale": _Reader.truth,
            "log": _Reader.truth,
            "one_hot": _Reader.truth,
            "encode": _Reader.text,
            "bands": _Reader._bands,
            "drop": _Reader.truth,
        }
        return Preparation(**self._table(at, value, known))

    def _impute(self, at: Path, value: Any) -> Any:
        if isinstance(value, str) and value in IMPUTE_STRATEGIES:
            return value
        if isinstance(value, dict) and value.keys() == {"constant"}:
            constant = value["constant"]
            is_number = isinstance(constant, int | float)
            is_finite = is_number and _is_in_range(constant) and math.isfinite(constant)
            if isinstance(constant, str) or is_finite:
                return Constant(constant)
        return self._wrong(at, f"one of {listed(IMPUTE_STRATEGIES)} or {{ constant = VALUE }}")

    def _bands(self, at: Path, value: Any) -> Bands | None:
        table = self._typed(at, value, dict, "a table with edges and labels")
        if table is None:
            return None
        self._unknown(at, table, ("edges", "labels"))
        edges = table.get("edges")
        if not isinstance(edges, list):
            self._wrong((*at, "edges"), "a list of numbers")
            return None
        numbers = tuple(self.number((*at, "edges", place), edge) for place, edge in
                        enumerate(edges))  # fmt: skip
        labels = self.texts((*at, "labels"), table.get("labels"))
        return None if labels is None else Bands(numbers, labels)

    def _plain(self, at: Path, value: Any) -> Any:
        """A value that JSON can hold, because the lineage keeps it."""
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else self._wrong(at, "a finite number")
        if isinstance(value, list):
            return [self._plain((*at, place), item) for place, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._plain((*at, key), item) for key, item in value.items()}
        return self._wrong(at, "a number, a text, true or false, or a list or table of these")

    def _table(self, at: Path, value: Any, known: "Mapping[str, _Read]") -> dict[str, Any]:
        table = self._typed(at, value, dict, "a table") or {}
        self._unknown(at, table, tuple(known))
        return {
            key: read_value(self, (*at, key), table[key])
            for key, read_value in known.items()
            if key in table
        }

    def _typed(self, at: Path, value: Any, type_: type, expected: str) -> Any:
        if isinstance(value, type_) and not (isinstance(value, bool) and type_ is not bool):
            return value
        return self._wrong(at, expected)

    def _unknown(self, at: Path, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table.keys() - set(known):
            said = f"{_dotted((*at, key))} is not a known key; known are {listed(known, 30)}"
            self._say((*at, key), said)

    def _wrong(self, at: Path, expected: str) -> Any:
        self._say(at, f"{_dotted(at)} must be {expected}")

    def _say(self, at: Path, text: str) -> None:
        self.mistakes.append(Mistake(at, text))


_Read = Callable[[_Reader, Path, Any], Any]
_READERS: Mapping[str, _Read] = {
    "name": _Reader.text,
    "description": _Reader.text,
    "data": _Reader.text,
    "target": _Reader.text,
    "kind": _Reader.text,
    "task": _Reader.text,
    "features": _Reader.texts,
    "exclude": _Reader.texts,
    "test_size": _Reader.number,
    "sample": _Reader.whole,
    "seed": _Reader.whole,
    "params": _Reader.params,
    "columns": _Reader.columns,
    "split": _Reader.split,
    "search": _Reader.search,
    "gates": _Reader.texts,
    "promotion": _Reader.promotion,
    "strict": _Reader.truth,
    "na_values": _Reader.texts,
    **dict.fromkeys(FILE_KEYS[1:], _Reader.text),
}


def _is_in_range(value: float) -> bool:
    """Whether ``value`` is within the range of a float."""
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _dotted(path: Path) -> str:
    """``columns.age.bands.edges[2]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
