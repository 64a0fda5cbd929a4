"""A whole model: its steps one after the other, and its answers under their names."""

from typing import Any

from registry.intake.conversion.estimators import predict
from registry.intake.conversion.graph import Graph, input_block, to_bytes
from registry.intake.conversion.transformers import transform
from registry.signature import Signature


def convert(model: Any, signature: Signature) -> bytes:
    """``model`` as the bytes of an ONNX file that ``OnnxPredictor`` serves.

    Raises NotConvertible; also whatever a hostile model makes numpy or onnx raise.
    """
    graph = Graph()
    given = block = input_block(signature)
    while hasattr(model, "steps"):
        for _, step in model.steps[:-1]:
            block = transform(graph, step, block)
        model = model.steps[-1][1]
    heads = predict(graph, model, block)
    return to_bytes(graph, given, {str(name): tensor for name, tensor in heads.items()})
