"""Looks for what makes the metrics of a training worth less than they seem.

docs/decisions/0052-warnings.md explains each check and its limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.columns import ColumnValues
from hotswap.evaluation.predicted import Predicted
from hotswap.evaluation.row_hashes import Hashes
from hotswap.labels import listed

FEW_ROWS = 10
"""Of a class."""
MAX_REPEATED = 0.05
LEAK_SKILL, LEAK_SHARE = 0.97, 0.95
EXTREME_RANGES = 10.0
DOMINATED = 0.5
_BINS = 64
_SAMPLE = 4_000
"""Rows of each part that columns are tried on."""
_CELLS = 1_000_000
"""Cells of each part that columns are tried on, so that many columns take no longer."""
_LEAST_SAMPLE = 500
_LEAST_TESTED = 20


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that a model was fitted on, or that were held out: their positions in ``columns``, and
    their hashes, if these are known."""

    columns: Sequence[ColumnValues]
    rows: NDArray[np.intp]
    hashes: Hashes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training and its evaluation: the name of the target, the rows fitted on and their targets,
    where these are known, the rows held out, and the model's predictions for them.

    Both parts have the same columns, and hashes by the same ones. ``ranges`` are the
    `column_ranges` of the rows fitted on.
    """

    target: str
    train: Part | None
    train_target: NDArray[Any] | None
    test: Part
    ranges: Mapping[str, Mapping[str, Any]]
    made: Predicted
    metrics: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]]
    baseline: Mapping[str, float]


def training_warnings(training: Training) -> tuple[str, ...]:
    """The warnings in words, none if the training is sound. Without the rows fitted on, or their
    target, nothing is said of what needs these."""
    train, test = training.train, training.test
    return (
        *_no_better(training),
        *(() if train is None else _leaks(training, train, training.train_target)),
        *(() if train is None else _repeated(train, test)),
        *(() if train is None else _constant(training.ranges)),
        *_rare_classes(training.made, training.train_target),
        *_extremes(training.made),
    )


def _no_better(training: Training) -> Iterator[str]:
    """By the error of a regression, and by the area under the ROC curve of a classification, whose
    interval reaches 0.5 if the classes are not told apart; else by the accuracy."""
    metrics, baseline = training.metrics, training.baseline
    low = training.intervals["roc_auc"][0] if "roc_auc" in training.intervals else None
    if "rmse" in metrics:
        if metrics["rmse"] >= baseline["rmse"]:
            yield (
                f"the model is no better than predicting the mean: rmse {metrics['rmse']:.4g}, of "
                f"the mean {baseline['rmse']:.4g}"
            )
    elif low is not None:
        if low <= 0.5:
            yield (
                f"the model is not surely better than guessing: roc_auc {metrics['roc_auc']:.3f}, "
                f"its 95% interval begins at {low:.3f}"
            )
    elif metrics["accuracy"] <= baseline["accuracy"]:
        yield (
            f"the model is no better than the most frequent class: accuracy "
            f"{metrics['accuracy']:.3f}, of that class {baseline['accuracy']:.3f}"
        )


def _leaks(training: Training, train: Part, values: NDArray[Any] | None) -> Iterator[str]:
    metric = "r2" if training.made.task == "regression" else "accuracy"
    own = training.metrics.get(metric)
    if own is None or values is None or len(train.columns) < 2:
        return
    base = training.baseline["accuracy"] if metric == "accuracy" else 0.0
    if base >= 1:
        return
    needed = max(LEAK_SKILL, LEAK_SHARE * (own - base) / (1 - base))
    fitted, held = _sampled(train), _sampled(training.test)
    if min(len(fitted), len(held)) < _LEAST_TESTED:
        return
    targets = values[fitted], training.made.true[held]
    if metric == "accuracy":
        codes = np.unique(np.concatenate(targets), return_inverse=True)[1]
        targets = codes[: len(fitted)], codes[len(fitted) :]
    skill_of = _explained if metric == "r2" else _recognized
    for column, other in zip(train.columns, training.test.columns, strict=True):
        cells = column.array[train.rows[fitted]], other.array[training.test.rows[held]]
        skill = skill_of(*_bins(column.type, *cells), *targets)
        if skill >= needed:
            yield (
                f"the column '{column.name}' alone predicts '{training.target}' nearly as "
                f"well as all columns ({metric} {base + skill * (1 - base):.3f}, of the model "
                f"{own:.3f}): make sure that it is known when a prediction is made"
            )


def _sampled(part: Part) -> NDArray[np.intp]:
    """Evenly spaced places among the rows of ``part``."""
    most = min(_SAMPLE, max(_LEAST_SAMPLE, _CELLS // len(part.columns)))
    count = len(part.rows)
    return np.arange(0, count, max(1, -(-count // most)))


def _bins(
    type_: str, own: NDArray[Any], other: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The bin of each cell of a column in both samples: of a text or few numbers the value itself,
    else one of 64 with equally many rows fitted on. Missing values have a bin of their own."""
    if type_ == "string":
        known: dict[Any, int] = {}
        codes = np.array(
            [
                known.setdefault(text, len(known)) if isinstance(text, str) else -1
                for text in (*own.tolist(), *other.tolist())
            ]
        )
        return codes[: len(own)] + 1, codes[len(own) :] + 1
    present = np.unique(own[~np.isnan(own)])
    if len(present) > _BINS:
        present = np.unique(np.nanquantile(own, np.arange(_BINS) / _BINS, method="lower"))
    first, second = (
        np.where(np.isnan(part), 0, np.searchsorted(present, part, side="right") + 1)
        for part in (own, other)
    )
    return first, second


