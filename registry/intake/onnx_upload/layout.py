"""Writes a checked graph anew, in the layout that ``OnnxPredictor`` serves.

Nothing of the uploader's own goes along but numbers: every tensor gets a new name, every text is
replaced by a word of ours, and notes, unknown fields and the names of nodes stay behind.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from registry.errors import ArtifactRefused, shown
from registry.intake.onnx_upload.protobuf import ML, Message, Model, Operation, is_word
from registry.serving.onnx_program import LARGEST_KEY, ROWS, TEXTS_KEY
from registry.signature import Label

_IR_VERSION = 9
_ML_OPSET = 3
"""The least release of ``ai.onnx.ml`` that is written: LabelEncoder took numbers by then."""
_LARGEST_FLOAT = 3.4028235677973366e38
"""The least double that is infinite as a float32."""
_WORDS = frozenset(
    {
        *("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", "SUM", "AVERAGE", "MIN", "MAX"),
        *("L1", "L2", "none", "tanh", "LEAF", "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE"),
        *("BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"),
    }
)


class Words(dict[str, str]):
    """The texts of the file, each with the word that stands for it in what is written."""

    def __missing__(self, text: str) -> str:
        word = self[text] = f"w{len(self)}"
        return word


@dataclass(frozen=True, slots=True)
class Given:
    """The inputs as the file wants them: one tensor of all columns, or one for each."""

    names: tuple[str, ...]
    types: tuple[int, ...]
    width: int
    together: bool


@dataclass(frozen=True, slots=True)
class Heads:
    """The file's tensors that answer; ``classes`` as the label has them, None for a regression."""

    answer: str
    kind: str
    classes: tuple[Label, ...] | None = None
    probabilities: str | None = None


