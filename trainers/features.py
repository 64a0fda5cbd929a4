"""Chooses the columns to learn from and builds the preprocessing steps of the pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from registry.dates import parse_date
from registry.preprocessing import BandEncoder, DateEncoder, SignedLog
from registry.text_encoder import MAX_TERMS, TextEncoder
from trainers.columns import MAX_CATEGORIES, is_free_text
from trainers.errors import ColumnNotFound, ColumnRefused, NoFeatures
from trainers.origin import Path
from trainers.preparation import Bands, Constant, Preparation
from trainers.recipe import Recipe
from trainers.values import Values

MISSING_CATEGORY = "missing"
_DEFAULT_IMPUTE: Mapping[str, Any] = {
    "number": "median",
    "integer": "median",
    "boolean": "most_frequent",
    "string": Constant(MISSING_CATEGORY),
    "date": "median",
}
Encoding = Literal[
    "as_is", "scale", "one_hot", "infrequent", "target", "terms", "dates", "cyclic_dates"
]
_NEED_VALUES = {"as_is", "scale", "dates", "cyclic_dates"}
_FOLDS = 5
_FREQUENT = 100
"""Categories with a column of their own where infrequent ones share one."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """The preprocessing of one column: filling, logarithm, encoding. Columns with equal treatments
    share a step."""

    impute: str | Constant | None
    encode: Encoding | Bands
    log: bool = False

    @property
    def name(self) -> str:
        encoded: str = "bands" if isinstance(self.encode, Bands) else self.encode
        if self.log:
            encoded = f"log_{encoded}" if encoded == "scale" else "log"
        if self.impute is None:
            return encoded
        filled = "constant" if isinstance(self.impute, Constant) else self.impute
        return f"{filled}_{encoded}"


def choose(columns: Sequence[str], recipe: Recipe, target: str) -> list[str]:
    """The names of the columns to learn from: those of the recipe in its order, else all in the
    order of the data.

    Raises ColumnNotFound for a name that the data does not have, NoFeatures where none is left.
    """
    named: list[tuple[str, Path, str]] = [("target", ("target",), target)]
    named += [("a feature", ("features", at), name) for at, name in
              enumerate(recipe.features or ())]  # fmt: skip
    named += [("excluded", ("exclude", at), name) for at, name in enumerate(recipe.exclude)]
    named += [("a column to prepare", ("columns", name), name) for name in recipe.columns]
    if recipe.split.column:
        named.append(("the column to split by", ("split", "column"), recipe.split.column))
    for role, path, name in named:
        if name not in columns:
            raise ColumnNotFound(role, name, columns, recipe.origin.where(path))
    dropped = {name for name, how in recipe.columns.items() if how.drop}
    left_out = {target, *recipe.exclude, *dropped}
    if recipe.features is None:
        # The group or time of a row is learnt from only if ``features`` names it.
        left_out.add(recipe.split.column)
    wanted = columns if recipe.features is None else dict.fromkeys(recipe.features)
    chosen = [name for name in wanted if name not in left_out]
    if not chosen:
        raise NoFeatures
    return chosen


def plan(
    values: Values, how: Preparation, *, scaled: bool, takes_missing: bool = False
) -> Treatment:
    """The treatment of a column: as the recipe says, else by its type.

    ``scaled``: whether the estimator needs standardised numbers; ``takes_missing``: whether it
    learns from missing ones. Unless the recipe says otherwise, only a column with missing values is
    filled, and only where the estimator needs it. Raises ColumnRefused where the preparation does
    not fit the type.
    """
    _check_preparation(values, how)
    encode: Encoding | Bands
    is_scaled = how.scale or (how.scale is None and scaled)
    if how.bands is not None:
        encode = how.bands
    elif how.encode is not None:
        encode = how.encode
    elif how.one_hot:
        encode = "one_hot"
    elif values.type == "string":
        encode = _text_encoding(values, how)
    elif values.type == "date":
        encode = "cyclic_dates" if is_scaled else "dates"
    elif how.scale or (is_scaled and values.type != "boolean"):
        encode = "scale"
    else:
        encode = "as_is"
    is_number = encode == "as_is" and values.type in {"number", "integer"}
    if takes_missing and is_number and how.impute in {None, "none"}:
        return Treatment(None, encode, how.log)
    return Treatment(_imputation(values, how, encode), encode, how.log)


def _text_encoding(values: Values, how: Preparation) -> Encoding:
    if how.type == "text" or (how.type is None and is_free_text(values.present)):
        return "terms"
    return "target" if len(set(values.present)) > MAX_CATEGORIES else "one_hot"


def encoding_notes(
    columns: Sequence[Values], treatments: Mapping[str, Treatment], max_terms: int
) -> list[str]:
    """What was chosen for columns of many categories and of free text, in words."""
    most = f", at most {max_terms:,}" if max_terms < MAX_TERMS else ""
    notes = []
    for values in columns:
        encode = treatments[values.name].encode
        distinct = len(set(values.present)) if values.type == "string" else 0
        if encode == "terms":
            notes.append(f"'{values.name}' is free text: learnt from its terms (TF-IDF{most})")
        elif encode == "target" or (encode == "infrequent" and distinct):
            means = "the mean of the target" if encode == "target" else "frequent categories"
            notes.append(f"'{values.name}' has {distinct:,} categories: encoded by {means}")
    return notes


def column_transformer(
    treatments: Mapping[str, Treatment],
    *,
    target_type: str = "continuous",
    seed: int = 0,
    max_terms: int = MAX_TERMS,
    dense: bool = False,
) -> ColumnTransformer:
    """The preprocessing of all columns, by name; other columns are dropped.

    ``target_type``: continuous, binary or multiclass. ``seed``: of the folds of target encoders.
    ``max_terms``: the most terms of a column of free text. ``dense``: the estimator refuses sparse
    features, which terms are otherwise.
    """
    fold = KFold(_FOLDS, shuffle=True, random_state=seed)
    groups: dict[Treatment, list[str]] = {}
    for name, treatment in treatments.items():
        groups.setdefault(treatment, []).append(name)
    steps: list[tuple[str, Any, list[str]]] = []
    for treatment, names in groups.items():
        same = sum(other.startswith(treatment.name) for other, _, _ in steps)
        label = f"{treatment.name}_{same + 1}" if same else treatment.name
        if treatment.encode == "terms":
            made: Any = TextEncoder(max_terms=max_terms)
        elif treatment.encode == "target":
            made = _filled(treatment, TargetEncoder(target_type=target_type, cv=fold))
        else:
            made = _transformer(treatment)
        steps.append((label, made, names))
    # The terms of texts are compiled only if they are last, and for a linear model sparse.
    steps.sort(key=lambda step: isinstance(step[1], TextEncoder))
    made = ColumnTransformer(steps, remainder="drop")
    if any(isinstance(step[1], TextEncoder) for step in steps):
        made.set_params(sparse_threshold=0.0 if dense else 1.0)
    return made


def forget_folds(pipeline: Pipeline) -> None:
    """Put the number of folds in place of the folds with which target encoders were fitted, which
    an artifact cannot contain."""
    transformer = pipeline[0]
    for part in (transformer, *transformer.named_transformers_.values()):
        if hasattr(part, "get_params"):
            folds = [name for name, value in part.get_params().items() if isinstance(value, KFold)]
            part.set_params(**dict.fromkeys(folds, _FOLDS))


def _transformer(treatment: Treatment) -> Any:
    if treatment.encode in {"dates", "cyclic_dates"}:
        return _date_transformer(treatment)
    chain = _imputers(treatment)
    if treatment.log:
        chain.append(("log", SignedLog()))
    if isinstance(treatment.encode, Bands):
        bands = treatment.encode
        chain.append(("encode", BandEncoder(list(bands.edges), list(bands.labels))))
    elif treatment.encode == "scale":
        chain.append(("encode", StandardScaler()))
    elif treatment.encode == "one_hot":
        chain.append(("encode", OneHotEncoder(handle_unknown="ignore", sparse_output=False)))
    elif treatment.encode == "infrequent":
        grouped = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=_FREQUENT + 1,
            sparse_output=False,
        )
        chain.append(("encode", grouped))
    if not chain:
        return "passthrough"
    return chain[0][1] if len(chain) == 1 else Pipeline(chain)


def _imputers(treatment: Treatment) -> list[tuple[str, Any]]:
    if isinstance(treatment.impute, Constant):
        value = treatment.impute.value
        fill = value if isinstance(value, str) else float(value)
        return [("impute", SimpleImputer(strategy="constant", fill_value=fill))]
    if treatment.impute is not None:
        return [("impute", SimpleImputer(strategy=treatment.impute))]
    return []


def _filled(treatment: Treatment, encoder: Any) -> Any:
    chain = [*_imputers(treatment), ("encode", encoder)]
    return chain[0][1] if len(chain) == 1 else Pipeline(chain)


def _date_transformer(treatment: Treatment) -> Any:
    """The encoder fills missing dates itself: scikit-learn's imputers have no dates."""
    fill = treatment.impute
    text = str(fill.value) if isinstance(fill, Constant) else fill
    if treatment.encode == "dates":
        return DateEncoder(fill=text)
    return Pipeline([("dates", DateEncoder(cyclic=True, fill=text)), ("scale", StandardScaler())])


