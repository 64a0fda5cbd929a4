"""The intake process: has scikit-learn loaded, and forks a child for each artifact.

Started as ``python -m registry.intake.zygote FD SECONDS``. Jobs come over the socket FD as JSON,
each answered by the bytes that its child wrote; end of the stream ends the process. Only a child
ever opens an artifact, under limits on memory, processor time and files, and it is killed when it
takes more than SECONDS. Forking from a process that has imported everything makes an inspection
cost milliseconds instead of seconds.
"""

import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from registry.errors import RegistryError
from registry.intake.inspection import inspect
from registry.intake.wire import MAX_ANSWER, receive, send

MAX_MEMORY = 8 * 2**30
_CHUNK = 2**16
_PRELOADED = (
    "joblib",
    "pandas",
    "skops.io",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.tree",
)


def main() -> None:
    _import_everything()
    descriptor, timeout = map(int, sys.argv[1:])
    with socket.socket(fileno=descriptor) as connection:
        while (job := receive(connection, MAX_ANSWER)) is not None:
            send(connection, _in_child(json.loads(job), timeout))


def _import_everything() -> None:
    for module in _PRELOADED:
        importlib.import_module(module)


def _in_child(job: dict[str, Any], timeout: int) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(job, writing, timeout)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        answer = _read_until(pipe.fileno(), time.monotonic() + timeout)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if answer is None:
        return _said("ArtifactRefused", f"Its inspection took over {timeout} s.")
    if not answer:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        died = signal.Signals(number).name if number else "no answer"
        return _said("ArtifactRefused", f"Its inspection ended without a result ({died}).")
    return answer


def _answer(job: dict[str, Any], writing: int, timeout: int) -> None:
    """Inspect, write the answer, and never return."""
    try:
        _limit_resources(timeout)
        try:
            result = {"inspection": inspect(Path(job["path"]), job["format"], job["declared"])}
            answer = json.dumps(result, allow_nan=False).encode()
        except RegistryError as error:
            answer = _refusal(error)
        except MemoryError:
            answer = _said("ArtifactRefused", f"It needs more than {MAX_MEMORY} bytes of memory.")
        except Exception as error:  # noqa: BLE001 - whatever the file made the libraries raise
            answer = _said("ArtifactRefused", f"{type(error).__name__}: {error}"[:500])
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _limit_resources(timeout: int) -> None:
    for kind, limit in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, timeout),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (limit, limit))


def _read_until(pipe: int, deadline: float) -> bytes | None:
    """What is written to ``pipe`` before its end; None where that did not come in time."""
    parts: list[bytes] = []
    size = 0
    while size <= MAX_ANSWER:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(pipe, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    return None


def _refusal(error: RegistryError) -> bytes:
    return _said(type(error).__name__, error.detail, [[f.at, f.message] for f in error.faults])


def _said(error: str, detail: str, faults: list[list[str]] | None = None) -> bytes:
    return json.dumps({"error": error, "detail": detail, "faults": faults or []}).encode()


if __name__ == "__main__":
    main()
