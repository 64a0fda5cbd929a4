"""Reads a model and what it says of itself: kind, task, parameters, signature, environment.

Runs in a confined process only.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np

from registry.codecs.batch import Batch
from registry.engines.predictor import Predictor, SklearnPredictor
from registry.errors import (
    ArtifactRefused,
    Fault,
    MetadataRefused,
    PredictionRefused,
)
from registry.formats.reading import BOOSTERS, Format, read_model
from registry.intake.boosting.upload import (
    UploadedBooster,
    facts,
    known_example,
    read_bare_estimator,
    read_booster,
)
from registry.intake.compilation import Compiled
from registry.intake.onnx_upload import read_upload
from registry.intake.samples import first_row, known_row
from registry.intake.signatures import read_signature
from registry.signature import KINDS, Kind, Record, Signature

_TREES = "sklearn.tree._classes"
_FORESTS = "sklearn.ensemble._forest"
_BOOSTING = frozenset(
    {
        "registry.engines.boosting.estimators",
        "sklearn.ensemble._gb",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
    }
)
_LOGISTIC = "sklearn.linear_model._logistic"


@dataclass(frozen=True, slots=True)
class Inspected:
    """A model that may become a version; ``facts`` describe it as plain JSON data.

    ``model`` is None where there is no scikit-learn model: for an ONNX file, which is served as it
    is, and for boosted trees, which are already ``compiled``.
    """

    model: Any | None
    signature: Signature
    example: Record | None
    facts: dict[str, Any]
    compiled: Compiled | None = None


def inspect(file: BinaryIO, format_: Format, declared: Mapping[str, Any]) -> Inspected:
    """Read and check the artifact in ``file``.

    ``declared`` holds the uploader's ``kind``, ``signature`` and ``input_example``, each optional;
    they must agree with the model. It may also hold ``columns``, the inputs of a signature that is
    used only for a model that does not name its columns. The model has predicted one row when this
    returns.

    Raises ArtifactRefused, MetadataRefused.
    """
    if format_ == "onnx":
        return _inspect_onnx(file, declared)
    if format_ in BOOSTERS:
        return _inspect_booster(file, format_, declared)
    model, trained_with = _read(file, format_)
    if (booster := read_bare_estimator(model, declared.get("signature"))) is not None:
        return _inspected_booster(booster, type(model).__name__, declared)
    signature = read_signature(model, declared.get("signature"), declared.get("columns"))
    example = declared.get("input_example")
    predictor = SklearnPredictor(model, signature)
    made = None
    try:
        _check_answer(predictor, first_row(signature, example), given=example is not None)
    except ArtifactRefused:
        if example is not None:
            raise
        # An encoder may refuse values that it has not seen: these it has.
        made = known_row(model, signature)
        _check_answer(predictor, first_row(signature, made), given=False)
    final = _final(model)
    facts = {
        "kind": _kind(model, declared.get("kind")),
        "task": signature.task,
        "params": _params(final),
        "signature": signature.to_json(),
        "environment": {"scikit-learn": trained_with, **getattr(final, "environment", {})},
        "input_example": made,
    }
    return Inspected(model, signature, example if made is None else made, facts)


def _read(file: BinaryIO, format_: Format) -> tuple[Any, str]:
    """The model, and the scikit-learn version that it was fitted with."""
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        model = read_model(file, format_)
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            return model, str(warning.message.original_sklearn_version)
    return model, str(sklearn.__version__)


def _inspect_onnx(file: BinaryIO, declared: Mapping[str, Any]) -> Inspected:
    uploaded = read_upload(file.read(), declared)
    signature, example = uploaded.predictor.signature, declared.get("input_example")
    row = first_row(signature, example)
    _check_answer(uploaded.predictor, row, given=example is not None)
    facts = {
        "kind": declared.get("kind") or "other",
        "task": signature.task,
        "params": {},
        "signature": signature.to_json(),
        "environment": {"onnx-opset": str(uploaded.opset), "onnxruntime": version("onnxruntime")},
    }
    return Inspected(None, signature, example, facts)


def _inspect_booster(file: BinaryIO, format_: Format, declared: Mapping[str, Any]) -> Inspected:
    uploaded = read_booster(file.read(), format_, declared.get("signature"))
    return _inspected_booster(uploaded, f"{format_} file", declared)


def _inspected_booster(
    uploaded: UploadedBooster, what: str, declared: Mapping[str, Any]
) -> Inspected:
    example, kind = declared.get("input_example"), declared.get("kind")
    made = known_example(uploaded) if example is None else None
    row = first_row(uploaded.signature, example or made)
    _check_answer(uploaded.predictor, row, given=example is not None)
    _check_kind("boosting", kind, what)
    return Inspected(
        None,
        uploaded.signature,
        example or made,
        {**facts(uploaded), "kind": kind or "boosting", "input_example": made},
        Compiled({"name": "trees", "memory_bytes": uploaded.predictor.nbytes}, uploaded.forms),
    )


def _check_answer(predictor: Predictor, batch: Batch, *, given: bool) -> None:
    """Raises ArtifactRefused unless ``predictor`` answers the one row of ``batch`` as its signature
    says. ``given``: the row is the uploader's input example."""
    try:
        answers = predictor.predict(batch, probabilities=predictor.has_probabilities)
    except PredictionRefused as error:
        what, advice = "its input example", ""
        if not given:
            what = "a row made from its signature"
            advice = " If it predicts other rows, declare one as metadata.input_example."
        raise ArtifactRefused(
            f"The model cannot predict {what}: {str(error.__cause__ or error).rstrip('.')}.{advice}"
        ) from error
    if len(answers.values) != batch.rows:
        raise ArtifactRefused(
            f"The model returns {len(answers.values)} values for {batch.rows} row."
        )
    size = predictor.signature.output.size
    if size is not None and any(np.shape(each) != (size,) for each in answers.values):
        raise ArtifactRefused(f"The model does not return {size} values for each row.")
    classes = predictor.signature.output.classes
    shares = answers.probabilities
    if shares is not None and shares.shape != (batch.rows, len(classes or ())):
        raise ArtifactRefused("The model returns probabilities for other classes than its own.")
    given_labels = np.ravel(np.asarray(answers.values, dtype=object)).tolist()
    if classes is not None and not set(given_labels) <= set(classes):
        raise ArtifactRefused("The model returns labels that are not among its classes.")


