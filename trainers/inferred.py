"""What was found out about the columns of the data, to be printed and kept with the version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.features import Treatment
from trainers.preparation import Bands, Constant, DeclaredType
from trainers.target import Target
from trainers.values import Values

_ENCODED = {
    "cyclic_dates": "calendar, cyclic",
    "dates": "calendar",
    "infrequent": "one-hot, infrequent ones together",
    "target": "mean of the target",
    "terms": "TF-IDF of its terms",
}


@dataclass(frozen=True, slots=True)
class Inferred:
    """``type`` is one that a recipe may declare, ``missing`` counts rows, ``treatment`` and
    ``oddities`` are in words: the preprocessing, and what was done to cells to read them."""

    name: str
    type: str
    missing: int
    treatment: str
    oddities: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What is kept with the version, beside the signature and the summary of the values."""
        odd = {"oddities": list(self.oddities)} if self.oddities else {}
        return {"treatment": self.treatment, **odd}


def inferred(
    columns: tuple[Values, ...], treatments: Mapping[str, Treatment], target: Target, values: Values
) -> tuple[Inferred, ...]:
    """One for each of ``columns``, then one for the target, which has ``values``."""
    return (
        *(_one(column, treatments[column.name]) for column in columns),
        _inferred(values, declared_type(values), f"target of the {target.task}"),
    )


def declared_type(values: Values) -> DeclaredType:
    """The type of ``values`` as a recipe declares it."""
    return "category" if values.type == "string" else values.type


def _one(values: Values, treatment: Treatment) -> Inferred:
    type_ = "text" if treatment.encode == "terms" else declared_type(values)
    return _inferred(values, type_, _described(treatment))


def _inferred(values: Values, type_: str, treatment: str) -> Inferred:
    return Inferred(values.name, type_, values.missing_count, treatment, values.oddities)


def _described(treatment: Treatment) -> str:
    parts = []
    if isinstance(treatment.impute, Constant):
        parts.append(f"fill with {treatment.impute.value!r}")
    elif treatment.impute is not None:
        parts.append(f"fill with the {treatment.impute.replace('_', ' ')}")
    if treatment.log:
        parts.append("log")
    if isinstance(treatment.encode, Bands):
        parts.append(f"{len(treatment.encode.labels)} bands")
    elif treatment.encode != "as_is":
        parts.append(_ENCODED.get(treatment.encode, treatment.encode.replace("_", "-")))
    return ", ".join(parts) or "as it is"
