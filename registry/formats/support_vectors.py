"""Checks the arrays of support vector machines, whose lengths libsvm does not check."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.sparse_rows import is_ascending, is_sparse


def check_support_vectors(machine: Any) -> None:
    """Raises ArtifactRefused unless the arrays of an SVC, SVR, NuSVC or NuSVR have valid shapes."""
    name, own = type(machine).__name__, vars(machine)
    classes = len(own["classes_"]) if "classes_" in own else 2
    width = own.get("n_features_in_")
    vectors, sparse = own.get("support_vectors_"), own.get("_sparse")
    if type(sparse) is not bool or is_sparse(vectors) != sparse or not hasattr(vectors, "shape"):
        raise ArtifactRefused(
            f"{name} does not have an array of support vectors or, if it is fitted on a sparse "
            "matrix, a sparse matrix of them."
        )
    count, pairs = vectors.shape[0], classes * (classes - 1) // 2
    shapes: dict[str, tuple[tuple[int, ...], type]] = {
        "support_": ((count,), np.int32),
        "support_vectors_": ((count, width), np.float64),
        "_n_support": ((classes,), np.int32),
        "_dual_coef_": ((classes - 1, count), np.float64),
        "_intercept_": ((pairs,), np.float64),
    }
    sides = [(0,), (pairs,)]
    for key, (shape, dtype) in shapes.items():
        array = own.get(key)
        is_matrix = sparse and key in {"support_vectors_", "_dual_coef_"}
        fits = is_sparse(array) if is_matrix else isinstance(array, np.ndarray)
        if not fits or (array.shape, array.dtype) != (shape, dtype):
            raise ArtifactRefused(f"{name} has a '{key}' that does not fit its support vectors.")
    if sparse:
        _check_sparse(name, vectors, own["_dual_coef_"])
    for key in ("_probA", "_probB"):
        array = own.get(key)
        if not isinstance(array, np.ndarray) or array.shape not in sides:
            raise ArtifactRefused(f"{name} has a '{key}' that does not fit its classes.")
    if own["_probA"].shape != own["_probB"].shape or (
        own.get("_effective_probability") and "classes_" in own and not len(own["_probA"])
    ):
        raise ArtifactRefused(f"{name} has a '_probA' that does not fit its classes.")
    held = own["_n_support"].astype(np.int64)
    if "classes_" in own:
        fits = held.sum() == count and bool((held >= 0).all())
    else:  # libsvm does not set them for sparse rows, nor read them
        fits = sparse or bool((held == count).all())
    if not fits:
        raise ArtifactRefused(f"{name} has a '_n_support' that does not fit its support vectors.")


def _check_sparse(name: str, vectors: Any, weights: Any) -> None:
    """libsvm merges the entries of two rows, and reads the weights as a table without gaps."""
    if not is_ascending(vectors):
        raise ArtifactRefused(f"{name} has 'support_vectors_' whose entries are not in order.")
    if not is_ascending(weights) or len(weights.data) != weights.shape[0] * weights.shape[1]:
        raise ArtifactRefused(f"{name} has a '_dual_coef_' without a weight for each vector.")
