"""A recipe: all that a training needs to be told. The flags of ``hotswap train`` are one, typed."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

from registry.signature import KINDS, TASKS, Task
from trainers.errors import RecipeRefused

TrainedKind = Literal["linear", "logistic", "tree", "forest"]
TRAINED_KINDS: tuple[TrainedKind, ...] = get_args(TrainedKind)
assert set(TRAINED_KINDS) < set(KINDS)  # noqa: S101 -- a mistake of ours, found at import

ImputeStrategy = Literal["mean", "median", "most_frequent", "none"]
IMPUTE_STRATEGIES: tuple[ImputeStrategy, ...] = get_args(ImputeStrategy)
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Constant:
    """Fills what is missing with one value: a number, a text, or true or false."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Bands:
    """Cuts a number at ``edges`` (n + 1, rising) into n bands named by ``labels``."""

    edges: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How one column is prepared. What is None is left to the trainer, by type and estimator."""

    impute: ImputeStrategy | Constant | None = None
    scale: bool | None = None
    one_hot: bool | None = None
    bands: Bands | None = None
    drop: bool = False

    def mistakes(self) -> list[str]:
        """What contradicts itself, in words; empty where nothing does."""
        found = []
        if self.drop and self != Preparation(drop=True):
            found.append("a dropped column takes no other preparation")
        if self.bands is not None and (self.one_hot is not None or self.scale is not None):
            found.append("a column in bands is neither scaled nor one-hot encoded again")
        if self.one_hot and self.scale:
            found.append("a column is scaled or one-hot encoded, not both")
        if isinstance(self.impute, str) and self.impute not in IMPUTE_STRATEGIES:
            found.append(f"impute is one of {', '.join(IMPUTE_STRATEGIES)}, not {self.impute!r}")
        if self.bands is not None:
            # Late, so that reading a recipe does not import scikit-learn.
            from registry.preprocessing import check_bands

            try:
                check_bands(self.bands.edges, self.bands.labels)
            except ValueError as error:
                found.append(str(error).rstrip("."))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to train, on what, and how.

    ``data`` is a path or ``sklearn:iris`` and the like; ``target`` may be left empty for those
    sets, which call theirs ``target``. ``features`` are the columns to learn from (None: all but
    the target), ``exclude`` those to leave out. ``test_size`` is the share of rows held out.

    Raises RecipeRefused, with all that is wrong, when it is made with values that cannot be.
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
    test_size: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        mistakes = self._mistakes()
        if mistakes:
            raise RecipeRefused(
                mistakes, f"The recipe '{self.name}'" if self.name else "The recipe"
            )

    @classmethod
    def from_toml(cls, source: Path | str) -> Self:
        """Read a recipe from a file (a Path) or from TOML text (a str).

        A relative path of data is taken from the file's own directory.

        Raises RecipeRefused, naming every key that is wrong.
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
        if not values["data"].startswith("sklearn:"):
            values["data"] = str(source.parent / values["data"])
        return cls(**values)

    @property
    def sha256(self) -> str:
        """Digest of what is to be done, the same wherever the data lies: all fields but ``data``,
        as JSON with sorted keys."""
        fields = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in {"data", "columns", "params"}
        }
        fields["params"] = dict(self.params)
        fields["columns"] = {name: asdict(how) for name, how in self.columns.items()}
        text = json.dumps(fields, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _mistakes(self) -> list[str]:
        found = []
        if not self.data:
            found.append("data is empty: give a file or a set such as sklearn:iris")
        if not self.target and not self.data.startswith("sklearn:"):
            found.append("target is empty: name the column to predict")
        if self.kind not in TRAINED_KINDS:
            found.append(f"kind is one of {', '.join(TRAINED_KINDS)}, not {self.kind!r}")
        if self.task is not None and self.task not in TASKS:
            found.append(f"task is one of {', '.join(TASKS)}, not {self.task!r}")
        if not (isfinite(self.test_size) and 0 < self.test_size < 1):
            found.append(f"test_size is a share between 0 and 1, not {self.test_size}")
        if not 0 <= self.seed <= MAX_SEED:
            found.append(f"seed is a whole number from 0 to {MAX_SEED}, not {self.seed}")
        return found + self._column_mistakes()

    def _column_mistakes(self) -> list[str]:
        found = []
        if self.features is not None and not self.features:
            found.append("features is empty: name a column, or leave it out to take all")
        for role, names in (("features", self.features or ()), ("exclude", self.exclude)):
            if self.target in names:
                found.append(f"{role} names the target '{self.target}'")
        if self.target in self.columns:
            found.append(f"columns prepares the target '{self.target}'")
        for name, how in self.columns.items():
            found += [f"columns.{name}: {mistake}" for mistake in how.mistakes()]
        return found


def parse_parameter(text: str) -> tuple[str, Any]:
    """A parameter as typed, ``n_estimators=200``, as its name and value.

    The value is read as TOML does (numbers, true, false, "quoted", lists), ``none`` is None, and
    anything else is a text. Raises RecipeRefused where there is no name or no ``=``.
    """
    name, equals, written = (part.strip() for part in text.partition("="))
    if not name or not equals:
        raise RecipeRefused([f"'{text}' is no parameter: write name=value"], "The command")
    if written.lower() == "none":
        return name, None
    if written in {"True", "False"}:
        return name, written == "True"
    try:
        document = tomllib.loads(f"value = {written}")
    except tomllib.TOMLDecodeError:
        return name, written
    return name, document["value"] if document.keys() == {"value"} else written
