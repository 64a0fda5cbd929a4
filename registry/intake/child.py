"""What runs in a confined process for each upload: reads the artifact, checks it, compiles it.

The job comes as one JSON message, the artifact as an open file. The answers are a message that says
what the model is, or why it is refused; then, since compiling may crash where inspecting did not,
one with the engine; then the compiled forms, in the order that the engine's message names them.
"""

import json
import os
from typing import Any

import msgspec

from registry.confinement.frames import Channel
from registry.confinement.limits import MAX_MEMORY
from registry.errors import ArtifactRefused, RegistryError
from registry.intake.answers import Job, check_facts, refusal
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect


def answer(channel: Channel, files: list[int]) -> None:
    """Inspect and compile the one artifact of ``files``, as the job on ``channel`` asks."""
    said = channel.receive()
    if said is None:
        return
    job = msgspec.json.decode(said, type=Job)
    try:
        with os.fdopen(files[0], "rb") as file:
            found = inspect(file, job.format, job.declared)
        facts = _encoded({"type": "inspected", **found.facts})
        check_facts(facts)
    except RegistryError as error:
        channel.send(refusal(error))
    except MemoryError:
        channel.send(refusal(ArtifactRefused(f"It needs more than {MAX_MEMORY} bytes.")))
    except Exception as error:  # noqa: BLE001 - whatever the file made the libraries raise
        channel.send(refusal(ArtifactRefused(f"{type(error).__name__}: {error}"[:500])))
    else:
        channel.send(facts)
        made = compile_model(found.model, found.signature, found.example)
        compilation = {"engine": made.engine, "compiled": list(made.blobs)}
        channel.send(_encoded(compilation), *made.blobs.values())


def _encoded(message: dict[str, Any]) -> bytes:
    """Raises ValueError where a number is not finite: JSON has none of those."""
    return json.dumps(message, allow_nan=False).encode()