def _final(model: Any) -> Any:
    """The estimator that predicts, inside pipelines and target transformations."""
    while True:
        if hasattr(model, "steps"):
            model = model.steps[-1][1]
        elif hasattr(model, "regressor_"):
            model = model.regressor_
        else:
            return model


def _kind(model: Any, declared: str | None) -> Kind:
    final = _final(model)
    module = type(final).__module__
    kind: Kind = "other"
    if module == _TREES:
        kind = "tree"
    elif module == _FORESTS:
        kind = "forest"
    elif module in _BOOSTING:
        kind = "boosting"
    elif module == _LOGISTIC:
        kind = "logistic"
    elif module.startswith("sklearn.linear_model.") and not hasattr(model, "classes_"):
        kind = "linear"
    _check_kind(kind, declared, type(final).__name__)
    return next(known for known in KINDS if known == (declared or kind))


def _check_kind(kind: Kind, declared: str | None, what: str) -> None:
    if declared not in (None, "other", kind):
        message = f"expected '{kind}' for a {what}, not '{declared}'"
        raise MetadataRefused(f"The kind does not match: {message}.", [Fault("kind", message)])


def _params(estimator: Any) -> dict[str, Any]:
    """The parameters that are plain values; nested estimators and arrays are left out."""
    return {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if isinstance(value, str | int | float | bool | None) and value == value  # noqa: PLR0124 - NaN is no JSON
    }
