"""The data of a version that is needed to load it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from registry.engines.predictor import Predictor
from registry.formats.reading import Format
from registry.signature import Record, Signature

Key = tuple[str, int]
"""The name of a model, and the number of one of its versions."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version's artifact, the forms it was compiled to, and its signature."""

    model: str
    number: int
    format: Format
    sha256: str
    size: int
    """Bytes of the artifact."""
    signature: Signature
    input_example: Record | None
    compiled: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each compiled form, by its name."""

    @property
    def key(self) -> Key:
        return self.model, self.number


Loader = Callable[[ServedVersion], Predictor]
