"""An ONNX graph under construction, and the block of columns that flows through it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from registry.engines.onnx_program import LARGEST_KEY, ROWS, TEXTS_KEY
from registry.intake.conversion.target import SMALLEST_NORM, Norm, Vocabulary, require
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
    """Some columns at one point of the graph.

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
        """The columns at ``positions``, as often as they are named. Adds no node."""
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
    """Nodes and constants, in the order of their making; every tensor gets a name of its own.

    ``ml_opset`` is the release of ``ai.onnx.ml`` that the nodes ask for; numbers of the size
    ``largest`` or more are refused by the model.
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
        """A tensor that holds the block's columns and no others."""
        if block.picks == tuple(range(block.width)):
            return block.tensor
        return self.add("Gather", block.tensor, self.constant(block.picks, np.int64), axis=1)

    def concat(self, blocks: Sequence[Block]) -> Block:
        whole = [block for block in blocks if len(block)]
        require(whole, "No column is left for the estimator.")
        texts = tuple(text for block in whole for text in block.texts)
        if len({(block.tensor, block.width) for block in whole}) == 1:
            picks = tuple(pick for block in whole for pick in block.picks)
            return Block(whole[0].tensor, picks, whole[0].width, texts)
        tensor = self.add("Concat", *map(self.tensor, whole), axis=1)
        return Block(tensor, tuple(range(len(texts))), len(texts), texts)

    def fill(self, block: Block, fills: Sequence[float]) -> Block:
        tensor = self.tensor(block)
        filled = self.add("Where", self.add("IsNaN", tensor), self.row(fills), tensor)
        return Block(filled, tuple(range(len(block))), len(block), block.texts)

    def missing(self, block: Block) -> Block:
        return self._numbers(self.double(self.add("IsNaN", self.tensor(block))), block)

    def subtract(self, block: Block, row: ArrayLike) -> Block:
        return self._numbers(self.add("Sub", self.tensor(block), self.row(row)), block)

    def divide(self, block: Block, row: ArrayLike) -> Block:
        return self._numbers(self.add("Div", self.tensor(block), self.row(row)), block)

    def multiply(self, block: Block, row: ArrayLike) -> Block:
        return self._numbers(self.add("Mul", self.tensor(block), self.row(row)), block)

    def plus(self, block: Block, row: ArrayLike) -> Block:
        return self._numbers(self.add("Add", self.tensor(block), self.row(row)), block)

    def clip(self, block: Block, low: float, high: float) -> Block:
        bounds = self.constant(low), self.constant(high)
        return self._numbers(self.add("Clip", self.tensor(block), *bounds), block)

    def signed_log(self, block: Block) -> Block:
        tensor = self.tensor(block)
        size = self.add("Add", self.add("Abs", tensor), self.constant(1.0))
        logarithm = self.add("Mul", self.add("Sign", tensor), self.add("Log", size))
        return self._numbers(logarithm, block)

    def equals(self, block: Block, codes: Sequence[float]) -> Block:
        tensor = self.tensor(block)
        if any(isnan(code) for code in codes):
            # NaN equals nothing here either: +inf, which no request can carry, stands for it.
            tensor = self.add("Where", self.add("IsNaN", tensor), self.constant(inf), tensor)
            codes = [inf if isnan(code) else code for code in codes]
        return self._numbers(self.double(self.add("Equal", tensor, self.row(codes))), block)

    def between(self, block: Block, lows: Sequence[float], highs: Sequence[float]) -> Block:
        tensor = self.tensor(block)
        above = self.add("Greater", tensor, self.row(lows))
        below = self.add("LessOrEqual", tensor, self.row(highs))
        return self._numbers(self.double(self.add("And", above, below)), block)

    def normalize(self, block: Block, norm: Norm) -> Block:
        tensor, axis = self.tensor(block), self.constant([1], np.int64)
        if norm == "max":
            norms = self.add("ReduceMax", self.add("Abs", tensor), axis, keepdims=1)
        else:
            norms = self.add(f"Reduce{norm.upper()}", tensor, axis, keepdims=1)
        small = self.add("Greater", self.constant(SMALLEST_NORM), norms)
        divisors = self.add("Where", small, self.constant(1.0), norms)
        return self._numbers(self.add("Div", tensor, divisors), block)

    def foreign(self, step: Any, block: Block) -> Block:
        # Late: it draws in all of skl2onnx, and it builds on this module.
        from registry.intake.conversion.foreign import convert_transformer

        return convert_transformer(self, step, block)

    def _numbers(self, tensor: str, block: Block) -> Block:
        return Block.numbers(tensor, len(block))


def input_block(signature: Signature) -> Block:
    """What the model is given: a tensor ``rows``, one double for each input of ``signature``."""
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
    # ASCII in hexadecimal: no text of the uploader's may look like the name of an outside file.
    texts = json.dumps([None if text is None else list(text) for text in given.texts])
    notes = {TEXTS_KEY: texts.encode().hex()}
    if graph.largest is not None:
        notes[LARGEST_KEY] = repr(graph.largest)
    helper.set_model_props(model, notes)
    whole: bytes = model.SerializeToString()
    return whole
