"""Reads and compiles an uploaded model of XGBoost or LightGBM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.engines import boosting_predictor, chain_program, chains_file
from registry.engines.boosting.compiling import compile_trees
from registry.engines.boosting.lightgbm_model import read_lightgbm
from registry.engines.boosting.model import BoostedModel
from registry.engines.boosting.xgboost_model import read_xgboost
from registry.engines.boosting_arrays import ColumnKind
from registry.engines.boosting_file import to_bytes
from registry.engines.boosting_predictor import BoostingPredictor
from registry.engines.read_program import read_program
from registry.errors import ArtifactRefused
from registry.formats.reading import Format
from registry.intake.boosting.library_models import is_library_booster
from registry.intake.boosting.signature import read_boosted_signature
from registry.intake.forms import Form, check_form
from registry.signature import Label, Record, Signature


@dataclass(frozen=True, slots=True)
class UploadedBooster:
    """A model, its signature, its compiled forms, and a predictor made from these."""

    model: BoostedModel
    signature: Signature
    forms: dict[Form, bytes]
    predictor: BoostingPredictor


def read_booster(data: bytes, format_: Format, declared: object | None) -> UploadedBooster:
    """The model in ``data``, a file of ``format_``, with the ``declared`` signature or its own.

    Raises ArtifactRefused, MetadataRefused.
    """
    require_kernels()
    said = None if declared is None else Signature.from_json(declared)
    model = read_lightgbm(data, _texts(said)) if format_ == "lightgbm" else read_xgboost(data)
    return _uploaded(model, said)


def read_bare_estimator(model: Any, declared: object | None) -> UploadedBooster | None:
    """An estimator of XGBoost or LightGBM that was fitted on pandas categories, as if it were the
    library's own file, and with its own labels; None where ``model`` is anything else.

    Raises ArtifactRefused, MetadataRefused.
    """
    if not (is_library_booster(model) and model.names_categories and model.missing_is_nan):
        return None
    said = None if declared is None else Signature.from_json(declared)
    classes = tuple(model.classes_.tolist()) if hasattr(model, "classes_") else None
    return _uploaded(model.read_as(_texts(said)), said, classes)


def _texts(said: Signature | None) -> list[int]:
    columns = () if said is None else said.inputs
    return [at for at, column in enumerate(columns) if column.type == "string"]


def _uploaded(
    model: BoostedModel, said: Signature | None, labels: tuple[Label, ...] | None = None
) -> UploadedBooster:
    signature = read_boosted_signature(model, said, labels)
    columns_form, trees = _columns(model, signature), compiled(model)
    return UploadedBooster(
        model,
        signature,
        {"columns": columns_form, "boosting": trees},
        BoostingPredictor(read_program(columns_form, signature), trees, signature),
    )


def require_kernels() -> None:
    """Raises ArtifactRefused where this installation cannot predict with boosted trees."""
    if not (boosting_predictor.AVAILABLE and chain_program.AVAILABLE):
        raise ArtifactRefused(
            "Models of XGBoost and LightGBM need the C kernels, which were not built when this "
            "service was installed. Install it where there is a C compiler, or upload ONNX."
        )


def compiled(model: BoostedModel) -> bytes:
    """The compiled trees of ``model``, checked. Raises ArtifactRefused."""
    try:
        arrays = compile_trees(model)
        boosting_predictor.pack(arrays)
        trees = to_bytes(arrays)
        check_form("boosting", trees)
    except ValueError as error:
        raise ArtifactRefused(f"The model's trees are not valid: {error}") from error
    return trees


def _columns(model: BoostedModel, signature: Signature) -> bytes:
    """The chains that pass all columns on, with the codes of texts."""
    count = len(signature.inputs)
    texts: list[list[str] | None] = [None] * count
    for index, column in enumerate(signature.inputs):
        if column.type == "string":
            texts[index] = [str(category) for category in model.categories[index]]
    return chains_file.to_bytes(
        chains_file.ChainsFile(
            texts=texts,
            column=np.arange(count, dtype=np.int32),
            length=np.zeros(count, np.int32),
            kind=np.empty(0, np.uint8),
            first=np.empty(0),
            second=np.empty(0),
        )
    )


def known_example(uploaded: UploadedBooster) -> Record | None:
    """A row of categories that the model knows, since XGBoost refuses others; None where every row
    is accepted."""
    first = {index: held[0] for index, held in uploaded.model.categories.items() if held}
    if uploaded.model.unknown != ColumnKind.REQUIRED_CATEGORY or not first:
        return None
    return {name: first.get(at, 0.5) for at, name in enumerate(uploaded.signature.names)}


def facts(uploaded: UploadedBooster) -> Mapping[str, Any]:
    """What the version says of the model."""
    return {
        "kind": "boosting",
        "task": uploaded.signature.task,
        "params": dict(uploaded.model.about),
        "signature": uploaded.signature.to_json(),
        "environment": dict(uploaded.model.environment),
    }
