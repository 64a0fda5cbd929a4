"""Checks the arrays of support vector machines, whose lengths libsvm does not check."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused


def check_support_vectors(machine: Any) -> None:
    """Raises ArtifactRefused unless the arrays of an SVC, SVR, NuSVC or NuSVR have valid shapes."""
    name, own = type(machine).__name__, vars(machine)
    classes = len(own["classes_"]) if "classes_" in own else 2
    width = own.get("n_features_in_")
    vectors = own.get("support_vectors_")
    if own.get("_sparse") is not False or not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        raise ArtifactRefused(f"{name} is not fitted on a dense array, which is required.")
    count, pairs = len(vectors), classes * (classes - 1) // 2
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
        if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (shape, dtype):
            raise ArtifactRefused(f"{name} has a '{key}' that does not fit its support vectors.")
    for key in ("_probA", "_probB"):
        array = own.get(key)
        if not isinstance(array, np.ndarray) or array.shape not in sides:
            raise ArtifactRefused(f"{name} has a '{key}' that does not fit its classes.")
    if own["_probA"].shape != own["_probB"].shape or (
        own.get("_effective_probability") and "classes_" in own and not len(own["_probA"])
    ):
        raise ArtifactRefused(f"{name} has a '_probA' that does not fit its classes.")
    held = own["_n_support"].astype(np.int64)
    fits = held.sum() == count if "classes_" in own else bool((held == count).all())
    if (held < 0).any() or not fits:
        raise ArtifactRefused(f"{name} has a '_n_support' that does not fit its support vectors.")
