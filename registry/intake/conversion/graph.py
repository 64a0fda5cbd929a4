"""An ONNX graph under construction, and the block of columns that flows through it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from registry.engines.onnx_program import LARGEST_KEY, ROWS, TEXTS_KEY
from registry.intake.conversion.target import Vocabulary
from registry.signature import Signature

OPSET = 18
TREES_OPSET = 5
"""The release of the ``ai.onnx.ml`` operators that brought trees with double thresholds."""
ML_OPSET = 3
_IR_VERSION = 9
ML = "ai.onnx.ml"

Model: TypeAlias = Any
"""onnx's types come from protobuf, which publishes none for them."""


@dataclass(frozen=True, slots=True)
class Block:
    """Columns at one point of the graph.

    ``tensor`` is the double tensor, rows x columns, that holds them; ``picks`` which of its
    columns, in order; ``texts`` the vocabulary of each picked column, None where it is a number.
    """

    tensor: str
    picks: tuple[int, ...]
    width: int
    texts: tuple[Vocabulary | None, ...]

    @classmethod
    def numbers(cls, tensor: str, width: int) -> "Block":
        return cls(tensor, tuple(range(width)), width, (None,) * width)

    def choose(self, positions: Sequence[int]) -> "Block":
        """The columns at ``positions``, with repetitions. Adds no node."""
        return Block(
            self.tensor,
            tuple(self.picks[at] for at in positions),
            self.width,
            tuple(self.texts[at] for at in positions),
        )

    def __len__(self) -> int:
        return len(self.picks)


@dataclass(slots=True)
class Graph:
    """Nodes and constants in the order in which they were added; every tensor has its own name.

    ``ml_opset`` is the release of ``ai.onnx.ml`` that the nodes require. The model refuses numbers
    whose absolute value is ``largest`` or more.
    """

    nodes: list[Model] = field(default_factory=list)
    constants: list[Model] = field(default_factory=list)
    ml_opset: int = ML_OPSET
    largest: float | None = None

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; the name of that output."""
        return self.add_many(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def add_many(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(
            helper.make_node(operator, list(inputs), names, domain=domain, **attributes)
        )
        return names

    def constant(self, values: ArrayLike, dtype: type = np.float64) -> str:
        """The name of a tensor that holds ``values``."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def row(self, values: ArrayLike) -> str:
        """A constant of shape 1 x columns, which applies to each row."""
        array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        return self.constant(array.reshape(1, -1))

    def double(self, tensor: str) -> str:
        return self.add("Cast", tensor, to=TensorProto.DOUBLE)

    def tensor(self, block: Block) -> str:
        """A tensor with only the columns of the block."""
        if block.picks == tuple(range(block.width)):
            return block.tensor
        return self.add("Gather", block.tensor, self.constant(block.picks, np.int64), axis=1)


def input_block(signature: Signature) -> Block:
    """The input of the model: a tensor ``rows``, one double for each input of ``signature``."""
    texts = tuple(Vocabulary() if column.type == "string" else None for column in signature.inputs)
    return Block(ROWS, tuple(range(len(texts))), len(texts), texts)


def to_bytes(graph: Graph, given: Block, heads: Mapping[str, str]) -> bytes:
    """The finished model: ``heads`` maps the names of its outputs to tensors of ``graph``."""
    outputs = []
    for name, tensor in heads.items():
        graph.nodes.append(helper.make_node("Identity", [tensor], [name]))
        kind = TensorProto.INT64 if name == "label" else TensorProto.DOUBLE
        outputs.append(helper.make_tensor_value_info(name, kind, None))
    rows = helper.make_tensor_value_info(ROWS, TensorProto.DOUBLE, [None, given.width])
    made = helper.make_graph(graph.nodes, "model", [rows], outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, graph.ml_opset)]
    model = helper.make_model(made, opset_imports=opsets, producer_name="hotswap")
    model.ir_version = _IR_VERSION
    # ASCII in hexadecimal, so that no text of the uploader can look like the name of a file.
    texts = json.dumps([None if text is None else list(text) for text in given.texts])
    notes = {TEXTS_KEY: texts.encode().hex()}
    if graph.largest is not None:
        notes[LARGEST_KEY] = repr(graph.largest)
    helper.set_model_props(model, notes)
    whole: bytes = model.SerializeToString()
    return whole
