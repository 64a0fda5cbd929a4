"""The policy for parameters. Types are not enough: some parameters write, read or call something.

``RULES`` has all rules. A rule applies to the parameter of that name on every estimator, or on one
class (``Class.parameter``), where it replaces the general rule.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.shapes import MAX_WIDTH, is_count
from registry.formats.ufuncs import is_allowed_ufunc

_LARGEST_BATCH = 2**31


def _must(holds: Callable[[Any], bool], why: str) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if not holds(value):
            raise ArtifactRefused(f"{name} {why}.")
        return value

    return check


def _set_to(value: Any) -> Callable[[str, Any], Any]:
    return lambda name, given: value  # noqa: ARG005 - whatever was given


def _is_word(value: Any) -> bool:
    return type(value) is str


def _is_ufunc(value: Any) -> bool:
    return value is None or is_allowed_ufunc(value)


METRICS = frozenset(
    {
        *("chebyshev", "cityblock", "cosine", "euclidean", "l1", "l2", "manhattan", "minkowski"),
        "nan_euclidean",
    }
)
"""The distances of nearest neighbors and centroids."""
_CALLED = "calls a function of the file's own: not allowed"
_PASSED = "passes arguments to a function: not allowed"
RULES: dict[str, Callable[[str, Any], Any]] = {
    # The server decides what is written or printed, and how many threads are used.
    "memory": _must(
        lambda value: value is None, "would write to the server's disk: set it to None"
    ),
    "n_jobs": _set_to(None),
    "verbose": _set_to(0),
    "batch_size": _must(
        lambda value: value is None or value == "auto" or _is_size(value),
        "is neither 'auto' nor a number of rows",
    ),
    "random_state": _must(
        lambda value: value is None or isinstance(value, int | np.integer | np.random.RandomState),
        "is neither a whole number nor a RandomState",
    ),
    "TargetEncoder.random_state": _set_to("deprecated"),
    "TargetEncoder.shuffle": _set_to("deprecated"),
    # A function of NumPy that computes a number from a number; its arguments could write to arrays.
    "FunctionTransformer.func": _must(_is_ufunc, _CALLED),
    "FunctionTransformer.inverse_func": _must(_is_ufunc, _CALLED),
    "FunctionTransformer.inv_kw_args": _must(lambda value: not value, _PASSED),
    "FunctionTransformer.kw_args": _must(lambda value: not value, _PASSED),
    "TransformedTargetRegressor.func": _must(_is_ufunc, _CALLED),
    "TransformedTargetRegressor.inverse_func": _must(_is_ufunc, _CALLED),
    "HashingVectorizer.n_features": _must(
        lambda value: is_count(value) and 1 <= value <= MAX_WIDTH,
        f"is not a number of columns up to {MAX_WIDTH}",
    ),
    "input": _must(
        lambda value: value == "content",
        "reads files that a request names: set it to 'content'",
    ),
    "importance_getter": _must(
        lambda value: value in {"auto", "coef_", "feature_importances_"},
        "is not one of 'auto', 'coef_' and 'feature_importances_'",
    ),
    "metric": _must(
        lambda value: isinstance(value, str) and value in METRICS,
        f"is not one of {', '.join(sorted(METRICS))}",
    ),
    # These name a function; the words that scikit-learn knows are checked by scikit-learn.
    "OneHotEncoder.feature_name_combiner": _must(_is_word, _CALLED),
    "HistGradientBoostingClassifier.scoring": _set_to(None),
    "HistGradientBoostingRegressor.scoring": _set_to(None),
    "LogisticRegressionCV.scoring": _set_to(None),
    "RFECV.scoring": _set_to(None),
    "SequentialFeatureSelector.scoring": _set_to(None),
    "RidgeCV.scoring": _set_to(None),
    "RidgeClassifierCV.scoring": _set_to(None),
    # With a precomputed matrix, or a function, prediction is not possible here.
    "kernel": _must(
        lambda value: isinstance(value, str) and value in {"linear", "poly", "rbf", "sigmoid"},
        "is not one of linear, poly, rbf and sigmoid",
    ),
    # Its kernel is made of objects that are on the allow-list.
    "GaussianProcessRegressor.kernel": _must(lambda value: not isinstance(value, str), "is a text"),
}


def check_parameters(estimator: Any) -> None:
    """Apply ``RULES`` to the parameters of ``estimator``.

    Any other parameter that is a function is refused, and any class except a type of numbers.
    Raises ArtifactRefused naming the parameter.
    """
    from sklearn.base import BaseEstimator
    from sklearn.gaussian_process.kernels import Kernel

    kind = type(estimator)
    own = vars(estimator)
    # Through the class: the file may have replaced the method on the estimator.
    for key in {*kind._get_param_names(), "memory"}:
        if key not in own:
            continue
        name, value = f"{kind.__name__}({key}=…)", own[key]
        rule = RULES.get(f"{kind.__name__}.{key}") or RULES.get(key)
        if rule is not None:
            own[key] = rule(name, value)
        elif callable(value) and not isinstance(value, BaseEstimator | Kernel):
            number_type = isinstance(value, type) and issubclass(value, np.generic)
            if not number_type:
                raise ArtifactRefused(f"{name} {_CALLED}.")


def _is_size(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(0 < value < _LARGEST_BATCH)