@dataclass(slots=True)
class Writer:
    """Writes one model. ``names`` leads from the file's tensors to those that are written."""

    model: Model
    words: Words = field(default_factory=Words)
    names: dict[str, str] = field(default_factory=dict)
    nodes: list[Message] = field(default_factory=list)
    constants: list[Message] = field(default_factory=list)
    added: int = 0

    def write(self, given: Given, heads: Heads) -> bytes:
        """The bytes of the model with the inputs ``given`` and the answers ``heads``."""
        for name, array in self.model.constants.items():
            self.names[name] = self._constant(array)
        for operation in self.model.operations:
            self._write(operation)
        outputs: list[Message] = []
        self._write_heads(heads, outputs)
        # Last, when every text of the file has its word; they are run first.
        made, self.nodes = self.nodes, []
        self._write_inputs(given)
        return self._model([*self.nodes, *made], outputs, given)

    def _write_inputs(self, given: Given) -> None:
        if given.together:
            self._answer_as(given.names[0], "Cast", ROWS, to=given.types[0])
            return
        unknown = f"w{len(self.words)}"
        texts = numpy_helper.from_array(np.array([unknown, *self.words.values()], object), "texts")
        if TensorProto.STRING in given.types:
            self.constants.append(texts)
        for position, (name, kind) in enumerate(zip(given.names, given.types, strict=True)):
            column = self._add("Gather", ROWS, self._constant(np.array([position])), axis=1)
            if kind != TensorProto.STRING:
                self._answer_as(name, "Cast", column, to=kind)
                continue
            code = self._add("Cast", column, to=TensorProto.INT64)
            # A text that the file does not know is -1, and stands at the beginning.
            code = self._add("Add", code, self._constant(np.array([1])))
            self._answer_as(name, "Gather", texts.name, code, axis=0)

    def _answer_as(self, name: str, operator: str, *inputs: str, **attributes: Any) -> None:
        self.nodes.append(
            helper.make_node(operator, list(inputs), [self._named(name)], **attributes)
        )

    def _write(self, operation: Operation) -> None:
        if operation.operator == "ZipMap" and operation.domain == ML:
            return
        node = helper.make_node(
            operation.operator,
            [self._named(name) if name else "" for name in operation.inputs],
            [self._named(name) for name in operation.outputs],
            domain=operation.domain,
        )
        known = self._attributes_of(operation)
        for name, value in operation.attributes.items():
            if name not in known:
                raise ArtifactRefused(
                    f"The ONNX operator {shown(operation.operator)} has an attribute {shown(name)} "
                    "that it does not know."
                )
            if not (isinstance(value, list) and not value):
                node.attribute.append(helper.make_attribute(name, self._written(name, value)))
        self.nodes.append(node)

    def _attributes_of(self, operation: Operation) -> Any:
        opset = max(self.model.ml_opset, _ML_OPSET) if operation.domain == ML else self.model.opset
        try:
            return onnx.defs.get_schema(operation.operator, opset, operation.domain).attributes
        except onnx.defs.SchemaError as error:
            raise ArtifactRefused(
                f"The ONNX operator {shown(operation.operator)} is not there in release {opset}."
            ) from error

    def _written(self, name: str, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._tensor(value, "")
        if isinstance(value, str):
            return self._word(name, value)
        if isinstance(value, list) and isinstance(value[0], str):
            return [self._word(name, item) for item in value]
        return value

    def _word(self, name: str, text: str) -> str:
        if not is_word(name):
            return self.words[text]
        if text not in _WORDS:
            raise ArtifactRefused(f"The ONNX attribute {shown(name)} says {shown(text)}.")
        return text

    def _write_heads(self, heads: Heads, outputs: list[Message]) -> None:
        flat = self._constant(np.array([-1]))
        answer = self._add("Reshape", self._named(heads.answer), flat)
        if heads.classes is None:
            self._answer("value", answer, TensorProto.DOUBLE, outputs)
            return
        if heads.kind != "text":
            answer = self._add("Cast", answer, to=TensorProto.INT64)
            keys: dict[str, Any] = {"keys_int64s": [int(label) for label in heads.classes]}
        else:
            keys = {"keys_strings": [self.words[str(label)] for label in heads.classes]}
        places = list(range(len(heads.classes)))
        index = self._add(
            *("LabelEncoder", answer), domain=ML, values_int64s=places, default_int64=-1, **keys
        )
        self._answer("label", index, TensorProto.INT64, outputs)
        if heads.probabilities is not None:
            shares = self._named(heads.probabilities)
            self._answer("probabilities", shares, TensorProto.DOUBLE, outputs)

    def _answer(self, head: str, tensor: str, kind: int, outputs: list[Message]) -> None:
        self.nodes.append(helper.make_node("Cast", [tensor], [head], to=kind))
        outputs.append(helper.make_tensor_value_info(head, kind, None))

    def _model(self, nodes: list[Message], outputs: list[Message], given: Given) -> bytes:
        rows = helper.make_tensor_value_info(ROWS, TensorProto.DOUBLE, [None, given.width])
        made = helper.make_graph(nodes, "model", [rows], outputs, self.constants)
        opsets = [
            helper.make_opsetid("", self.model.opset),
            helper.make_opsetid(ML, max(self.model.ml_opset, _ML_OPSET)),
        ]
        proto = helper.make_model(made, opset_imports=opsets, producer_name="hotswap")
        proto.ir_version = _IR_VERSION
        helper.set_model_props(proto, self._notes(given))
        whole: bytes = proto.SerializeToString()
        return whole

    def _notes(self, given: Given) -> dict[str, str]:
        known = list(self.words)
        types = given.types * (given.width if given.together else 1)
        texts = [known if kind == TensorProto.STRING else None for kind in types]
        notes = {TEXTS_KEY: json.dumps(texts).encode().hex()}
        if TensorProto.FLOAT in given.types:
            notes[LARGEST_KEY] = repr(_LARGEST_FLOAT)
        return notes

    def _add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        self.added += 1
        name = f"a{self.added}"
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name], domain=domain, **attributes)
        )
        return name

    def _named(self, name: str) -> str:
        return self.names.setdefault(name, f"t{len(self.names)}")

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self._tensor(array, name))
        return name

    def _tensor(self, array: NDArray[Any], name: str) -> Message:
        if array.dtype.kind in "OU":
            array = np.vectorize(self.words.__getitem__, otypes=[object])(array)
        return numpy_helper.from_array(array, name)
