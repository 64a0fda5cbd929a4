"""Checks models that are fitted without targets: detectors of outliers, and clusters."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.members import members_of


def check_isolation(forest: Any) -> None:
    """Raises ArtifactRefused unless each tree of an IsolationForest takes the columns chosen for
    it, and has a depth for each of its nodes."""
    own, members = vars(forest), list(members_of(forest))
    width, chosen = own.get("n_features_in_"), own.get("estimators_features_")
    depths = [own.get(key) for key in ("_decision_path_lengths", "_average_path_length_per_tree")]
    if not all(isinstance(each, list | tuple) and len(each) == len(members) for each in depths):
        raise ArtifactRefused("IsolationForest does not have depths for each of its trees.")
    if not isinstance(chosen, list) or len(chosen) != len(members):
        raise ArtifactRefused("IsolationForest does not have columns for each of its trees.")
    for member, columns, *lengths in zip(members, chosen, *depths, strict=True):
        tree = vars(member).get("tree_")
        # Without a choice of columns, scikit-learn passes all of them.
        whole = own.get("_max_features") == width
        if (
            type(tree).__name__ != "Tree"
            or not isinstance(columns, np.ndarray)
            or columns.dtype.kind not in "iu"
            or columns.shape != (tree.n_features,)
            or (columns < 0).any()
            or (columns >= width).any()
            or (whole and tree.n_features != width)
        ):
            raise ArtifactRefused("IsolationForest has a tree of other columns than its own.")
        if any(
            not isinstance(each, np.ndarray)
            or each.shape != (tree.node_count,)
            or each.dtype.kind not in "if"
            for each in lengths
        ):
            raise ArtifactRefused("IsolationForest does not have a depth for each node of a tree.")


def check_centers(model: Any) -> None:
    """Raises ArtifactRefused unless the centers of clusters are doubles or floats; sets the number
    of threads to 1."""
    own = vars(model)
    centers = own.get("cluster_centers_")
    if (
        not isinstance(centers, np.ndarray)
        or centers.dtype not in {np.dtype(np.float64), np.dtype(np.float32)}
        or centers.ndim != 2
        or not len(centers)
        or centers.shape[1] != own.get("n_features_in_")
        or not centers.flags.c_contiguous
    ):
        raise ArtifactRefused(f"{type(model).__name__} does not have centers of its clusters.")
    own["_n_threads"] = 1
