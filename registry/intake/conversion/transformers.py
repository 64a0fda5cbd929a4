"""Preprocessing steps as operations of a target, in scikit-learn's own order.

Each converter takes the fitted step and its input block of columns, and returns its output block.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf, isnan
from typing import Any

import numpy as np

from registry.formats.kept_values import chosen_columns
from registry.intake.conversion.encoders import (
    bands,
    code,
    date_features,
    one_hot,
    ordinal,
    require_numbers,
    target_encoder,
    text_terms,
    tfidf_terms,
)
from registry.intake.conversion.target import C, Target, require


def transform(target: Target[C], step: Any, block: C) -> C:
    """The output of ``step`` for ``block``. Raises NotConvertible."""
    if step is None or isinstance(step, str):
        require(step in {None, "passthrough", "drop"}, f"A step is {step!r}.")
        return block.choose([]) if step == "drop" else block
    converter = _CONVERTERS.get(type(step).__name__)
    if converter is not None:
        made: C = converter(target, step, block)
        return made
    require_numbers(step, block)
    return target.foreign(step, block)


def transform_all(target: Target[C], steps: Sequence[tuple[str, Any]], block: C) -> C:
    """The output of the ``steps`` of a pipeline, applied in order, for ``block``.

    Raises NotConvertible.
    """
    sparse = False
    for _, step in steps:
        require(
            not (sparse and any(type(part).__name__ == "Normalizer" for part in _parts(step))),
            "scikit-learn divides sparse rows by norms of any size, and a Normalizer after a "
            "OneHotEncoder has no ONNX form here: fit that with sparse_output=False.",
        )
        block = transform(target, step, block)
        sparse = sparse or any(getattr(part, "sparse_output", False) for part in _parts(step))
    return block


def _parts(step: Any) -> list[Any]:
    """``step`` and its parameters, some of which may be steps."""
    return [step, *step.get_params().values()] if hasattr(step, "get_params") else []


def _pipeline(target: Target[C], step: Any, block: C) -> C:
    return transform_all(target, step.steps, block)


def _columns(target: Target[C], step: Any, block: C) -> C:
    made = []
    for name, inner, chosen in step.transformers_:
        picked = block.choose(chosen_columns(step, chosen, list(range(len(block)))))
        if not len(picked):
            continue
        require(
            step.transformer_weights is None or name not in step.transformer_weights,
            "A ColumnTransformer with weights has no ONNX form here.",
        )
        made.append(transform(target, inner, picked))
    return target.concat(made)


def _union(target: Target[C], step: Any, block: C) -> C:
    require(not step.transformer_weights, "A FeatureUnion with weights has no ONNX form here.")
    return target.concat([transform(target, inner, block) for _, inner in step.transformer_list])


def _identity(_: Target[C], step: Any, block: C) -> C:
    require(
        step.func is None and step.inverse_func is None,
        "A FunctionTransformer that calls a function has no ONNX form.",
    )
    return block


def _imputer(target: Target[C], step: Any, block: C) -> C:
    require(
        isinstance(step.missing_values, float) and isnan(step.missing_values),
        f"A SimpleImputer that fills {step.missing_values!r} has no ONNX form here.",
    )
    fills = [code(value, text) for value, text in zip(step.statistics_, block.texts, strict=True)]
    require(
        not any(isnan(fill) for fill in fills),
        "A SimpleImputer that saw a column without values has no ONNX form here.",
    )
    made = target.fill(block, fills)
    if step.indicator_ is None:
        return made
    features = [int(feature) for feature in step.indicator_.features_]
    return target.concat([made, target.missing(block).choose(features)])


def _standard_scaler(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    if step.with_mean:
        block = target.subtract(block, step.mean_)
    # Divided, as in scikit-learn: multiplying by the reciprocal differs in the last digit.
    return block if step.scale_ is None else target.divide(block, step.scale_)


def _min_max_scaler(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    block = target.plus(target.multiply(block, step.scale_), step.min_)
    return target.clip(block, *map(float, step.feature_range)) if step.clip else block


def _max_abs_scaler(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    block = target.divide(block, step.scale_)
    return target.clip(block, -1.0, 1.0) if getattr(step, "clip", False) else block


def _robust_scaler(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    if step.with_centering:
        block = target.subtract(block, step.center_)
    return target.divide(block, step.scale_) if step.with_scaling else block


def _signed_log(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    return target.signed_log(block)


def _binarizer(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    # Not skl2onnx: it puts a number that equals the threshold above it.
    return target.between(block, [float(step.threshold)] * len(block), [inf] * len(block))


def _normalizer(target: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    return target.normalize(block, step.norm)


def _selection(_: Target[C], step: Any, block: C) -> C:
    require_numbers(step, block)
    return block.choose(np.flatnonzero(step.get_support()).tolist())


_CONVERTERS: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    **dict.fromkeys(
        (
            *(
                "GenericUnivariateSelect",
                "RFE",
                "RFECV",
                "SelectFdr",
                "SelectFpr",
                "SelectFromModel",
            ),
            *("SelectFwe", "SelectKBest", "SelectPercentile", "SequentialFeatureSelector"),
            "VarianceThreshold",
        ),
        _selection,
    ),
    "BandEncoder": bands,
    "Binarizer": _binarizer,
    "ColumnTransformer": _columns,
    "DateEncoder": date_features,
    "FeatureUnion": _union,
    "FunctionTransformer": _identity,
    "OneHotEncoder": one_hot,
    "MaxAbsScaler": _max_abs_scaler,
    "MinMaxScaler": _min_max_scaler,
    "Normalizer": _normalizer,
    "Pipeline": _pipeline,
    "OrdinalEncoder": ordinal,
    "RobustScaler": _robust_scaler,
    "SignedLog": _signed_log,
    "SimpleImputer": _imputer,
    "StandardScaler": _standard_scaler,
    "TargetEncoder": target_encoder,
    "TextEncoder": text_terms,
    "TfidfVectorizer": tfidf_terms,
}
