"""The folder of an unfinished run, beside its output: a description of the run and its parts.

The name of a part has its number, the run, and the SHA-256 of its content, so that whatever a
killed process, a full disk or a late worker of another run leaves is recognised. Nothing else
records which chunks are done.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from hotswap.errors import UnfinishedRun
from hotswap.files.output import Output
from hotswap.files.places import Files, LocalFiles, files_at, named_in_errors

_RUN = "run.json"
_JOINED = "joined"
_LOCK = "lock"
_PART = re.compile(r"(\d{8})-([0-9a-f]{16})-([0-9a-f]{32})\.part")

Description = Mapping[str, Any]
"""What the bytes of the output depend on, in words that a message can use."""


@dataclass(frozen=True, slots=True)
class PartsFolder:
    """The folder for the output ``out``. Can be pickled. ``run``: a hash of the run's description,
    which ``begin`` gives."""

    out: str
    run: str = ""

    @property
    def path(self) -> str:
        return f"{self.out}.parts"

    @property
    def _files(self) -> Files:
        return files_at(self.out)

    def description(self) -> Description | None:
        """Of the unfinished run; None if there is none. Raises UnfinishedRun if it is damaged."""
        content = self._files.read(self._in(_RUN))
        if content is None:
            return None
        try:
            found: Description = json.loads(content)
        except ValueError as error:
            raise UnfinishedRun(f"{self._in(_RUN)} is damaged: delete {self.path}.") from error
        return found

    def begin(self, description: Description, *, resume: bool) -> "PartsFolder":
        """Begin a run, or continue the one that is described by the same ``description``. Returns
        the folder as that run sees it.

        Raises UnfinishedRun if there is one and not ``resume``, or if its description differs.
        """
        before = self.description()
        content = json.dumps(description, indent=1).encode()
        if before is None or not self._has_parts():
            self._files.make_folder(self.path)
            for name in self._files.names(self.path):
                if name != _LOCK:
                    self._files.remove(self._in(name))
            self._files.write(self._in(_RUN), content)
        elif not resume:
            raise UnfinishedRun(
                f"{self.path} has an unfinished run. Continue it with resume, or delete the folder "
                "to start again."
            )
        else:
            self._compare(before, json.loads(content))
        return replace(self, run=hashlib.sha256(content).hexdigest()[:16])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes of this machine from the run until the block ends.

        Raises UnfinishedRun if one has it.
        """
        if not isinstance(self._files, LocalFiles):
            yield  # an object store has no locks
            return
        self._files.make_folder(self.path)
        with Path(self.path, _LOCK).open("wb") as file:
            try:
                with suppress(ImportError):  # on Windows
                    fcntl = import_module("fcntl")
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UnfinishedRun(f"Another process is writing {self.out}.") from error
            yield

    def write(self, chunk: int, content: bytes) -> None:
        """Add the part of a chunk."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        self._files.write(self._in(f"{chunk:08}-{self.run}-{digest}.part"), content)

    def done(self) -> set[int]:
        """The chunks with an intact part; damaged ones are removed."""
        found = set()
        for chunk, name in self._parts().items():
            if self._intact(name) is None:
                self._files.remove(self._in(name))
            else:
                found.add(chunk)
        return found

    def _intact_parts(self, count: int) -> Iterator[bytes]:
        names = self._parts()
        for chunk in range(count):
            content = self._intact(names[chunk]) if chunk in names else None
            if content is None:
                raise UnfinishedRun(
                    f"Part {chunk} of {count} in {self.path} is missing or damaged: continue with "
                    "resume. On a cluster, the folder must be visible to the workers and here."
                )
            yield content

    @contextmanager
    def discarded_if_empty(self) -> Iterator[None]:
        """If the block fails before any part is written, remove the folder."""
        try:
            yield
        except BaseException:
            if not self._has_parts():
                self._files.remove_folder(self.path)
            raise

    def join(self, output: Output, count: int) -> None:
        """Join the parts of ``count`` chunks to a file in the folder. Raises UnfinishedRun."""
        path = self._in(_JOINED)
        with named_in_errors(path), self._files.create(path) as file:
            output.join(self._intact_parts(count), file)

    def finish(self) -> None:
        """Put the joined file in the place of the output, and remove the folder."""
        self._files.move(self._in(_JOINED), self.out)
        # First: without it the rest is ignored, and removed by the next run.
        self._files.remove(self._in(_RUN))
        self._files.remove_folder(self.path)

    def _parts(self) -> dict[int, str]:
        matches = (_PART.fullmatch(name) for name in self._files.names(self.path))
        return {int(match[1]): match[0] for match in matches if match and match[2] == self.run}

    def _has_parts(self) -> bool:
        """Whether there are parts of any run."""
        return any(map(_PART.fullmatch, self._files.names(self.path)))

    def _intact(self, name: str) -> bytes | None:
        content = self._files.read(self._in(name))
        digest = name.rpartition("-")[2].removesuffix(".part")
        if content is None or hashlib.sha256(content).hexdigest()[:32] != digest:
            return None
        return content

    def _compare(self, before: Description, now: Description) -> None:
        differing = [
            f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
            for key in dict.fromkeys((*before, *now))
            if before.get(key) != now.get(key)
        ]
        if differing:
            raise UnfinishedRun(
                f"The unfinished run in {self.path} cannot be continued: {'; '.join(differing)}. "
                "Delete the folder to start again."
            )

    def _in(self, name: str) -> str:
        return f"{self.path}/{name}"
