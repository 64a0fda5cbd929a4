"""The metrics of a classification, for many weightings of the same rows at once.

With every row counted once they are scikit-learn's own, up to the order of the sums; with whole
weights they are those of a sample in which a row stands so often.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from registry.scoring.sums import Grouping, Weights, ratio

LABEL_METRICS = frozenset({"accuracy", "f1_macro", "precision_macro", "recall_macro"})


class ClassificationMeasures:
    """``true`` and ``predicted`` are codes of labels, one a row; the first ``classes`` codes are
    those of the version's classes, to which the columns of ``probabilities`` belong.

    Without probabilities there are no log_loss and no roc_auc.
    """

    def __init__(
        self,
        true: NDArray[np.intp],
        predicted: NDArray[np.intp],
        classes: int,
        probabilities: NDArray[np.float64] | None,
    ) -> None:
        codes = int(max(true.max(), predicted.max(), classes - 1)) + 1
        # All that the labels tell stands in how often each pair of them occurs.
        pairs, pair = np.unique(true * codes + predicted, return_inverse=True)
        self._by_pair = Grouping(pair.ravel(), len(pairs))
        # Of thousands of classes few may occur, and only those that do take room.
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
            # Of two classes the second's curve tells all.
            columns = (1,) if classes == 2 else range(classes)
            self._curves = [_Curve(true == code, probabilities[:, code]) for code in columns]

    def figures(self, weights: Weights, names: Collection[str]) -> dict[str, NDArray[np.float64]]:
        """Each of the metrics ``names`` for each draw; NaN where a draw has no roc_auc."""
        figures = {}
        if LABEL_METRICS.intersection(names):
            figures.update(self._of_labels(self._by_pair.sums(weights)))
        if "log_loss" in names and self._losses is not None:
            figures["log_loss"] = weights @ self._losses / weights.sum(axis=1)
        if "roc_auc" in names and self._curves:
            areas = [curve.areas(weights) for curve in self._curves]
            figures["roc_auc"] = np.mean(areas, axis=0)
        return {name: figures[name] for name in names if name in figures}

    def _of_labels(self, pairs: Weights) -> dict[str, NDArray[np.float64]]:
        """The macro means are over the labels that occur, as scikit-learn takes them."""
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

    It is the chance that a row of the class scores higher than one of the rest, ties counted half
    (Hanley and McNeil, "The meaning and use of the area under a ROC curve", 1982).
    """

    def __init__(self, is_class: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._is_class = is_class[self._order]
        self._has_ties = len(self._starts) < len(scores)

    def areas(self, weights: Weights) -> NDArray[np.float64]:
        """For each draw; NaN where it has rows of one side only."""
        ordered = weights[:, self._order]
        of_class = ordered * self._is_class
        of_all = ordered
        if self._has_ties:
            of_class = np.add.reduceat(of_class, self._starts, axis=1)
            of_all = np.add.reduceat(of_all, self._starts, axis=1)
        of_rest = of_all - of_class
        below = np.cumsum(of_rest, axis=1) - of_rest
        wins = (of_class * (below + of_rest / 2)).sum(axis=1)
        pairs = of_class.sum(axis=1) * of_rest.sum(axis=1)
        areas = np.full(len(weights), np.nan)
        np.divide(wins, pairs, out=areas, where=pairs > 0)
        return areas


def _losses(true: NDArray[np.intp], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithmic loss of each row, its probability kept off 0 and 1 as scikit-learn does."""
    least = np.finfo(np.float64).eps
    given = probabilities[np.arange(len(true)), true]
    losses: NDArray[np.float64] = -np.log(np.clip(given, least, 1 - least))
    return losses
