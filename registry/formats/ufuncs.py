"""The functions of NumPy that a model may call, by exact name. Nothing else is called.

Each computes one number from one number, without other effects.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

_NAMES = (
    *("absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil"),
    *("cos", "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1", "fabs", "floor", "isfinite"),
    *("isinf", "isnan", "log", "log10", "log1p", "log2", "negative", "positive", "rad2deg"),
    *("radians", "reciprocal", "rint", "sign", "signbit", "sin", "sinh", "sqrt", "square", "tan"),
    *("tanh", "trunc"),
)
_MODULES = (
    "numpy",
    "numpy._core._multiarray_umath",
    "numpy._core.umath",
    "numpy.core._multiarray_umath",
    "numpy.core.umath",
)
"""The modules under which pickle and skops find them, in this and earlier releases."""

UFUNCS: Mapping[str, Any] = {
    f"{module}.{name}": getattr(np, name) for module in _MODULES for name in _NAMES
}
"""By their names in files."""

UFUNC_NAMES = _NAMES
_ALLOWED = frozenset(UFUNCS.values())


def is_allowed_ufunc(value: Any) -> bool:
    return isinstance(value, np.ufunc) and value in _ALLOWED
