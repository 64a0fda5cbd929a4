"""Converts a whole model: its steps in order, and its named outputs."""

from typing import Any

from registry.engines.chains_file import to_bytes as chains_to_bytes
from registry.engines.onnx_program import FEATURES
from registry.formats.used_columns import model_columns
from registry.intake.conversion.chains import ChainTarget, given_chains, to_file
from registry.intake.conversion.estimators import Heads, predict
from registry.intake.conversion.graph import Block, input_block, to_bytes
from registry.intake.conversion.onnx_target import OnnxTarget
from registry.intake.conversion.target import C, Target
from registry.intake.conversion.transformed_target import inverse_of
from registry.intake.conversion.transformers import transform_all
from registry.signature import Signature


def convert(model: Any, signature: Signature) -> bytes:
    """``model`` as the bytes of an ONNX file that ``OnnxPredictor`` serves.

    Raises NotConvertible, and whatever numpy or onnx raise on a malicious model.
    """
    graph, given = OnnxTarget(), input_block(signature)
    heads = _heads(graph, model, _model_block(model, signature, given))
    return to_bytes(graph, given, {str(name): tensor for name, tensor in heads.items()})


def convert_features(model: Any, signature: Signature) -> bytes:
    """The steps before ``model``'s last estimator, as the ONNX file of a ``ForestPredictor``.

    Raises as ``convert`` does.
    """
    graph, given = OnnxTarget(), input_block(signature)
    _, block = _preprocessed(graph, model, _model_block(model, signature, given))
    # Without any step the output still needs a tensor of its own, other than the input.
    features = graph.add("Identity", graph.tensor(block))
    return to_bytes(graph, given, {FEATURES: features})


def convert_columns(model: Any, signature: Signature) -> bytes:
    """The same as chains of steps: the file of a ``ChainProgram``. Raises as ``convert`` does."""
    given = given_chains(signature)
    _, made = _preprocessed(ChainTarget(), model, _model_block(model, signature, given))
    return chains_to_bytes(to_file(given, made))


def final_estimator(model: Any) -> Any:
    """The estimator at the end of the pipelines."""
    while hasattr(model, "steps"):
        model = model.steps[-1][1]
    return model


def _heads(graph: OnnxTarget, model: Any, block: Block) -> Heads:
    """The output tensors of ``model`` for the columns ``block``."""
    final, block = _preprocessed(graph, model, block)
    if not hasattr(final, "regressor_"):
        return predict(graph, final, block)
    value = _heads(graph, final.regressor_, block)["value"]
    return {"value": inverse_of(graph, final.transformer_, value)}


def _model_block(model: Any, signature: Signature, given: C) -> C:
    """The columns of ``model``, from those of ``signature``. A column that it drops, which nothing
    reads, is the first one."""
    return given.choose([max(column, 0) for column in model_columns(model, signature.names)])


def _preprocessed(target: Target[C], model: Any, block: C) -> tuple[Any, C]:
    """The last estimator, and its input columns."""
    while hasattr(model, "steps"):
        block = transform_all(target, model.steps[:-1], block)
        model = model.steps[-1][1]
    return model, block
