"""Looks for what makes the metrics of a training worth less than they seem.

docs/decisions/0052-warnings.md explains each check and its limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotswap.evaluation.row_hashes import Hashes
from trainers.errors import listed
from trainers.evaluation import Evaluation
from trainers.split import Split
from trainers.target import Target
from trainers.values import Values

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training was made of: its columns and target, the rows of each part, the hash of each
    row, the summaries of the columns in the training rows, and the evaluation."""

    columns: Sequence[Values]
    target: Target
    split: Split
    hashes: Hashes
    ranges: Mapping[str, Mapping[str, Any]]
    evaluation: Evaluation


def training_warnings(training: Training) -> tuple[str, ...]:
    """The warnings in words, none if the training is sound."""
    return (
        *_no_better(training.evaluation),
        *_leaks(training),
        *_repeated(training),
        *_constant(training.ranges),
        *_rare_classes(training.target),
        *_extremes(training.evaluation),
    )


def _no_better(evaluation: Evaluation) -> Iterator[str]:
    """By the error of a regression, and by the area under the ROC curve of a classification, whose
    interval reaches 0.5 if the classes are not told apart; else by the accuracy."""
    metrics, baseline = evaluation.metrics, evaluation.baseline
    low = evaluation.intervals.get("roc_auc", [None])[0]
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


def _leaks(training: Training) -> Iterator[str]:
    metric = "r2" if training.target.task == "regression" else "accuracy"
    own = training.evaluation.metrics.get(metric)
    if own is None or len(training.columns) < 2:
        return
    base = training.evaluation.baseline["accuracy"] if metric == "accuracy" else 0.0
    if base >= 1:
        return
    needed = max(LEAK_SKILL, LEAK_SHARE * (own - base) / (1 - base))
    train, test = _sampled(training)
    if min(len(train), len(test)) < _LEAST_TESTED:
        return
    values = training.target.values
    codes = np.unique(values, return_inverse=True)[1] if metric == "accuracy" else None
    for column in training.columns:
        bins = _bins(column, train, test)
        if codes is None:
            skill = _explained(*bins, values[train], values[test])
        else:
            skill = _recognized(*bins, codes[train], codes[test])
        if skill >= needed:
            yield (
                f"the column '{column.name}' alone predicts '{training.target.name}' nearly as "
                f"well as all columns ({metric} {base + skill * (1 - base):.3f}, of the model "
                f"{own:.3f}): make sure that it is known when a prediction is made"
            )


def _sampled(training: Training) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Evenly spaced rows of both parts."""
    most = min(_SAMPLE, max(_LEAST_SAMPLE, _CELLS // len(training.columns)))
    parts = (training.split.train, training.split.test)
    first, second = (part[:: max(1, -(-len(part) // most))] for part in parts)
    return first, second


def _bins(
    column: Values, train: NDArray[np.intp], test: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The bin of each row of both samples: of a text or few numbers the value itself, else one of
    64 with equally many training rows. Missing values have a bin of their own."""
    if column.type == "string":
        texts = column.array[np.r_[train, test]].tolist()
        known: dict[Any, int] = {}
        codes = np.array(
            [known.setdefault(text, len(known)) if isinstance(text, str) else -1 for text in texts]
        )
        return codes[: len(train)] + 1, codes[len(train) :] + 1
    own, other = column.array[train], column.array[test]
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


def _repeated(training: Training) -> Iterator[str]:
    train, test = training.hashes[training.split.train], training.hashes[training.split.test]
    count = int(np.isin(test, train).sum())
    if count > MAX_REPEATED * len(test):
        yield (
            f"{count:,} of the {len(test):,} rows to evaluate on are equal to rows trained on, so "
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


def _rare_classes(target: Target) -> Iterator[str]:
    if target.task == "regression":
        return
    labels, counts = np.unique(target.values, return_counts=True)
    rare = [f"{label} ({count})" for label, count in zip(labels, counts, strict=True)
            if count < FEW_ROWS]  # fmt: skip
    if rare:
        one = f"the class {rare[0]} has" if len(rare) == 1 else f"{len(rare)} classes have"
        which = "" if len(rare) == 1 else f": {listed(rare)}"
        yield f"{one} fewer than {FEW_ROWS} rows{which}; add rows, or merge rare classes"


def _extremes(evaluation: Evaluation) -> Iterator[str]:
    made = evaluation.made
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
