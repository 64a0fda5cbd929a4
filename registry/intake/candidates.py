"""The compiled engines that could serve a fitted model, each ready to be compared with it.

Runs in a confined process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.engines import boosting_predictor, chain_program, forest
from registry.engines.boosting.compiling import compile_trees
from registry.engines.boosting_file import to_bytes as boosting_to_bytes
from registry.engines.boosting_predictor import BoostingPredictor
from registry.engines.chains_file import from_bytes
from registry.engines.forest_arrays import is_forest, take_arrays
from registry.engines.forest_file import to_bytes as forest_to_bytes
from registry.engines.forest_predictor import FeatureProgram, ForestPredictor
from registry.engines.linear_file import LinearFile
from registry.engines.linear_file import to_bytes as linear_to_bytes
from registry.engines.linear_predictor import LinearPredictor
from registry.engines.onnx_predictor import OnnxPredictor
from registry.engines.onnx_program import PART_SECONDS, OnnxFeatures
from registry.engines.predictor import Predictor
from registry.engines.read_program import read_program
from registry.intake.boosting.library_models import is_library_booster, take_library_booster
from registry.intake.boosting.sklearn_models import take_boosted
from registry.intake.conversion.estimators import take_linear
from registry.intake.conversion.layout import features_layout
from registry.intake.conversion.pipeline import convert_columns, convert_features, final_estimator
from registry.intake.conversion.target import NotConvertible
from registry.intake.forms import Form, check_form
from registry.signature import Signature

Converter = Callable[[Any, Signature], bytes]
FormLimits = Mapping[Form, int]

_TREES_PREDICTORS: Mapping[
    Form, Callable[[FeatureProgram, bytes, Signature], ForestPredictor | BoostingPredictor]
] = {
    "forest": ForestPredictor,
    "boosting": BoostingPredictor,
}
"""By the form of the trees."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine by its ``name``, its compiled forms, and a predictor made from these.

    ``memory``: bytes that a worker holds while it is loaded, apart from its preprocessing. For ONNX
    it is the size of the form, which ONNX Runtime exceeds by about a third and 200 kB.
    ``exact``: it serves only if its predictions equal scikit-learn's bit for bit.
    """

    name: str
    blobs: dict[Form, bytes]
    predictor: Predictor
    memory: int
    exact: bool = False


def onnx_candidate(
    model: Any, signature: Signature, converter: Converter, limits: FormLimits
) -> Candidate:
    """Raises NotConvertible, and whatever numpy or onnx raise on a malicious model."""
    made = converter(model, signature)
    _require_valid("onnx", made, limits)
    predictor = OnnxPredictor(made, signature)
    _require_fast(predictor.row_seconds)
    return Candidate("onnx", {"onnx": made}, predictor, len(made))


def kernel_candidate(
    model: Any, rows: Callable[[], Any], signature: Signature, limits: FormLimits
) -> Candidate | None:
    """The candidate on our C kernels; None where they have none for this kind of model.

    ``rows`` returns some rows for ``model``. Raises NotConvertible where this model or this
    installation does not allow it.
    """
    final = final_estimator(model)
    try:
        if is_forest(final):
            _require_built("trees", forest.AVAILABLE)
            trees = forest_to_bytes(take_arrays(final))
            return _trees_candidate(model, "forest", trees, signature, limits)
        boosted = (
            take_library_booster(model, rows())
            if is_library_booster(final)
            else take_boosted(final)
        )
        if boosted is not None:
            _require_built("boosted trees", boosting_predictor.AVAILABLE)
            trees = boosting_to_bytes(compile_trees(boosted))
            return _trees_candidate(model, "boosting", trees, signature, limits)
        if (linear := take_linear(final)) is not None:
            _require_built("preprocessing", chain_program.AVAILABLE)
            laid_out = replace(linear, features=features_layout(model, rows()))
            return _linear_candidate(model, laid_out, signature, limits)
    except ValueError as error:
        raise NotConvertible(str(error)) from error
    return None


def _trees_candidate(
    model: Any, form: Form, trees: bytes, signature: Signature, limits: FormLimits
) -> Candidate:
    _require_valid(form, trees, limits)
    features_form, features, program = _features(model, signature, limits)
    predictor = _TREES_PREDICTORS[form](program, trees, signature)
    forms: dict[Form, bytes] = {features_form: features, form: trees}
    return Candidate("trees", forms, predictor, predictor.nbytes, exact=True)


def _features(
    model: Any, signature: Signature, limits: FormLimits
) -> tuple[Form, bytes, FeatureProgram]:
    """The form of the preprocessing, its bytes, and the program that they are."""
    try:
        _require_built("preprocessing", chain_program.AVAILABLE)
        made = convert_columns(model, signature)
        _require_valid("columns", made, limits)
        return "columns", made, read_program(made, signature)
    except NotConvertible:
        made = convert_features(model, signature)
        _require_valid("features", made, limits)
        features = OnnxFeatures(made, signature)
        _require_fast(features.row_seconds)
        return "features", made, features


def _linear_candidate(
    model: Any, linear: LinearFile, signature: Signature, limits: FormLimits
) -> Candidate:
    columns, weights = convert_columns(model, signature), linear_to_bytes(linear)
    _require_valid("columns", columns, limits)
    _require_valid("linear", weights, limits)
    predictor = LinearPredictor(columns, weights, signature)
    has_texts = bool(from_bytes(columns).text_columns)
    if has_texts and linear.features != "sparse":
        raise NotConvertible("Its terms are a dense matrix: set sparse_threshold=1.")
    # Terms have no ONNX form, so nothing else could serve it.
    forms: dict[Form, bytes] = {"columns": columns, "linear": weights}
    return Candidate("linear", forms, predictor, len(columns) + len(weights), exact=has_texts)


def _require_fast(row_seconds: float) -> None:
    """A worker cannot stop within a row, so a slow model gets a process of its own."""
    if row_seconds > PART_SECONDS:
        raise NotConvertible(
            f"A row takes {row_seconds:.2f} s as ONNX; at most {PART_SECONDS:g} s are allowed in a "
            "worker."
        )


def _require_built(kernel_for: str, available: bool) -> None:
    if not available:
        raise NotConvertible(f"The C kernel for {kernel_for} was not built at installation.")


def _require_valid(form: Form, content: bytes, limits: FormLimits) -> None:
    """Check it as the service will when it receives the form."""
    try:
        check_form(form, content, limits)
    except ValueError as error:
        raise NotConvertible(f"Its {form} form is not supported: {error}.") from error
