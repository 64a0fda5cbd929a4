"""Compiles a fitted model to ONNX and makes sure that it still answers as scikit-learn does.

Runs in a confined process, after the model has been inspected.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from registry.errors import RegistryError
from registry.intake.answers import MAX_COMPILED
from registry.intake.conversion.estimators import take_linear
from registry.intake.conversion.pipeline import (
    convert,
    convert_columns,
    convert_features,
    final_estimator,
)
from registry.intake.conversion.target import NotConvertible
from registry.intake.onnx_check import check_onnx
from registry.intake.parity import Parity, compare_labels, compare_values
from registry.intake.samples import sample
from registry.serving import chain_program, forest
from registry.serving.chain_program import ChainProgram
from registry.serving.forest_arrays import is_forest, take_arrays
from registry.serving.forest_file import to_bytes as forest_to_bytes
from registry.serving.forest_predictor import FeatureProgram, ForestPredictor
from registry.serving.linear_file import LinearFile
from registry.serving.linear_file import to_bytes as linear_to_bytes
from registry.serving.linear_predictor import LinearPredictor
from registry.serving.loading import COLUMNS, FEATURES, FOREST, LINEAR, ONNX
from registry.serving.onnx_predictor import OnnxPredictor
from registry.serving.onnx_program import OnnxFeatures
from registry.serving.predictor import Predictor, SklearnPredictor
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

    ``example`` is a row that fits the signature. Raises nothing.
    """
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
    _require_readable(made)
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
    blobs = {ONNX: made}
    own_form = _own_form(model, signature)
    if own_form is not None:
        answers = own_form.predictor.predict(batch, probabilities=own.has_probabilities)
        own_parity = compare(expected, answers)
        equal = own_parity.max_abs_diff == 0 or not own_form.to_the_bit
        if equal and own_parity.fault is None:
            return Compiled(_engine(own_form.name, own_parity), {**blobs, **own_form.blobs})
    return Compiled(_engine("onnx", parity), blobs)


def _require_readable(made: bytes) -> None:
    """Whoever receives it reads it as an enemy's, and refuses what this refuses."""
    try:
        check_onnx(made)
    except ValueError as error:
        raise NotConvertible(f"Its ONNX form is not one that is served: {error}.") from error


@dataclass(frozen=True, slots=True)
class _OwnForm:
    """What answers a kind of model faster than ONNX Runtime, and the forms that it is made of.

    ``to_the_bit``: only where its answers equal scikit-learn's to the last one.
    """

    name: str
    blobs: dict[str, bytes]
    predictor: Predictor
    to_the_bit: bool


def _own_form(model: Any, signature: Signature) -> _OwnForm | None:
    """None where there is none for this model, or where it was not built at installation."""
    final = final_estimator(model)
    try:
        if forest.AVAILABLE and is_forest(final):
            made = _walked(model, final, signature)
        elif chain_program.AVAILABLE and (linear := take_linear(final)) is not None:
            made = _weighed(model, linear, signature)
        else:
            return None
    except (ValueError, RegistryError, NotConvertible):
        return None
    return made if sum(map(len, made.blobs.values())) <= MAX_COMPILED // 2 else None


def _walked(model: Any, final: Any, signature: Signature) -> _OwnForm:
    trees = forest_to_bytes(take_arrays(final))
    program: FeatureProgram
    try:
        if not chain_program.AVAILABLE:
            raise NotConvertible("No chains were built.")
        form, made = COLUMNS, convert_columns(model, signature)
        program = ChainProgram(made, signature)
    except NotConvertible:
        form, made = FEATURES, convert_features(model, signature)
        _require_readable(made)
        program = OnnxFeatures(made, signature)
    predictor = ForestPredictor(program, trees, signature)
    return _OwnForm("trees", {form: made, FOREST: trees}, predictor, to_the_bit=True)


def _weighed(model: Any, linear: LinearFile, signature: Signature) -> _OwnForm:
    columns, weights = convert_columns(model, signature), linear_to_bytes(linear)
    predictor = LinearPredictor(columns, weights, signature)
    return _OwnForm("linear", {COLUMNS: columns, LINEAR: weights}, predictor, to_the_bit=False)


def _engine(name: str, parity: Parity) -> dict[str, Any]:
    return {
        "name": name,
        "max_abs_diff": parity.max_abs_diff,
        "max_rel_diff": parity.max_rel_diff,
        "checked_rows": parity.checked_rows,
    }
