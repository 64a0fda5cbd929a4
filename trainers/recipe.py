"""A recipe: what to train, on what data, and how. ``hotswap train`` also makes one of its flags."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from registry.signature import Task
from trainers.bundled import is_bundled
from trainers.errors import RecipeRefused
from trainers.file_settings import FROM_CONTENT, FileSettings
from trainers.model_kinds import TrainedKind
from trainers.origin import Origin
from trainers.preparation import Preparation
from trainers.recipe_rules import mistakes_in
from trainers.search_space import Search
from trainers.split_rule import DEFAULT_SPLIT, SplitRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to train, on what, and how.

    ``data`` is a path or a bundled set such as ``sklearn:iris``; ``target`` may be empty for a
    bundled set, whose target column is called ``target``. ``features`` are the columns to learn
    from (None: all except the target and the column of the split), ``exclude`` those to leave out.
    ``file`` says how the file of the data is written, where that is not found from its content.
    ``sample`` is the number of rows to train and evaluate on; None: all. ``test_size`` is the share
    of rows held out. ``gates`` are the conditions for a promotion, which the registry checks.
    ``rollout`` is the path of the plan of a rollout to start instead of a promotion; empty: none.
    ``strict``: a training with warnings is refused.
    ``origin`` has the lines where the values were written.

    The constructor raises RecipeRefused, with all mistakes, for values that are not allowed.
    """

    data: str
    kind: TrainedKind
    target: str = ""
    name: str = ""
    description: str = ""
    task: Task | None = None
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Preparation] = field(default_factory=dict)
    split: SplitRule = DEFAULT_SPLIT
    search: Search | None = None
    file: FileSettings = FROM_CONTENT
    sample: int | None = None
    test_size: float = 0.2
    seed: int = 0
    gates: tuple[str, ...] = ()
    rollout: str = ""
    strict: bool = False
    origin: Origin = field(default_factory=Origin, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        mistakes = mistakes_in({own.name: getattr(self, own.name) for own in fields(self)})
        if mistakes:
            raise RecipeRefused(self.origin.described(mistakes), self.origin.source)

    @classmethod
    def from_toml(cls, source: Path | str) -> Self:
        """Read a recipe from a file (a Path) or from TOML text (a str).

        Relative paths, of data and of a plan, are resolved from the directory of the file.

        Raises RecipeRefused, with every wrong key and its line.
        """
        from trainers.recipe_file import parse

        if isinstance(source, str):
            return cls(**parse(source, "The recipe"))
        where = f"The recipe {source}"
        try:
            values = parse(source.read_text(encoding="utf-8"), where)
        except OSError as error:
            raise RecipeRefused([error.strerror or str(error)], where) from None
        except UnicodeDecodeError:
            raise RecipeRefused(["it is not UTF-8"], where) from None
        if not is_bundled(values["data"]):
            values["data"] = str(source.parent / values["data"])
        if values.get("rollout"):
            values["rollout"] = str(source.parent / values["rollout"])
        return cls(**values)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], origin: Origin | None = None) -> Self:
        """The recipe that ``to_json`` wrote. Raises RecipeRefused."""
        from trainers.recipe_file import read

        return cls(**read(document, origin or Origin()))

    def to_json(self) -> dict[str, Any]:
        """The recipe as the keys and tables of its file, mostly without those at their default."""
        document: dict[str, Any] = {"data": self.data, "kind": self.kind}
        for name in ("target", "name", "description", "task", "strict"):
            if getattr(self, name):
                document[name] = getattr(self, name)
        if self.features is not None:
            document["features"] = list(self.features)
        for name, values in (("exclude", self.exclude), ("gates", self.gates)):
            if values:
                document[name] = list(values)
        document |= self.file.to_json()
        if self.sample is not None:
            document["sample"] = self.sample
        document |= {"test_size": self.test_size, "seed": self.seed}
        tables: dict[str, dict[str, Any]] = {
            "params": dict(self.params),
            "columns": {name: how.to_json() for name, how in self.columns.items()},
            "promotion": {"rollout": self.rollout} if self.rollout else {},
        }
        document |= {name: table for name, table in tables.items() if table}
        if self.split != DEFAULT_SPLIT:
            document["split"] = self.split.to_json()
        if self.search is not None:
            document["search"] = self.search.to_json()
        return document

    @property
    def sha256(self) -> str:
        """SHA-256 of ``to_json`` with sorted keys and without ``data`` and ``promotion``, so that
        it depends neither on where the data is nor on how a version goes live."""
        document = self.to_json()
        del document["data"]
        document.pop("promotion", None)
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def parse_parameter(text: str) -> tuple[str, Any]:
    """The name and value of a parameter as typed, such as ``n_estimators=200``.

    The value is parsed as TOML (numbers, true, false, "quoted", lists); ``none`` is None, and
    anything else is a text. Raises RecipeRefused where there is no name or no ``=``.
    """
    name, equals, written = (part.strip() for part in text.partition("="))
    if not name or not equals:
        raise RecipeRefused([f"'{text}' is not a parameter: write name=value"], "The command")
    if written.lower() == "none":
        return name, None
    if written in {"True", "False"}:
        return name, written == "True"
    try:
        document = tomllib.loads(f"value = {written}")
    except tomllib.TOMLDecodeError:
        return name, written
    return name, document["value"] if document.keys() == {"value"} else written
