"""The server's side of the intake: hands an artifact over and reads the answer as data."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from registry.errors import ArtifactRefused, Fault, IntakeUnavailable, MetadataRefused
from registry.formats.reading import Format
from registry.intake.wire import MAX_ANSWER, receive, send, unpack
from registry.signature import Kind, Signature, Task

TIMEOUT_SECONDS = 60
"""What the intake gives an artifact."""

_PATIENCE_SECONDS = 30
"""How much longer we wait for its answer: it answers first if it is alive."""


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the intake says of a model."""

    kind: Kind
    task: Task
    params: dict[str, str | int | float | bool | None]
    signature: dict[str, Any]
    environment: dict[str, str]


class Inspection(Facts, frozen=True):
    """``engine``: what serves it, as a version shows it; ``compiled``: the bytes of its forms."""

    engine: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "scikit-learn"})
    compiled: dict[str, bytes] = {}


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inspection: Facts | None = None
    error: str | None = None
    detail: str = ""
    faults: list[tuple[str, str]] = []


class _Onnx(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="onnx"):
    max_abs_diff: float
    max_rel_diff: float
    checked_rows: int


class _Trees(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="trees"
):
    max_abs_diff: float
    max_rel_diff: float
    checked_rows: int


class _Linear(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="linear"
):
    max_abs_diff: float
    max_rel_diff: float
    checked_rows: int


class _ScikitLearn(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="scikit-learn"
):
    reason: str


class _Compilation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``compiled`` names the parts that follow."""

    engine: _Onnx | _Trees | _Linear | _ScikitLearn
    compiled: list[Literal["onnx", "features", "columns", "forest", "linear"]]


_FORMS: dict[type, list[tuple[str, ...]]] = {
    _ScikitLearn: [()],
    _Onnx: [("onnx",)],
    _Trees: [("onnx", "columns", "forest"), ("onnx", "features", "forest")],
    _Linear: [("onnx", "columns", "linear")],
}
"""What an engine may be made of."""


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
        parts, complete = unpack(answer)
        try:
            if not complete or not parts:
                raise ValueError("the answer has parts that are cut off")
            said = msgspec.json.decode(parts[0], type=_Answer)
            if said.inspection is not None:
                signature = Signature.from_json(said.inspection.signature)
                return _with_compiled(said.inspection, parts[1:]), signature
        except (msgspec.MsgspecError, MetadataRefused, ValueError) as error:
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
        if self._connection is not None:
            try:
                return self._exchange(self._connection, job)
            except TimeoutError as error:
                self._stop()
                raise IntakeUnavailable from error
            except OSError:
                # It died since the last upload. Asking a new one anew changes nothing.
                self._stop()
        try:
            return self._exchange(self._start(), job)
        except OSError as error:
            self._stop()
            raise IntakeUnavailable from error

    def _exchange(self, connection: socket.socket, job: bytes) -> bytes:
        """Raises OSError where no answer comes."""
        send(connection, job)
        answer = receive(connection, MAX_ANSWER)
        if answer is None:
            raise ConnectionError("the intake process ended without an answer")
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


def _with_compiled(facts: Facts, parts: list[bytes]) -> Inspection:
    """Raises ValueError or MsgspecError where ``parts`` are not a compilation and its blobs."""
    if not parts:
        raise ValueError("nothing is said of the engine")
    said = msgspec.json.decode(parts[0], type=_Compilation)
    compiled = dict(zip(said.compiled, parts[1:], strict=True))
    if tuple(compiled) not in _FORMS[type(said.engine)]:
        raise ValueError("the engine is not the one that was compiled")
    return Inspection(
        **msgspec.structs.asdict(facts),
        engine=msgspec.to_builtins(said.engine),
        compiled={str(name): blob for name, blob in compiled.items()},
    )
