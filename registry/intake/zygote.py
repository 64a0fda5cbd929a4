"""The intake process: has scikit-learn loaded, and forks a child for each artifact.

Started as ``python -m registry.intake.zygote FD SECONDS``. Jobs come over the socket FD as JSON,
each answered by the parts that its child wrote: what it found and, since compiling may crash where
inspecting did not, after that the engine and the compiled forms. End of the stream ends the
process. Only a child ever opens an artifact, under limits on memory, processor time and files, and
it is killed when it takes more than SECONDS. Forking from a process that has imported everything
makes an inspection cost milliseconds instead of seconds.
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
from registry.intake.compilation import compile_model, not_compiled
from registry.intake.inspection import inspect
from registry.intake.wire import END, MAX_ANSWER, pack, receive, send, unpack

MAX_MEMORY = 8 * 2**30
_CHUNK = 2**20
_PRELOADED = (
    "joblib",
    "pandas",
    "skl2onnx",
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
        answer, late = _read_until(pipe.fileno(), time.monotonic() + timeout)
    if late:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    ended = f"took over {timeout} s" if late else f"ended without a result ({_how(status)})"
    return completed(answer, ended)


def completed(answer: bytes, ended: str) -> bytes:
    """The child's ``answer``, or what it comes to where the child ``ended`` before it was whole.

    A child that died while it compiled has said what the model is: scikit-learn serves it.
    """
    parts, complete = unpack(answer)
    if complete:
        return answer
    if parts:
        return pack([parts[0], _engine(not_compiled(f"Its compilation {ended}."))]) + END
    return _said("ArtifactRefused", f"Its inspection {ended}.")


def _how(status: int) -> str:
    """How a child ended, by the status that ``waitpid`` gave."""
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "no answer"


def _answer(job: dict[str, Any], writing: int, timeout: int) -> None:
    """Inspect, compile, write both answers, and never return."""
    try:
        _limit_resources(timeout)
        with os.fdopen(writing, "wb") as pipe:
            try:
                found = inspect(Path(job["path"]), job["format"], job["declared"])
                facts = json.dumps({"inspection": found.facts}, allow_nan=False).encode()
            except RegistryError as error:
                pipe.write(_refusal(error))
            except MemoryError:
                pipe.write(_said("ArtifactRefused", f"It needs more than {MAX_MEMORY} bytes."))
            except Exception as error:  # noqa: BLE001 - whatever the file made the libraries raise
                pipe.write(_said("ArtifactRefused", f"{type(error).__name__}: {error}"[:500]))
            else:
                pipe.write(pack([facts]))
                pipe.flush()
                made = compile_model(found.model, found.signature, found.example)
                pipe.write(pack([_engine(made.engine, list(made.blobs)), *made.blobs.values()]))
                pipe.write(END)
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


def _read_until(pipe: int, deadline: float) -> tuple[bytes, bool]:
    """What is written to ``pipe`` before its end, and whether that end did not come in time."""
    parts: list[bytes] = []
    size = 0
    while size <= MAX_ANSWER:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        part = os.read(pipe, _CHUNK)
        if not part:
            return b"".join(parts), False
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:MAX_ANSWER], True


def _refusal(error: RegistryError) -> bytes:
    return _said(type(error).__name__, error.detail, [[f.at, f.message] for f in error.faults])


def _said(error: str, detail: str, faults: list[list[str]] | None = None) -> bytes:
    refusal = {"error": error, "detail": detail, "faults": faults or []}
    return pack([json.dumps(refusal).encode()]) + END


def _engine(engine: dict[str, Any], compiled: list[str] | None = None) -> bytes:
    return json.dumps({"engine": engine, "compiled": compiled or []}, allow_nan=False).encode()


if __name__ == "__main__":
    main()
