"""What a source of models has: models, versions, and the file of each version."""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cli.exits import CommandFailed
from hotswap.replies import Version
from registry.signature import Record


class CannotCome(Exception):
    """Why a version cannot be imported, as a sentence."""


class SourceFailed(CommandFailed):
    """The source cannot be read any further. Ends the command; it can be run again."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a model or of a version that was not imported, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """A version in the source."""

    model: str
    label: str
    """How the source calls it: its number, or the path of its file."""
    number: int | None
    """The number that it should have here; None: the next one."""
    key: Hashable
    """By which a later import recognizes it: ``Source.key_of`` the version that it became."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    unfit: str = ""
    """Why it cannot be imported, where its entry already says so."""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model in the source. ``aliases`` have the labels of versions."""

    name: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[FoundVersion, ...] = ()
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """What an upload declares of a version, besides what ``FoundVersion`` has."""

    file: str
    format: str | None = None
    """None: by the ending of the file."""
    signature: Mapping[str, Any] | None = None
    input_example: Record | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


class Source(Protocol):
    """Where models come from."""

    name: str

    def models(self) -> Iterator[FoundModel]:
        """The models, with their versions in the order of import. Raises SourceFailed."""

    def key_of(self, version: Version) -> Hashable:
        """The key of the version in this source that ``version`` was imported from, else None."""

    def describe(self, version: FoundVersion) -> Described:
        """Raises CannotCome, SourceFailed."""

    def artifact(self, version: FoundVersion, described: Described) -> AbstractContextManager[Path]:
        """The file of the version. Raises CannotCome, SourceFailed."""
