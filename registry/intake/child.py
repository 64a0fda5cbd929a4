"""Runs in a confined process for each upload: reads the artifact, checks it, compiles it.

The job arrives as one JSON message, the artifact as an open file. The replies are a message that
describes the model or says why it is refused; then, since compiling may crash where inspecting did
not, one with the engine; then the compiled forms, in the order in which that message names them. An
ONNX file is not compiled: the first reply is the only one.
"""

import json
import os
import resource
from typing import Any

import msgspec

from registry.confinement.channel import Channel
from registry.errors import ArtifactRefused, RegistryError
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect
from registry.intake.messages import Job, check_facts, refusal


def answer(channel: Channel, files: list[int]) -> None:
    """Inspect and compile the only file of ``files``, as the job on ``channel`` requests."""
    message = channel.receive()
    if message is None:
        return
    job = msgspec.json.decode(message, type=Job)
    try:
        with os.fdopen(files[0], "rb") as file:
            found = inspect(file, job.format, job.declared)
        facts = _encoded({"type": "inspected", **found.facts})
        check_facts(facts)
    except RegistryError as error:
        channel.send(refusal(error))
    except MemoryError:
        channel.send(refusal(ArtifactRefused(f"It needs more than {_memory()} bytes.")))
    except Exception as error:  # noqa: BLE001 - the libraries may raise anything on a bad file
        channel.send(refusal(ArtifactRefused(f"{type(error).__name__}: {error}"[:500])))
    else:
        channel.send(facts)
        made = found.compiled
        if made is None and found.model is not None:
            made = compile_model(found.model, found.signature, found.example)
        if made is None:
            return
        compilation = {"engine": made.engine, "compiled": list(made.blobs)}
        channel.send(_encoded(compilation), *made.blobs.values())


def _encoded(message: dict[str, Any]) -> bytes:
    """Raises ValueError where a number is not finite, which JSON cannot represent."""
    return json.dumps(message, allow_nan=False).encode()


def _memory() -> int:
    """The bytes of address space that this process may use."""
    return resource.getrlimit(resource.RLIMIT_AS)[0]
