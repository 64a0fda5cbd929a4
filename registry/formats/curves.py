"""Checks fitted curves, and builds the objects that evaluate them from their numbers again."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.shapes import MAX_WIDTH, is_count

_MAX_DEGREE = 100


def check_isotonic(model: Any) -> None:
    """Build the interpolation of an IsotonicRegression. Raises ArtifactRefused."""
    own = vars(model)
    inputs, outputs = own.get("X_thresholds_"), own.get("y_thresholds_")
    for values in (inputs, outputs):
        if (
            not isinstance(values, np.ndarray)
            or values.ndim != 1
            or values.dtype.kind != "f"
            or not len(values)
            or not np.isfinite(values).all()
        ):
            raise ArtifactRefused("IsotonicRegression does not have finite thresholds.")
    if len(inputs) != len(outputs) or (np.diff(inputs) < 0).any():
        raise ArtifactRefused("IsotonicRegression has thresholds that do not ascend.")
    model._build_f(inputs, outputs)


def rebuild_splines(transformer: Any) -> None:
    """Build the splines of a SplineTransformer from their knots. Raises ArtifactRefused.

    scipy's compiled code reads knots and coefficients by the degree, unchecked.
    """
    from scipy.interpolate import BSpline

    own = vars(transformer)
    splines, width, degree = own.get("bsplines_"), own.get("n_features_in_"), own.get("degree")
    if type(splines) is not list or len(splines) != width:
        raise ArtifactRefused("SplineTransformer does not have a spline for each of its features.")
    if not is_count(degree) or not 0 <= degree <= _MAX_DEGREE:
        raise ArtifactRefused(f"SplineTransformer has a degree beyond {_MAX_DEGREE}.")
    # A periodic spline repeats its first coefficients at the end.
    repeated = degree if own.get("extrapolation") == "periodic" else 0
    built = []
    for spline in splines:
        stored = vars(spline) if type(spline) is BSpline else {}
        knots, coefficients = stored.get("_t"), stored.get("_c")
        if (
            stored.get("k") != degree
            or not isinstance(knots, np.ndarray)
            or not isinstance(coefficients, np.ndarray)
            or knots.ndim != 1
            or coefficients.ndim != 2
            or coefficients.shape[0] != coefficients.shape[1] + repeated
            or len(knots) != len(coefficients) + degree + 1
        ):
            raise ArtifactRefused("SplineTransformer has a spline whose knots do not fit.")
        built.append(BSpline(knots, coefficients, degree, extrapolate=stored.get("extrapolate")))
    bases = {spline.c.shape[1] for spline in built}
    per_feature = max(bases) - (0 if own.get("include_bias") else 1)
    if (
        len(bases) != 1
        or own.get("n_features_out_") != width * per_feature
        or max(bases) * width > MAX_WIDTH
    ):
        raise ArtifactRefused("SplineTransformer states another number of columns than it returns.")
    own["bsplines_"] = built
