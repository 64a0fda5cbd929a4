"""The signature of a model: its named and typed input columns, and its typed output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from registry.errors import Fault, MetadataRefused, shown

OutputType = Literal["number", "integer", "boolean", "string"]
ColumnType = OutputType | Literal["date"]
"""The types of inputs. A date is ISO 8601 text in requests, and see ``registry.dates`` inside."""
Label = str | int | float | bool
Scalar = str | int | float | bool | None
Record = dict[str, Scalar]
Task = Literal["regression", "classification"]
Kind = Literal["linear", "logistic", "tree", "forest", "boosting", "other"]

OUTPUT_TYPES: tuple[OutputType, ...] = get_args(OutputType)
COLUMN_TYPES: tuple[ColumnType, ...] = (*OUTPUT_TYPES, "date")
TASKS: tuple[Task, ...] = get_args(Task)
KINDS: tuple[Kind, ...] = get_args(Kind)

_Type = TypeVar("_Type", bound=str)

MAX_COLUMNS = 10_000
MAX_COLUMN_NAME = 1_000
MAX_CLASSES = 10_000
MAX_OUTPUTS = 1_000


@dataclass(frozen=True, slots=True)
class Column:
    """An input: its name, its type, and whether a row may leave it null."""

    name: str
    type: ColumnType
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What is predicted. ``classes`` are a classifier's labels in its own order, else None.

    ``size``: each row gets a list of so many numbers or labels, and ``classes`` has those of all
    places; None: it gets one.
    """

    name: str
    type: OutputType
    classes: tuple[Label, ...] | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs in the order that the model was trained on, and the output."""

    inputs: tuple[Column, ...]
    output: Output
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names of the inputs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.inputs))

    @property
    def task(self) -> Task:
        return "regression" if self.output.classes is None else "classification"

    def to_json(self) -> dict[str, Any]:
        """The signature as JSON for the API."""
        output: dict[str, Any] = {"name": self.output.name, "type": self.output.type}
        if self.output.classes is not None:
            output["classes"] = list(self.output.classes)
        if self.output.size is not None:
            output["size"] = self.output.size
        return {
            "inputs": [
                {"name": column.name, "type": column.type, "nullable": column.nullable}
                for column in self.inputs
            ],
            "output": output,
        }

    @classmethod
    def from_json(cls, value: object) -> "Signature":
        """Read what ``to_json`` writes, from an untrusted source.

        Raises MetadataRefused with all faults.
        """
        reader = _Reader()
        signature = reader.signature(value)
        if signature is None or reader.faults:
            raise MetadataRefused("The signature is not valid.", reader.faults)
        return signature


class _Reader:
    """Reads a signature and collects all of its faults."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def signature(self, value: object) -> Signature | None:
        if not isinstance(value, Mapping):
            self._fault("signature", "expected an object with 'inputs' and 'output'")
            return None
        for key in value.keys() - {"inputs", "output"}:
            self._fault(f"signature.{key}", "not a key of a signature")
        inputs = self._inputs(value.get("inputs"))
        output = self._output(value.get("output"))
        return None if inputs is None or output is None else Signature(inputs, output)

    def _inputs(self, value: object) -> tuple[Column, ...] | None:
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            self._fault("signature.inputs", "expected a list of at least one column")
            return None
        if len(value) > MAX_COLUMNS:
            self._fault("signature.inputs", f"more than {MAX_COLUMNS} columns")
            return None
        columns = [
            self._column(f"signature.inputs[{index}]", item) for index, item in enumerate(value)
        ]
        seen: set[str] = set()
        for index, column in enumerate(columns):
            if column is not None and column.name in seen:
                self._fault(f"signature.inputs[{index}].name", "the name appears twice")
            elif column is not None:
                seen.add(column.name)
        return tuple(column for column in columns if column is not None)

    def _column(self, at: str, value: object) -> Column | None:
        if not isinstance(value, Mapping):
            self._fault(at, "expected an object with 'name' and 'type'")
            return None
        for key in value.keys() - {"name", "type", "nullable"}:
            self._fault(f"{at}.{key}", "not a key of a column")
        name = self._name(at, value.get("name"))
        type_ = self._type(at, value.get("type"), COLUMN_TYPES)
        nullable = value.get("nullable", False)
        if not isinstance(nullable, bool):
            self._fault(f"{at}.nullable", "expected true or false")
            return None
        return None if name is None or type_ is None else Column(name, type_, nullable)

    def _output(self, value: object) -> Output | None:
        at = "signature.output"
        if not isinstance(value, Mapping):
            self._fault(at, "expected an object with 'name' and 'type'")
            return None
        for key in value.keys() - {"name", "type", "classes", "size"}:
            self._fault(f"{at}.{key}", "not a key of an output")
        name = self._name(at, value.get("name"))
        type_ = self._type(at, value.get("type"), OUTPUT_TYPES)
        classes = value.get("classes")
        if classes is not None and not (
            isinstance(classes, list)
            and 1 <= len(classes) <= MAX_CLASSES
            and all(isinstance(label, str | int | float) for label in classes)
        ):
            self._fault(f"{at}.classes", f"expected a list of 1 to {MAX_CLASSES} labels")
            return None
        size = value.get("size")
        if size is not None and not (type(size) is int and 1 <= size <= MAX_OUTPUTS):
            self._fault(f"{at}.size", f"expected a whole number from 1 to {MAX_OUTPUTS}")
            return None
        if name is None or type_ is None:
            return None
        return Output(name, type_, None if classes is None else tuple(classes), size)

    def _name(self, at: str, value: object) -> str | None:
        # msgspec, which decodes JSON bodies, truncates field names at NUL.
        if isinstance(value, str) and 0 < len(value) <= MAX_COLUMN_NAME and "\0" not in value:
            return value
        self._fault(
            f"{at}.name", f"expected a text of 1 to {MAX_COLUMN_NAME} characters without NUL"
        )
        return None

    def _type(self, at: str, value: object, types: tuple[_Type, ...]) -> _Type | None:
        for known in types:
            if value == known:
                return known
        listed = ", ".join(types)
        self._fault(f"{at}.type", f"expected one of {listed}, not {shown(str(value))}")
        return None

    def _fault(self, at: str, message: str) -> None:
        self.faults.append(Fault(at, message))


def label_text(label: Label) -> str:
    """A class label as the key of a JSON object: ``True`` is ``true``, 1 is ``1``."""
    return str(label).lower() if isinstance(label, bool) else str(label)