def _explained(
    bins: NDArray[np.intp],
    tested: NDArray[np.intp],
    target: NDArray[np.float64],
    true: NDArray[np.float64],
) -> float:
    """The r2, for ``true``, of the mean target of each row's bin."""
    size = int(max(bins.max(), tested.max())) + 1
    counts = np.bincount(bins, minlength=size)
    sums = np.bincount(bins, target, size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), target.mean())
    total = float(((true - true.mean()) ** 2).sum())
    return 1 - float(((true - means[tested]) ** 2).sum()) / total if total > 0 else 0.0


def _recognized(
    bins: NDArray[np.intp],
    tested: NDArray[np.intp],
    codes: NDArray[np.intp],
    true: NDArray[np.intp],
) -> float:
    """The accuracy, for ``true``, of the most frequent class of each row's bin, on a scale from 0
    for the most frequent class to 1."""
    classes = int(max(codes.max(), true.max())) + 1
    size = int(max(bins.max(), tested.max())) + 1
    most = int(np.bincount(codes).argmax())
    pairs, counts = np.unique(bins * classes + codes, return_counts=True)
    order = np.argsort(counts, kind="stable")  # of each bin, the most frequent is written last
    best = np.full(size, most)
    best[pairs[order] // classes] = pairs[order] % classes
    base = float((true == most).mean())
    return (float((true == best[tested]).mean()) - base) / (1 - base) if base < 1 else 0.0


def _repeated(train: Part, test: Part) -> Iterator[str]:
    if train.hashes is None or test.hashes is None:
        return
    rows, count = len(test.hashes), int(np.isin(test.hashes, train.hashes).sum())
    if count > MAX_REPEATED * rows:
        yield (
            f"{count:,} of the {rows:,} rows to evaluate on are equal to rows trained on, so "
            "the metrics may be too good: remove repeated rows, or split by a group"
        )


def _constant(ranges: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    found = [name for name, summary in ranges.items() if _is_constant(summary)]
    if len(found) == 1:
        yield f"the column '{found[0]}' has the same value in all rows trained on: exclude it"
    elif found:
        yield (
            f"{len(found):,} columns have the same value in all rows trained on: {listed(found)}; "
            "exclude them"
        )


def _is_constant(summary: Mapping[str, Any]) -> bool:
    if summary["missing"]:
        return False
    if "values" in summary:
        filled = [count for count in summary["values"].values() if count]
        return len(filled) == 1 and not summary.get("other")
    ends = (summary.get("min", summary.get("first")), summary.get("max", summary.get("last")))
    return ends[0] is not None and ends[0] == ends[1]


def _rare_classes(made: Predicted, fitted: NDArray[Any] | None) -> Iterator[str]:
    if made.classes is None or fitted is None:
        return
    labels, counts = np.unique(np.concatenate([fitted, made.true]), return_counts=True)
    rare = [f"{label} ({count})" for label, count in zip(labels, counts, strict=True)
            if count < FEW_ROWS]  # fmt: skip
    if rare:
        one = f"the class {rare[0]} has" if len(rare) == 1 else f"{len(rare)} classes have"
        which = "" if len(rare) == 1 else f": {listed(rare)}"
        yield f"{one} fewer than {FEW_ROWS} rows{which}; add rows, or merge rare classes"


def _extremes(made: Predicted) -> Iterator[str]:
    if made.classes is not None:
        return
    true = made.true
    low, middle, high = np.quantile(true, [0.25, 0.5, 0.75])
    extreme = np.abs(true - middle) > EXTREME_RANGES * (high - low)
    squared = (true - made.predicted) ** 2
    total = float(squared.sum())
    if high <= low or not extreme.any() or total <= 0:
        return
    share = float(squared[extreme].sum()) / total
    if share > DOMINATED:
        largest = float(true[extreme][np.abs(true[extreme] - middle).argmax()])
        yield (
            f"{int(extreme.sum()):,} of the {len(true):,} rows to evaluate on have an extreme "
            f"target, such as {largest:g} (the median is {float(middle):g}), and make up "
            f"{share:.0%} of the squared error: check them, or learn from the logarithm"
        )
