"""What a check looks at, and what it says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.blobs.store import BlobStore
from registry.storage.database import Database

Result = Literal["ok", "warning", "fault"]
"""A warning works, but not as well as it could; a fault does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, and what to do where it is not well."""

    check: str
    result: Result
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is looked at. ``database`` is None where there is none yet."""

    data: Path
    database: Database | None
    blobs: BlobStore


Check = Callable[[Installation], Iterable[Finding]]
"""Looks at one thing. May raise RegistryError and OSError where it cannot be looked at."""
