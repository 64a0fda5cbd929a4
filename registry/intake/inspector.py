"""The service's side of an inspection: hands over the artifact and reads the results as data."""

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from registry.confinement.channel import Deadline, MessageRefused
from registry.confinement.limits import MAX_MEMORY, Limits
from registry.confinement.spawner import Confined, Spawner, SpawnFailed
from registry.engines.model_process import ONNX_MEMORY, ModelProcess
from registry.engines.process_memory import ProcessMemory
from registry.errors import (
    ArtifactRefused,
    IntakeBusy,
    IntakeUnavailable,
    ModelProcessUnavailable,
)
from registry.formats.reading import BOOSTERS, Format
from registry.intake.forms import Content, Form, check_form, receive_form
from registry.intake.messages import (
    MAX_ENGINE,
    MAX_FACTS,
    Facts,
    Job,
    read_compilation,
    read_facts,
)
from registry.signature import Record, Signature

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60
"""Limit of an inspection, of processor time and of elapsed time."""
ONNX_SECONDS = 20
"""The same for an ONNX file, which is not converted: it is loaded and predicts a few rows."""
AT_ONCE = 4
"""Artifacts that one worker inspects at the same time."""
WAIT_SECONDS = 20.0
"""How long an upload waits for its turn."""
MODULES = (
    "registry.intake.child",
    "registry.formats.skops_format",
    "encodings.cp437",
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
"""What an inspection imports."""

_ENTRY = "registry.intake.child:answer"
_NICENESS = 3
"""Predictions have priority, but on a busy machine an inspection still ends in time."""
_AS_UPLOADED = {
    "name": "onnxruntime",
    "reason": "An uploaded ONNX file is served by ONNX Runtime in a confined process.",
}
"""The engine of every ONNX file."""
_INVALID = "The artifact could not be inspected: its process sent an invalid message."


class Inspection(Facts, frozen=True, kw_only=True):
    """``engine``: as a version shows it; ``compiled``: the bytes of each form by its name."""

    engine: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "scikit-learn"})
    compiled: dict[str, Content] = {}


class Inspector:
    """Has each artifact inspected in a confined process, ``at_once`` of them at a time.

    Safe to call from several threads. ``timeout``: seconds for an artifact; ``wait``: for a turn.
    ``memory`` limits the process that will serve an ONNX file.
    """

    def __init__(
        self,
        timeout: int = TIMEOUT_SECONDS,
        *,
        spawner: Spawner,
        at_once: int = AT_ONCE,
        wait: float = WAIT_SECONDS,
        memory: ProcessMemory | None = None,
        entry: str = _ENTRY,
    ) -> None:
        self._timeout = timeout
        self._spawner = spawner
        self._turns = threading.BoundedSemaphore(at_once)
        self._wait = wait
        self._memory = ProcessMemory() if memory is None else memory
        self._entry = entry

    def inspect(
        self, path: Path, format_: Format, declared: Mapping[str, Any]
    ) -> tuple[Inspection, Signature]:
        """Inspect the artifact at ``path`` in a process of its own.

        The compiled forms are kept in unnamed files in the folder of ``path``.

        Raises ArtifactRefused or MetadataRefused as the inspection decided, ArtifactRefused where
        the process that would serve an ONNX file holds too much memory, IntakeBusy where too many
        artifacts are being inspected, IntakeUnavailable where no process starts, StorageFull.
        """
        job = Job(format_, dict(declared))
        if not self._turns.acquire(timeout=self._wait):
            raise IntakeBusy
        try:
            with path.open("rb") as file:
                try:
                    return self._inspect(file, job)
                except SpawnFailed:
                    # The zygote may have been killed; the second attempt starts a new one.
                    return self._inspect(file, job)
        # OSError where no more files can be opened
        except (SpawnFailed, ModelProcessUnavailable, OSError) as error:
            logger.warning("an upload cannot be inspected: %s", error)
            raise IntakeUnavailable from error
        finally:
            self._turns.release()

    def _inspect(self, file: BinaryIO, job: Job) -> tuple[Inspection, Signature]:
        file.seek(0)
        is_onnx = job.format == "onnx"
        work = "Loading and running the ONNX file" if is_onnx else "Its inspection"
        seconds = min(self._timeout, ONNX_SECONDS) if is_onnx else self._timeout
        memory = ONNX_MEMORY if is_onnx else MAX_MEMORY
        limits = Limits(cpu_seconds=seconds, memory=memory, niceness=_NICENESS)
        engine: dict[str, Any] = {**_AS_UPLOADED}
        compiled: dict[str, Content] = {}
        with self._spawner.spawn(self._entry, limits, [file.fileno()]) as process:
            deadline = Deadline(seconds)
            try:
                with suppress(ConnectionError):  # it has ended, which receive reports
                    process.send(deadline, msgspec.json.encode(job))
                message = process.receive(MAX_FACTS, deadline)
                if message is None:
                    raise ArtifactRefused(f"{work} ended without a result ({process.ended()}).")
                facts, signature = read_facts(message)
                if not is_onnx:  # no compiled form is accepted for an ONNX file
                    engine, compiled = self._compiled(process, Path(file.name).parent, deadline)
            except TimeoutError as error:
                raise ArtifactRefused(f"{work} took over {seconds} s.") from error
            except (MessageRefused, msgspec.MsgspecError, ValueError) as error:
                raise ArtifactRefused(_INVALID) from error
        if job.format in BOOSTERS and not compiled:
            raise ArtifactRefused(f"Its compilation failed: {engine.get('reason', 'no result')}")
        if is_onnx:
            example = job.declared.get("input_example") or facts.input_example
            self._check_memory(file, signature, example)
        found = msgspec.structs.asdict(facts)
        return Inspection(**found, engine=engine, compiled=compiled), signature

    def _compiled(
        self, process: Confined, folder: Path, deadline: Deadline
    ) -> tuple[dict[str, Any], dict[str, Content]]:
        """The engine, as a version shows it, and the compiled forms.

        The facts of a model whose process ends while it compiles are known: scikit-learn serves it.
        """
        forms: dict[Form, Content] = {}
        try:
            message = process.receive(MAX_ENGINE, deadline)
            if message is not None:
                result = read_compilation(message)
                for form in result.compiled:
                    content = receive_form(process, form, folder, deadline)
                    if content is None:
                        break
                    forms[form] = content
                else:
                    for form, received in forms.items():
                        check_form(form, received)
                    named = {str(form): received for form, received in forms.items()}
                    return msgspec.to_builtins(result.engine), named
            reason = f"ended without a result ({process.ended()})"
        except TimeoutError:
            reason = f"took over {self._timeout} s"
        return {"name": "scikit-learn", "reason": f"Its compilation {reason}."}, {}

    def _check_memory(self, file: BinaryIO, signature: Signature, example: Record | None) -> None:
        """Load an ONNX file once as it will be served. Raises ArtifactRefused where that takes too
        much memory, ModelProcessUnavailable."""

        def opened() -> BinaryIO:
            return Path(file.name).open("rb")

        ModelProcess(self._spawner, opened, "onnx", signature, example, memory=self._memory).close()
