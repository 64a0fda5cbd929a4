"""The server's side of the intake: hands an artifact over and reads the answer as data."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from registry.errors import ArtifactRefused, Fault, IntakeUnavailable, MetadataRefused
from registry.formats.reading import Format
from registry.intake.wire import MAX_ANSWER, receive, send
from registry.signature import Kind, Signature, Task

TIMEOUT_SECONDS = 60
"""What the intake gives an artifact."""

_PATIENCE_SECONDS = 30
"""How much longer we wait for its answer: it answers first if it is alive."""


class Inspection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the intake says of an artifact."""

    kind: Kind
    task: Task
    params: dict[str, str | int | float | bool | None]
    signature: dict[str, Any]
    environment: dict[str, str]


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inspection: Inspection | None = None
    error: str | None = None
    detail: str = ""
    faults: list[tuple[str, str]] = []


class Inspector:
    """Owns the intake process, which it starts at the first upload and replaces when it dies.

    Safe to call from several threads; artifacts are inspected one after the other.
    """

    def __init__(self, timeout: int = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def inspect(
        self, path: Path, format_: Format, declared: Mapping[str, Any]
    ) -> tuple[Inspection, Signature]:
        """Inspect the artifact at ``path`` in the intake process.

        Raises ArtifactRefused or MetadataRefused as the intake decided, IntakeUnavailable where
        there is no such process to be had.
        """
        job = {"path": str(path.absolute()), "format": format_, "declared": dict(declared)}
        with self._lock:
            answer = self._ask(json.dumps(job).encode())
        try:
            said = msgspec.json.decode(answer, type=_Answer)
            if said.inspection is not None:
                return said.inspection, Signature.from_json(said.inspection.signature)
        except (msgspec.MsgspecError, MetadataRefused) as error:
            raise ArtifactRefused(
                "The artifact could not be inspected: no sound answer."
            ) from error
        refusal = MetadataRefused if said.error == "MetadataRefused" else ArtifactRefused
        raise refusal(said.detail, [Fault(at, message) for at, message in said.faults])

    def close(self) -> None:
        """End the intake process."""
        with self._lock:
            self._stop()

    def _ask(self, job: bytes) -> bytes:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        try:
            connection = self._connection or self._start()
            send(connection, job)
            answer = receive(connection, MAX_ANSWER)
        except OSError as error:
            self._stop()
            raise IntakeUnavailable from error
        if answer is None:
            self._stop()
            raise IntakeUnavailable
        return answer

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(self._timeout + _PATIENCE_SECONDS)
        # One thread for each numeric library: a forked child could not use the others anyway.
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                [
                    *(sys.executable, "-m", "registry.intake.zygote"),
                    *(str(theirs.fileno()), str(self._timeout)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the server's to handle; this one ends with it
                env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), **threads},
            )
        self._connection = ours
        return ours

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._connection = self._process = None
