"""Checks models of nearest neighbors, and builds their search trees from the data again.

The trees in a file are not read: compiled code follows their indices unchecked. scikit-learn builds
the same tree from the same data, so predictions do not change.
"""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.parameters import METRICS
from registry.formats.shapes import is_count
from registry.formats.sparse_rows import is_ascending, is_number, is_sparse

_METHODS = frozenset({"ball_tree", "brute", "kd_tree"})
_ANY_ORDER = frozenset({"cosine", "euclidean", "l2"})
"""The metrics that do not depend on the order of the entries of a sparse row."""
_MAX_LEAF = 2**31 - 1


def check_neighbors(model: Any) -> None:
    """Raises ArtifactRefused unless the training rows, labels and parameters of ``model`` agree."""
    name, own = type(model).__name__, vars(model)
    rows, width = own.get("_fit_X"), own.get("n_features_in_")
    if not (is_sparse(rows) or _is_finite_table(rows)) or rows.shape[1] != width:
        raise ArtifactRefused(f"{name} does not have finite training rows of {width} features.")
    count = rows.shape[0]
    methods = {"brute"} if is_sparse(rows) else _METHODS
    if own.get("_fit_method") not in methods or own.get("effective_metric_") not in METRICS:
        raise ArtifactRefused(
            f"{name} searches with another method or metric than {', '.join(sorted(METRICS))}."
        )
    if is_sparse(rows) and own["effective_metric_"] not in _ANY_ORDER and not is_ascending(rows):
        raise ArtifactRefused(
            f"{name} has sparse training rows whose entries are not in order, and the metric "
            f"{own['effective_metric_']!r}: scikit-learn sorts them in some predictions only, and "
            "predicts something else afterwards. Call sort_indices() on its '_fit_X' before saving "
            "it, or use the metric 'euclidean' or 'cosine'."
        )
    if own.get("weights") not in {"uniform", "distance", None}:
        raise ArtifactRefused(f"{name} has 'weights' that are neither 'uniform' nor 'distance'.")
    wanted = own.get("n_neighbors")
    if name.startswith("KNeighbors") and not (is_count(wanted) and 1 <= wanted <= count):
        raise ArtifactRefused(f"{name} looks for {wanted!r} neighbors among {count} rows.")
    _check_power(name, own)
    _check_targets(name, own, count)


def _is_finite_table(rows: Any) -> bool:
    return (
        isinstance(rows, np.ndarray)
        and is_number(rows.dtype)
        and rows.ndim == 2
        and bool(np.isfinite(rows).all())
        and rows.flags.c_contiguous
    )


def build_search_tree(model: Any) -> None:
    """Build the search tree of a checked ``model``, if it uses one, as ``fit`` does."""
    from sklearn.neighbors import BallTree, KDTree

    own = vars(model)
    kind = {"ball_tree": BallTree, "kd_tree": KDTree}.get(own["_fit_method"])
    leaf = own.get("leaf_size")
    if kind is None:
        own["_tree"] = None
        return
    if not is_count(leaf) or not 1 <= leaf <= _MAX_LEAF:
        raise ArtifactRefused(f"{type(model).__name__} has a 'leaf_size' that is not positive.")
    own["_tree"] = kind(
        own["_fit_X"], leaf, metric=own["effective_metric_"], **own["effective_metric_params_"]
    )


def check_neighbor_imputer(imputer: Any) -> None:
    """Raises ArtifactRefused unless a KNNImputer has training rows and a mask of the same shape."""
    own = vars(imputer)
    rows, mask = own.get("_fit_X"), own.get("_mask_fit_X")
    if (
        not isinstance(rows, np.ndarray)
        or rows.dtype.kind != "f"
        or not isinstance(mask, np.ndarray)
        or mask.dtype != bool
        or mask.shape != rows.shape
        or not is_count(own.get("n_neighbors"))
    ):
        raise ArtifactRefused("KNNImputer does not have training rows and their missing values.")


def check_iterative_imputer(imputer: Any) -> None:
    """Raises ArtifactRefused unless an IterativeImputer's estimators take columns that it has."""
    own = vars(imputer)
    width, sequence = own.get("n_features_in_"), own.get("imputation_sequence_")
    if own.get("sample_posterior"):
        raise ArtifactRefused(
            "IterativeImputer(sample_posterior=True) draws random values for each row, so two "
            "predictions for a row differ: fit it with sample_posterior=False."
        )
    if type(sequence) is not list or not is_count(own.get("n_iter_")):
        raise ArtifactRefused("IterativeImputer is not fitted.")
    for one in sequence:
        if (
            not isinstance(one, tuple)
            or len(one) != 3
            or not is_count(one[0])
            or not 0 <= one[0] < width
            or not isinstance(one[1], np.ndarray)
            or one[1].dtype.kind != "i"
            or ((one[1] < 0) | (one[1] >= width)).any()
        ):
            raise ArtifactRefused(f"IterativeImputer estimates columns beyond its {width}.")


def _check_power(name: str, own: dict[str, Any]) -> None:
    parameters = own.get("effective_metric_params_")
    if type(parameters) is not dict or not parameters.keys() <= {"p", "w"}:
        raise ArtifactRefused(f"{name} has parameters of its metric other than 'p' and 'w'.")
    power, weights = parameters.get("p", 2), parameters.get("w")
    fits = weights is None or (
        isinstance(weights, np.ndarray) and weights.shape == (own["n_features_in_"],)
    )
    if not isinstance(power, int | float | np.number) or not power > 0 or not fits:
        raise ArtifactRefused(f"{name} has a 'p' or 'w' of its metric that is not valid.")


def _check_targets(name: str, own: dict[str, Any], rows: int) -> None:
    """The label of each row is a position among the classes, which compiled code counts."""
    targets, classes = own.get("_y"), own.get("classes_")
    if not isinstance(targets, np.ndarray) or len(targets) != rows or targets.ndim not in {1, 2}:
        raise ArtifactRefused(f"{name} does not have a target for each of its {rows} rows.")
    if classes is None:
        if targets.dtype.kind not in "iuf":
            raise ArtifactRefused(f"{name} has targets that are not numbers.")
        return
    per_output = classes if isinstance(classes, list) else [classes]
    columns = targets.reshape(rows, -1)
    if (
        targets.dtype.kind != "i"
        or columns.shape[1] != len(per_output)
        or (columns < 0).any()
        or (columns >= np.array([len(each) for each in per_output])).any()
    ):
        raise ArtifactRefused(f"{name} has labels that are not among its classes.")
