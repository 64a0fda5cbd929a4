"""Reads the stored evaluation of a version, which the uploader may fill with anything.

Each part is read separately: a malformed one is left out and named, the others are kept. The
trainers write these parts; ``GET …/evaluation`` returns them unchanged.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from registry.reading.profiles import Profile
from registry.signature import Label

MAX_CLASSES = 100
"""Parts with more classes are not read: no plot shows them."""

Count = Annotated[int, Meta(ge=0, lt=2**53)]
Number = Annotated[float, Meta(ge=-1e150, le=1e150)]
"""Differences and squares of these are finite."""
Numbers = Annotated[tuple[Number, ...], Meta(min_length=1, max_length=10_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Shares = Annotated[tuple[Share, ...], Meta(min_length=1, max_length=10_000)]
Interval = tuple[float, float]


class PredictedVsTrue(Struct, frozen=True):
    """Held-out rows, or a sample of them."""

    true: Numbers
    predicted: Numbers

    def __post_init__(self) -> None:
        _same_length(self.true, self.predicted)


class Histogram(Struct, frozen=True):
    """``counts[i]`` values are between ``edges[i]`` and ``edges[i + 1]``."""

    edges: Annotated[tuple[Number, ...], Meta(min_length=2, max_length=1_000)]
    counts: tuple[Count, ...]

    def __post_init__(self) -> None:
        _same_length(self.edges[1:], self.counts)
        if list(self.edges) != sorted(self.edges):
            raise ValueError("the edges are not in order")


class ConfusionMatrix(Struct, frozen=True):
    """``counts[i][j]`` rows of class ``labels[i]`` were predicted as ``labels[j]``."""

    labels: Annotated[tuple[Label, ...], Meta(min_length=1, max_length=MAX_CLASSES)]
    counts: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        for row in (self.counts, *self.counts):
            _same_length(self.labels, row)


class RocCurve(Struct, frozen=True):
    """``points``: how many there were, if the curve was thinned."""

    label: Label = field(name="class")
    fpr: Shares
    tpr: Shares
    auc: Share | None = None
    points: Count | None = None

    def __post_init__(self) -> None:
        _same_length(self.fpr, self.tpr)


class PrecisionRecallCurve(Struct, frozen=True):
    """``positives`` is the share of rows of the class; ``points`` as in RocCurve."""

    label: Label = field(name="class")
    recall: Shares
    precision: Shares
    average_precision: Share | None = None
    positives: Share | None = None
    points: Count | None = None

    def __post_init__(self) -> None:
        _same_length(self.recall, self.precision)


class CalibrationCurve(Struct, frozen=True):
    """By bin: the mean probability predicted, the share of rows of the class, the count of rows."""

    label: Label = field(name="class")
    predicted: Shares
    observed: Shares
    counts: tuple[Count, ...]

    def __post_init__(self) -> None:
        _same_length(self.predicted, self.observed)
        _same_length(self.predicted, self.counts)


class Weight(Struct, frozen=True):
    """The importance or coefficient of a feature; ``by_class`` where each class has its own, and
    ``value`` is the mean of their absolute values."""

    feature: str
    value: Number
    by_class: tuple[float, ...] = ()


_DateText = Annotated[str, Meta(max_length=40)]
OfClasses = Meta(max_length=MAX_CLASSES)


class ColumnSummary(Struct, frozen=True):
    """The values of a column in training: ``min`` to ``max`` for numbers, ``first`` to ``last`` for
    dates, as text, else the count of each value; ``other`` rows had other values. ``treatment`` is
    the preprocessing, and ``oddities`` what was done to cells to read them, in words."""

    min: float | None = None
    max: float | None = None
    mean: float | None = None
    first: _DateText | None = None
    last: _DateText | None = None
    values: dict[str, Count] | None = None
    other: Count | None = None
    missing: Count | None = None
    treatment: str = ""
    oddities: tuple[str, ...] = ()


class StoredEvaluation(Struct, frozen=True):
    """The parts that were read; ``unsound`` names those that are malformed."""

    rows: Count | None = None
    train_rows: Count | None = None
    dropped_rows: Count | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    baseline: dict[str, float] = {}
    metric_intervals: dict[str, Interval] = {}
    columns: dict[str, ColumnSummary] = {}
    profile: Profile | None = None
    predicted_vs_true: PredictedVsTrue | None = None
    residuals: Histogram | None = None
    confusion_matrix: ConfusionMatrix | None = None
    roc: Annotated[tuple[RocCurve, ...], OfClasses] = ()
    precision_recall: Annotated[tuple[PrecisionRecallCurve, ...], OfClasses] = ()
    calibration: Annotated[tuple[CalibrationCurve, ...], OfClasses] = ()
    importances: tuple[Weight, ...] = ()
    coefficients: tuple[Weight, ...] = ()
    unsound: tuple[str, ...] = ()


_PARTS = {
    part.name: part.type
    for part in msgspec.structs.fields(StoredEvaluation)
    if part.name != "unsound"
}


def read_evaluation(value: Mapping[str, Any]) -> StoredEvaluation:
    """Read the parts of ``value`` that have the form in which trainers write them."""
    found: dict[str, Any] = {}
    unsound = []
    for name in _PARTS.keys() & value.keys():
        try:
            found[name] = msgspec.convert(value[name], _PARTS[name])
        except msgspec.ValidationError:
            unsound.append(name)
    return StoredEvaluation(**found, unsound=tuple(sorted(unsound)))


def _same_length(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    if len(first) != len(second):
        raise ValueError("lists that belong together differ in length")
