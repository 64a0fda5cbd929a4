"""Checks the sparse matrices that an estimator keeps, whose indices compiled code does not check.

An estimator that was fitted on sparse features, such as those of a vectorizer, keeps its rows as a
CSR matrix: ``data`` has the values of all rows, ``indices`` their columns, and row ``i`` are the
entries from ``indptr[i]`` to ``indptr[i + 1]``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused

SPARSE = frozenset({"scipy.sparse._csr.csr_array", "scipy.sparse._csr.csr_matrix"})
"""The full names of the types."""
_MACHINE = frozenset({"_dual_coef_", "dual_coef_", "support_vectors_"})
_NEIGHBORS = frozenset({"_fit_X"})
_KERNEL = frozenset({"X_fit_"})
_SPREADING = frozenset({"X_"})
KEPT: Mapping[str, frozenset[str]] = {
    "KNeighborsClassifier": _NEIGHBORS,
    "KNeighborsRegressor": _NEIGHBORS,
    "KernelPCA": _KERNEL,
    "KernelRidge": _KERNEL,
    "LabelPropagation": _SPREADING,
    "LabelSpreading": _SPREADING,
    "NuSVC": _MACHINE,
    "NuSVR": _MACHINE,
    "Nystroem": frozenset({"components_"}),
    "OneClassSVM": _MACHINE,
    "RadiusNeighborsRegressor": _NEIGHBORS,
    "SVC": _MACHINE,
    "SVR": _MACHINE,
}
"""The attributes of each estimator that may be sparse."""


def is_sparse(value: Any) -> bool:
    """Whether it is a CSR matrix of scipy."""
    return f"{type(value).__module__}.{type(value).__qualname__}" in SPARSE


def is_number(kind: np.dtype[Any]) -> bool:
    """Whether estimators compute with rows of this type: integers, booleans, floats, doubles."""
    return kind.kind in "biu" or kind in {np.dtype(np.float32), np.dtype(np.float64)}


def check_sparse_rows(estimator: Any) -> None:
    """Raises ArtifactRefused where a sparse attribute of ``estimator`` has entries outside it."""
    name, own = type(estimator).__name__, vars(estimator)
    for key in KEPT.get(name, ()):
        matrix = own.get(key)
        if is_sparse(matrix) and (fault := _fault_of_parts(matrix) or _fault_of_rows(matrix)):
            raise ArtifactRefused(f"{name} has a sparse '{key}' that is not valid: {fault}.")


def is_ascending(matrix: Any) -> bool:
    """Whether the columns of the entries of each row ascend, none twice."""
    same_row = np.ones(len(matrix.indices), bool)
    same_row[matrix.indptr[:-1][np.diff(matrix.indptr) > 0]] = False
    return bool((np.diff(matrix.indices, prepend=-1)[same_row] > 0).all())


def _fault_of_parts(matrix: Any) -> str | None:
    parts = (matrix.data, matrix.indices, matrix.indptr)
    if not all(type(each) is np.ndarray and each.ndim == 1 for each in parts):
        return "its parts are not lists of numbers"
    if not is_number(matrix.data.dtype):
        return "its values are not integers, or floating-point numbers of 32 or 64 bits"
    if matrix.indices.dtype != np.int32 or matrix.indptr.dtype != np.int32:
        return "its indices are not integers of 32 bits"
    return None if np.isfinite(matrix.data).all() else "its values are not finite"


def _fault_of_rows(matrix: Any) -> str | None:
    (rows, columns), count = matrix.shape, len(matrix.indices)
    ends = matrix.indptr
    if len(matrix.data) != count or len(ends) != rows + 1:
        return "its parts differ in length"
    if ends[0] != 0 or ends[-1] != count or (np.diff(ends) < 0).any():
        return "its rows do not follow each other"
    if ((matrix.indices < 0) | (matrix.indices >= columns)).any():
        return f"it has entries beyond its {columns} columns"
    return None