def _imputation(values: Values, how: Preparation, encode: object) -> str | Constant | None:
    if how.impute is not None:
        if how.impute == "none" and values.missing_count and encode in _NEED_VALUES:
            raise ColumnRefused(
                values.name,
                f"has {values.missing_count} missing values, and impute is 'none'",
                "Set impute to mean, median, most_frequent or a constant, or drop the column.",
            )
        return None if how.impute == "none" else how.impute
    if not values.missing_count or isinstance(encode, Bands):
        return None
    if encode == "terms":
        return None
    if encode in {"one_hot", "infrequent", "target"} and values.type != "string":
        return "most_frequent"
    default: str | Constant = _DEFAULT_IMPUTE[values.type]
    return default


def _check_preparation(values: Values, how: Preparation) -> None:
    name, is_text = values.name, values.type == "string"
    if values.type == "date":
        _check_date_preparation(name, how)
        return
    held = "text" if is_text else f"of the type {values.type}"
    if how.log and values.type not in {"number", "integer"}:
        raise ColumnRefused(
            name, f"is {held} and has no logarithm", "Remove log from its preparation."
        )
    if is_text and (how.bands is not None or how.scale or how.one_hot is False):
        raise ColumnRefused(
            name,
            "is text, which can be one-hot encoded, but not scaled or cut into bands",
            "Change its preparation in the recipe, or drop it.",
        )
    if is_text and how.impute in {"mean", "median"}:
        raise ColumnRefused(
            name, f"is text and has no {how.impute}", "Fill it with most_frequent or a constant."
        )
    if isinstance(how.impute, Constant) and isinstance(how.impute.value, str) != is_text:
        raise ColumnRefused(
            name,
            f"is {held} and cannot be filled with {how.impute.value!r}",
            "Fill it with a value of its own type.",
        )
    distinct = len(np.unique(values.present)) if how.one_hot and not is_text else 0
    if distinct > MAX_CATEGORIES:
        raise ColumnRefused(
            name,
            f"has {distinct} different numbers to one-hot encode; {MAX_CATEGORIES} are allowed",
            "Scale it or cut it into bands instead.",
        )


def _check_date_preparation(name: str, how: Preparation) -> None:
    if how.bands is not None or how.log or how.one_hot or how.encode:
        raise ColumnRefused(
            name,
            "is a date, which has no logarithm and cannot be cut into bands or one-hot encoded",
            "Change its preparation, or declare another type, such as type = 'category'.",
        )
    if isinstance(how.impute, Constant):
        try:
            parse_date(str(how.impute.value))
        except ValueError:
            raise ColumnRefused(
                name,
                f"is a date and cannot be filled with {how.impute.value!r}",
                "Fill it with a date, such as 2026-01-31.",
            ) from None
