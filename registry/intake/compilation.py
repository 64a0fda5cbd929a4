"""Compiles a fitted model to ONNX and makes sure that it still answers as scikit-learn does.

Runs in the intake's child, after the model has been inspected.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry.errors import RegistryError
from registry.intake.conversion.graph import NotConvertible
from registry.intake.conversion.pipeline import convert, convert_features, final_estimator
from registry.intake.onnx_upload.upload import Uploaded
from registry.intake.parity import Parity, compare_labels, compare_values
from registry.intake.samples import sample
from registry.intake.wire import MAX_COMPILED
from registry.serving.codecs.batch import Batch
from registry.serving.forest import AVAILABLE
from registry.serving.forest_arrays import is_forest, take_arrays
from registry.serving.forest_file import to_bytes
from registry.serving.forest_predictor import ForestPredictor
from registry.serving.onnx_predictor import OnnxPredictor
from registry.serving.predictor import Answers, SklearnPredictor
from registry.signature import Record, Signature

CHECKED_ROWS = 512
Converter = Callable[[Any, Signature], bytes]


@dataclass(frozen=True, slots=True)
class Compiled:
    """``engine`` as a version shows it; ``blobs``: the bytes of each compiled form by its name."""

    engine: dict[str, Any]
    blobs: dict[str, bytes] = field(default_factory=dict)


def compile_model(
    model: Any, signature: Signature, example: Record | None, converter: Converter = convert
) -> Compiled:
    """Compile ``model``; what is not compiled, or answers otherwise, stays with scikit-learn.

    ``example`` is a row that fits the signature. What was uploaded as ONNX was compiled when it
    was inspected. Raises nothing.
    """
    if isinstance(model, Uploaded):
        return Compiled(_engine("onnx", model.parity), {"onnx": model.compiled})
    try:
        return _compiled(model, signature, example, converter)
    except NotConvertible as error:
        reason = str(error)
    except RegistryError as error:
        reason = error.detail
    except MemoryError:
        reason = "Its compilation needs too much memory."
    except Exception as error:  # noqa: BLE001 - a model that serves uncompiled is not refused
        reason = f"Its compilation failed: {type(error).__name__}: {error}"
    return Compiled(not_compiled(reason))


def not_compiled(reason: str) -> dict[str, Any]:
    """The engine of a version that scikit-learn serves, and why it does."""
    return {"name": "scikit-learn", "reason": reason[:500]}


def _compiled(
    model: Any, signature: Signature, example: Record | None, converter: Converter
) -> Compiled:
    made = converter(model, signature)
    if len(made) > MAX_COMPILED:
        raise NotConvertible(f"Its ONNX form is larger than {MAX_COMPILED} bytes.")
    batch = sample(model, signature, example, CHECKED_ROWS)
    own = SklearnPredictor(model, signature)
    try:
        with warnings.catch_warnings():
            # That a category is unknown, say: the sample is made to hold such rows.
            warnings.simplefilter("ignore", UserWarning)
            expected = own.predict(batch, probabilities=own.has_probabilities)
    except RegistryError as error:
        raise NotConvertible(
            "scikit-learn itself refuses some rows that the signature allows, and ONNX would not: "
            f"{error.__cause__ or error.detail}"
        ) from error
    predictor = OnnxPredictor(made, signature)
    if predictor.has_probabilities != own.has_probabilities:
        raise NotConvertible("Its ONNX form does not give the probabilities that it has.")
    answers = predictor.predict(batch, probabilities=own.has_probabilities)
    compare = compare_values if signature.task == "regression" else compare_labels
    parity = compare(expected, answers)
    if parity.fault is not None:
        raise NotConvertible(f"Its ONNX form answers otherwise than scikit-learn: {parity.fault}.")
    blobs = {"onnx": made}
    if (walked := _walked(model, signature, batch, expected)) is not None:
        return Compiled(_engine("trees", compare(expected, expected)), {**blobs, **walked})
    return Compiled(_engine("onnx", parity), blobs)


def _walked(
    model: Any, signature: Signature, batch: Batch, expected: Answers
) -> dict[str, bytes] | None:
    """A tree's or a forest's own compiled forms, if its answers are scikit-learn's to the bit.

    None where it is no forest, the kernel was not built, or it stays with ONNX for any reason.
    """
    final = final_estimator(model)
    if not AVAILABLE or not is_forest(final):
        return None
    try:
        blobs = {
            "features": convert_features(model, signature),
            "forest": to_bytes(take_arrays(final)),
        }
        predictor = ForestPredictor(blobs["features"], blobs["forest"], signature)
        answers = predictor.predict(batch, probabilities=predictor.has_probabilities)
    except (ValueError, RegistryError, NotConvertible):
        return None
    equal = answers.values == expected.values and (
        answers.probabilities is None
        or expected.probabilities is None
        or np.array_equal(answers.probabilities, expected.probabilities)
    )
    fits = sum(map(len, blobs.values())) <= MAX_COMPILED // 2
    return blobs if equal and fits else None


def _engine(name: str, parity: Parity) -> dict[str, Any]:
    return {
        "name": name,
        "max_abs_diff": parity.max_abs_diff,
        "max_rel_diff": parity.max_rel_diff,
        "checked_rows": parity.checked_rows,
    }
