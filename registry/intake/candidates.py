"""The compiled engines that could answer a fitted model, each made and ready to be compared.

Runs in a confined process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.engines import chain_program, forest
from registry.engines.chain_program import ChainProgram
from registry.engines.forest_arrays import is_forest, take_arrays
from registry.engines.forest_file import to_bytes as forest_to_bytes
from registry.engines.forest_predictor import FeatureProgram, ForestPredictor
from registry.engines.linear_file import LinearFile
from registry.engines.linear_file import to_bytes as linear_to_bytes
from registry.engines.linear_predictor import LinearPredictor
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.onnx_program import PART_SECONDS, OnnxFeatures
from registry.engines.predictor import Predictor
from registry.intake.conversion.estimators import take_linear
from registry.intake.conversion.layout import features_layout
from registry.intake.conversion.pipeline import convert_columns, convert_features, final_estimator
from registry.intake.conversion.target import NotConvertible
from registry.intake.forms import Form, check_form
from registry.signature import Signature

Converter = Callable[[Any, Signature], bytes]
FormLimits = Mapping[Form, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine by its ``name``, the forms that it is made of, and a predictor of these.

    ``to_the_bit``: it serves only where its answers equal scikit-learn's to the last one.
    """

    name: str
    blobs: dict[Form, bytes]
    predictor: Predictor
    to_the_bit: bool = False


def onnx_candidate(
    model: Any, signature: Signature, converter: Converter, limits: FormLimits
) -> Candidate:
    """Raises NotConvertible; also whatever a hostile model makes numpy or onnx raise."""
    made = converter(model, signature)
    _require_sound("onnx", made, limits)
    predictor = OnnxPredictor(made, signature)
    _require_quick(predictor.row_seconds)
    return Candidate("onnx", {"onnx": made}, predictor)


def own_candidate(
    model: Any, rows: Callable[[], Any], signature: Signature, limits: FormLimits
) -> Candidate | None:
    """What answers this kind of model faster than ONNX Runtime; None where nothing does.

    ``rows`` makes some for ``model``. Raises NotConvertible where it would, but not for this model
    or not in this installation.
    """
    final = final_estimator(model)
    try:
        if is_forest(final):
            return _walked(model, final, signature, limits)
        if (linear := take_linear(final)) is not None:
            _require_chains()
            laid_out = replace(linear, features=features_layout(model, rows()))
            return _weighed(model, laid_out, signature, limits)
    except ValueError as error:
        raise NotConvertible(str(error)) from error
    return None


def _walked(model: Any, final: Any, signature: Signature, limits: FormLimits) -> Candidate:
    if not forest.AVAILABLE:
        raise NotConvertible("The compiled walk of trees was not built at installation.")
    trees = forest_to_bytes(take_arrays(final))
    _require_sound("forest", trees, limits)
    program: FeatureProgram
    form: Form
    try:
        _require_chains()
        form, made = "columns", convert_columns(model, signature)
        _require_sound(form, made, limits)
        program = ChainProgram(made, signature)
    except NotConvertible:
        form, made = "features", convert_features(model, signature)
        _require_sound(form, made, limits)
        program = features = OnnxFeatures(made, signature)
        _require_quick(features.row_seconds)
    predictor = ForestPredictor(program, trees, signature)
    return Candidate("trees", {form: made, "forest": trees}, predictor, to_the_bit=True)


def _weighed(model: Any, linear: LinearFile, signature: Signature, limits: FormLimits) -> Candidate:
    columns, weights = convert_columns(model, signature), linear_to_bytes(linear)
    _require_sound("columns", columns, limits)
    _require_sound("linear", weights, limits)
    predictor = LinearPredictor(columns, weights, signature)
    return Candidate("linear", {"columns": columns, "linear": weights}, predictor)


def _require_quick(row_seconds: float) -> None:
    """In a worker one row is never cut short, so what takes long gets a process of its own."""
    if row_seconds > PART_SECONDS:
        raise NotConvertible(
            f"A row takes {row_seconds:.2f} s as ONNX, and at most {PART_SECONDS:g} s in a worker."
        )


def _require_chains() -> None:
    if not chain_program.AVAILABLE:
        raise NotConvertible("The compiled chains of steps were not built at installation.")


def _require_sound(form: Form, content: bytes, limits: FormLimits) -> None:
    """Whoever receives it checks the same, and refuses what this refuses."""
    try:
        check_form(form, content, limits)
    except ValueError as error:
        raise NotConvertible(f"Its {form} form is not one that is served: {error}.") from error
