"""Takes the trees of XGBoost's and LightGBM's estimators at the end of pipelines, for the kernel.

Their numbers depend on what the steps before them return. XGBoost takes for missing what a sparse
matrix does not store, zeros too; LightGBM reads features that are not float64 as float32.
"""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from registry.engines.boosting.model import BoostedModel, Tree
from registry.engines.boosting_arrays import ColumnKind
from registry.intake.conversion.layout import features_of
from registry.intake.conversion.pipeline import final_estimator
from registry.intake.conversion.target import NotConvertible, require

_DENSE = frozenset(
    {
        *("BandEncoder", "Binarizer", "DateEncoder", "FunctionTransformer", "MaxAbsScaler"),
        *("MinMaxScaler", "OrdinalEncoder", "PCA", "RobustScaler", "SignedLog", "SimpleImputer"),
        *("StandardScaler", "TargetEncoder", "TruncatedSVD"),
    }
)
"""Steps that return an array for an array."""
_WITHOUT_ZEROS = frozenset({"CountVectorizer", "OneHotEncoder", "TextEncoder", "TfidfVectorizer"})
"""Steps whose sparse matrices store no zeros."""


def is_library_booster(model: Any) -> bool:
    """Whether ``model`` stands for an estimator of XGBoost or LightGBM."""
    return type(model).__module__ == "registry.engines.boosting.estimators"


def take_library_booster(model: Any, rows: Any) -> BoostedModel:
    """The trees at the end of ``model``, for its features as the compiled steps compute them.

    ``rows`` are some rows for ``model``. Raises NotConvertible, and whatever a step raises.
    """
    final = final_estimator(model)
    require(
        final.missing_is_nan,
        "Its 'missing' is a number, which has no compiled form: train with missing=numpy.nan.",
    )
    require(not final.names_categories, "Its columns have pandas categories.")
    try:
        features = _array_or_sparse(features_of(model, rows))
    except ValueError as error:
        raise NotConvertible(
            f"scikit-learn itself refuses some rows that the signature allows: {error}"
        ) from error
    boosted: BoostedModel = final.boosted
    if final.library == "lightgbm":
        casts = features.dtype.kind not in "fO" or features.dtype == np.float32
        parameters = msgspec.structs.replace(boosted.parameters, casts=casts)
        return replace(boosted, parameters=parameters)
    if not _is_sparse(features):
        return boosted
    require(
        _stores_no_zeros(model),
        "XGBoost takes for missing what a sparse matrix does not store, and which zeros the steps "
        "store is not known: set sparse_threshold=0 or sparse_output=False to compile it.",
    )
    return replace(boosted, trees=[_with_missing_zeros(tree) for tree in boosted.trees])


def _array_or_sparse(features: Any) -> Any:
    if hasattr(features, "iloc"):  # both libraries read whole numbers of a DataFrame in double
        return features.to_numpy(np.float64, na_value=np.nan)
    return features if _is_sparse(features) else np.asarray(features)


def _is_sparse(features: Any) -> bool:
    from scipy.sparse import issparse

    return bool(issparse(features))


def _with_missing_zeros(tree: Tree) -> Tree:
    require(not tree.sets, "Its features are sparse, and some are categories.")
    return replace(tree, kind=np.full_like(tree.kind, ColumnKind.ZERO_IS_MISSING))


def _stores_no_zeros(step: Any) -> bool:
    """Whether a sparse matrix that ``step`` returns for an array stores no zeros.

    The last estimator of a model counts as a step that passes its rows on.
    """
    if step is None or isinstance(step, str) or is_library_booster(step):
        return True
    name = type(step).__name__
    if name == "Pipeline":
        steps = [inner for _, inner in step.steps if not isinstance(inner, str | None)]
        while steps and is_library_booster(steps[-1]):
            steps.pop()
        return all(map(_is_dense, steps[:-1])) and all(map(_stores_no_zeros, steps[-1:]))
    if name == "ColumnTransformer":
        return all(_stores_no_zeros(inner) for _, inner, _ in step.transformers_)
    if name == "FeatureUnion":
        return all(_stores_no_zeros(inner) for _, inner in step.transformer_list)
    return name in _WITHOUT_ZEROS or _is_dense(step)


def _is_dense(step: Any) -> bool:
    """Whether ``step`` returns an array for an array."""
    if type(step).__name__ == "ColumnTransformer":
        return not step.sparse_output_
    return type(step).__name__ in _DENSE
