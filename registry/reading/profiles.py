"""The profile in a version's evaluation: distributions of its columns and of its predictions.

Trainers and ``hotswap.log`` write it (``hotswap.evaluation.profile``); anybody else may upload one,
so it is checked. Versions that were registered before profiles existed have none.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from registry.errors import Fault, MetadataRefused, shown
from registry.signature import MAX_COLUMN_NAME, MAX_COLUMNS, Signature, label_text

MAX_BINS = 64
MAX_VALUES = 100
_MAX_NAMED = 20

Count = Annotated[int, Meta(ge=0, lt=2**53)]
Finite = Annotated[float, Meta(ge=-1.7e308, le=1.7e308)]
Text = Annotated[str, Meta(max_length=MAX_COLUMN_NAME)]
Edges = Annotated[tuple[Finite, ...], Meta(max_length=MAX_BINS - 1)]
Counts = Annotated[tuple[Count, ...], Meta(min_length=1, max_length=MAX_BINS)]
Frequencies = Annotated[dict[Text, Count], Meta(max_length=MAX_VALUES)]


class Bins(Struct, frozen=True, forbid_unknown_fields=True):
    """``counts[i]`` values are at least ``edges[i - 1]`` and below ``edges[i]``; the first and the
    last bin are open. There is one count more than edges, which ascend."""

    edges: Edges
    counts: Counts

    def __post_init__(self) -> None:
        _check_bins(self.edges, self.counts)


class ColumnProfile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The values of one column. Of numbers, and of dates as seconds since 1970: bins as in
    ``Bins``, ``min`` and ``max`` (absent if no row has a value). Of texts and booleans: the count
    of each frequent value, and of all others. ``missing`` rows have no value."""

    missing: Count
    edges: Edges | None = None
    counts: Counts | None = None
    min: Finite | None = None
    max: Finite | None = None
    values: Frequencies | None = None
    other: Count | None = None

    def __post_init__(self) -> None:
        _check_form(self.edges, self.counts, self.values, self.other)

    @property
    def rows(self) -> int:
        """The number of rows that it describes."""
        return self.missing + _total(self.counts, self.values, self.other)


class OutputProfile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Predictions for the rows of ``source``. Of a regression: bins as in ``Bins``, ``min``,
    ``max`` and the standard deviation ``sd``. Of a classification: how often each class was
    predicted, and bins of the largest probability if the model has any."""

    source: Literal["held-out", "training", "live"]
    edges: Edges | None = None
    counts: Counts | None = None
    min: Finite | None = None
    max: Finite | None = None
    sd: Finite | None = None
    values: Frequencies | None = None
    other: Count | None = None
    largest_probability: Bins | None = None

    def __post_init__(self) -> None:
        _check_form(self.edges, self.counts, self.values, self.other)


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """The distributions of the values of columns in ``rows`` rows of ``source``, and of the
    predictions. A column of the model that is not in it was not described."""

    rows: Annotated[int, Meta(ge=1, lt=2**53)]
    source: Literal["training", "held-out", "live"]
    columns: Annotated[dict[Text, ColumnProfile], Meta(max_length=MAX_COLUMNS)]
    output: OutputProfile

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if column.rows != self.rows:
                raise ValueError(
                    f"the counts of the column {shown(name)} add up to {column.rows}, not to the "
                    f"profile's {self.rows} rows"
                )


def checked_evaluation(evaluation: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """The uploaded ``evaluation`` with its profile checked, if it has one.

    The profile is kept without columns that are not in ``signature``: the model drops them. Raises
    MetadataRefused for a malformed one, and one that does not fit ``signature``.
    """
    value = evaluation.get("profile")
    if value is None:
        return dict(evaluation)
    try:
        profile = msgspec.convert(value, Profile)
    except msgspec.ValidationError as error:
        raise _refused([_fault(str(error))]) from error
    faults = [*_column_faults(profile, signature), *_output_faults(profile.output, signature)]
    if faults:
        raise _refused(faults[:_MAX_NAMED])
    used = {name: value["columns"][name] for name in profile.columns if name in signature.names}
    return {**evaluation, "profile": {**value, "columns": used}}


def openapi_schemas() -> dict[str, Any]:
    """The JSON schemas of a profile and its parts, by name, for an OpenAPI document."""
    _, schemas = msgspec.json.schema_components(
        [Profile], ref_template="#/components/schemas/{name}"
    )
    return dict(schemas)


def _column_faults(profile: Profile, signature: Signature) -> list[Fault]:
    faults = []
    for column in signature.inputs:
        found = profile.columns.get(column.name)
        is_number = column.type in {"number", "integer", "date"}
        if found is not None and is_number != (found.values is None):
            expected = "bins, since it holds numbers" if is_number else "values"
            at = f"evaluation.profile.columns.{column.name}"
            faults.append(Fault(at, f"expected {expected}"))
    return faults


def _output_faults(output: OutputProfile, signature: Signature) -> list[Fault]:
    at = "evaluation.profile.output"
    classes = signature.output.classes
    if (classes is None) != (output.values is None):
        expected = "bins for a regression" if classes is None else "values for a classification"
        return [Fault(at, f"expected {expected}")]
    unknown = (output.values or {}).keys() - set(map(label_text, classes or ()))
    return [Fault(f"{at}.values.{name}", "the model has no such class") for name in sorted(unknown)]


def _refused(faults: list[Fault]) -> MetadataRefused:
    first = faults[0]
    return MetadataRefused(f"The profile is not valid. First, {first.at}: {first.message}.", faults)


def _fault(error: str) -> Fault:
    """msgspec's error, which ends with the path: ``Expected `int`, got `str` - at `$.rows```."""
    message, _, path = error.partition(" - at `$")
    return Fault(f"evaluation.profile{path.rstrip('`')}", message)


def _check_form(
    edges: Edges | None, counts: Counts | None, values: Frequencies | None, other: int | None
) -> None:
    if (edges is None) != (counts is None) or (values is None) != (other is None):
        raise ValueError("'edges' and 'counts', and 'values' and 'other', belong together")
    if (edges is None) == (values is None):
        raise ValueError("expected either 'edges' and 'counts', or 'values' and 'other'")
    if edges is not None and counts is not None:
        _check_bins(edges, counts)


def _check_bins(edges: Edges, counts: Counts) -> None:
    if len(counts) != len(edges) + 1:
        raise ValueError(f"{len(edges)} edges need {len(edges) + 1} counts, not {len(counts)}")
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError("the edges do not ascend")


def _total(counts: Counts | None, values: Frequencies | None, other: int | None) -> int:
    return sum(counts or ()) + sum((values or {}).values()) + (other or 0)
