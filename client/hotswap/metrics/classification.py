"""The metrics of a classification, for many draws of the same rows at once.

For a draw with every row once they equal scikit-learn's, up to the order of sums; for any other
draw they are those of the sample with each row repeated as often as it was drawn.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from hotswap.metrics.bootstrap import Counts, Figures
from hotswap.metrics.groups import Grouping, ratio

LABEL_METRICS = frozenset({"accuracy", "f1_macro", "precision_macro", "recall_macro"})


class ClassificationMeasures:
    """``true`` and ``predicted`` (rows): codes of labels, of which the first ``classes`` are the
    version's classes. ``probabilities``: rows x classes.

    log_loss and roc_auc need probabilities.
    """

    def __init__(
        self,
        true: NDArray[np.intp],
        predicted: NDArray[np.intp],
        classes: int,
        probabilities: NDArray[np.float64] | None,
    ) -> None:
        codes = int(max(true.max(), predicted.max(), classes - 1)) + 1
        # The metrics of labels depend only on how often each pair of them occurs.
        pairs, pair = np.unique(true * codes + predicted, return_inverse=True)
        self._by_pair = Grouping(pair.ravel(), len(pairs))
        # Few of thousands of classes may occur; only those take memory.
        occurring, places = np.unique(np.r_[pairs // codes, pairs % codes], return_inverse=True)
        own, given = np.split(places.ravel(), 2)
        self._hit = own == given
        self._by_true = Grouping(own, len(occurring))
        self._by_predicted = Grouping(given, len(occurring))
        self._by_hit = Grouping(own[self._hit], len(occurring))
        self._losses: NDArray[np.float64] | None = None
        self._curves: list[_Curve] = []
        if probabilities is not None:
            self._losses = _losses(true, probabilities)
            # With two classes the curve of the second is enough.
            columns = (1,) if classes == 2 else range(classes)
            self._curves = [_Curve(true == code, probabilities[:, code]) for code in columns]

    def figures(self, counts: Counts, names: Collection[str]) -> Figures:
        """Each of the metrics ``names`` for each draw; NaN where roc_auc is undefined."""
        figures = {}
        if LABEL_METRICS.intersection(names):
            figures.update(self._of_labels(self._by_pair.sums(counts)))
        if "log_loss" in names and self._losses is not None:
            rows = counts.sum(axis=1, dtype=np.int64)
            figures["log_loss"] = counts.astype(np.float64) @ self._losses / rows
        if "roc_auc" in names and self._curves:
            areas = [curve.areas(counts) for curve in self._curves]
            figures["roc_auc"] = np.mean(areas, axis=0)
        return {name: figures[name] for name in names if name in figures}

    def _of_labels(self, pairs: NDArray[np.int64]) -> Figures:
        """The macro averages are over the labels that occur, as in scikit-learn."""
        true, predicted = self._by_true.sums(pairs), self._by_predicted.sums(pairs)
        hit = self._by_hit.sums(pairs[:, self._hit])
        occurring = np.count_nonzero(true + predicted, axis=1)
        return {
            "accuracy": hit.sum(axis=1) / pairs.sum(axis=1),
            "f1_macro": ratio(2 * hit, true + predicted).sum(axis=1) / occurring,
            "precision_macro": ratio(hit, predicted).sum(axis=1) / occurring,
            "recall_macro": ratio(hit, true).sum(axis=1) / occurring,
        }


class _Curve:
    """The area under the ROC curve of one class against the rest.

    It is the probability that a row of the class scores higher than one of the rest, ties counted
    half (Hanley and McNeil, "The meaning and use of the area under a ROC curve", 1982).
    """

    def __init__(self, is_class: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        # Among equal scores the class comes first in one order and last in the other; the mean of
        # the two counts each tie half. Without ties one order is enough.
        self._orders = [np.lexsort((is_class, scores))]
        ordered = np.sort(scores)
        if np.any(ordered[1:] == ordered[:-1]):
            self._orders.append(np.lexsort((~is_class, scores)))
        self._places = [np.flatnonzero(is_class[order]) for order in self._orders]

    def areas(self, counts: Counts) -> NDArray[np.float64]:
        """For each draw; NaN where it has rows of the class only, or none of them."""
        areas = [
            _area(counts.take(order, axis=1), places)
            for order, places in zip(self._orders, self._places, strict=True)
        ]
        area: NDArray[np.float64] = np.mean(areas, axis=0)
        return area


def _area(ordered: Counts, places: NDArray[np.intp]) -> NDArray[np.float64]:
    """The share of pairs, a row of the class and one of the rest, in which the first comes later.

    ``ordered``: the counts of rows in the order of their scores; ``places``: those of the class.
    """
    areas = np.full(len(ordered), np.nan)
    if not len(places):
        return areas
    of_class = ordered.take(places, axis=1).astype(np.int64)
    before_first = ordered[:, : places[0]].sum(axis=1, dtype=np.int64)
    # From each row of the class up to the next one.
    rest = np.add.reduceat(ordered, places, axis=1, dtype=np.int64) - of_class
    reached = before_first[:, None] + np.cumsum(rest, axis=1)
    wins = np.einsum("ij,ij->i", of_class, reached - rest)
    pairs = of_class.sum(axis=1) * reached[:, -1]
    np.divide(wins, pairs, out=areas, where=pairs > 0)
    return areas


def _losses(true: NDArray[np.intp], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithmic loss of each row, with probabilities clipped as in scikit-learn."""
    least = np.finfo(np.float64).eps
    given = probabilities[np.arange(len(true)), true]
    losses: NDArray[np.float64] = -np.log(np.clip(given, least, 1 - least))
    return losses
