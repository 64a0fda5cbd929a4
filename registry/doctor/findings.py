"""The input and the results of a check."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.blobs.store import BlobStore
from registry.storage.database import Database

Result = Literal["ok", "warning", "fault"]
"""A warning: it works, but not as well as it could; a fault: it does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking one thing, and what to do if it is not ok.

    ``place`` is the path or address that it is about, or the words of an error that may contain
    one: for whoever administers the host, never sent over HTTP.
    """

    check: str
    result: Result
    message: str
    advice: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is checked. ``database`` is None where none exists yet; ``watch``: whether a keeper is
    to run; ``run``: where the files of running processes are, if not in ``data``."""

    data: Path
    database: Database | None
    blobs: BlobStore
    watch: bool = True
    run: Path | None = None

    @property
    def run_folder(self) -> Path:
        return self.run or self.data / "run"


Check = Callable[[Installation], Iterable[Finding]]
"""Checks one thing. May raise RegistryError and OSError where that is not possible."""
