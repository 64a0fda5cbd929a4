"""The service's side of the intake: hands an artifact over and reads the answer as data."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from registry.confinement.channel import Deadline, MessageRefused
from registry.confinement.limits import Limits
from registry.confinement.spawner import Confined, Spawner, SpawnFailed
from registry.engines.model_process import ONNX_MEMORY, ModelProcess
from registry.engines.process_memory import ProcessMemory
from registry.errors import (
    ArtifactRefused,
    IntakeBusy,
    IntakeUnavailable,
    ModelProcessUnavailable,
)
from registry.formats.reading import Format
from registry.intake.forms import Content, check_form, receive_form
from registry.intake.messages import (
    MAX_ENGINE,
    MAX_FACTS,
    Compilation,
    Facts,
    Job,
    ScikitLearn,
    read_compilation,
    read_facts,
)
from registry.signature import Record, Signature

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60
"""What the intake gives an artifact, of processor time and on the clock."""
ONNX_SECONDS = 20
"""The same for an ONNX file, which is not converted: it is loaded and answers a few rows."""
AT_ONCE = 4
"""Artifacts that are inspected at the same time, by one worker."""
WAIT_SECONDS = 20.0
"""How long an upload waits for its turn."""
MODULES = (
    "registry.intake.child",
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
"""Predictions go first, but not so far that a busy machine lets an inspection run out of time."""
_AS_UPLOADED = {
    "name": "onnxruntime",
    "reason": "An uploaded ONNX file is answered by ONNX Runtime in a confined process.",
}
"""The engine of every ONNX file."""
_UNSOUND = "The artifact could not be inspected: no sound answer."


class Inspection(Facts, frozen=True, kw_only=True):
    """``engine``: what serves it, as a version shows it; ``compiled``: the bytes of its forms."""

    engine: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "scikit-learn"})
    compiled: dict[str, Content] = {}


class Inspector:
    """Has each artifact inspected in a confined process, some of them at a time.

    Safe to call from several threads. ``timeout``: seconds for an artifact; ``wait``: for a turn.
    ``memory`` limits what the process holds that will answer for an ONNX file. Without a
    ``spawner`` it has one of its own.
    """

    def __init__(
        self,
        timeout: int = TIMEOUT_SECONDS,
        *,
        spawner: Spawner | None = None,
        at_once: int = AT_ONCE,
        wait: float = WAIT_SECONDS,
        memory: ProcessMemory | None = None,
        entry: str = _ENTRY,
    ) -> None:
        self._timeout = timeout
        self._own = spawner is None
        self._spawner = Spawner(MODULES) if spawner is None else spawner
        self._turns = threading.BoundedSemaphore(at_once)
        self._wait = wait
        self._memory = ProcessMemory() if memory is None else memory
        self._entry = entry

    def inspect(
        self, path: Path, format_: Format, declared: Mapping[str, Any]
    ) -> tuple[Inspection, Signature]:
        """Inspect the artifact at ``path`` in a process of its own.

        What is compiled is kept in files without names beside ``path``.

        Raises ArtifactRefused or MetadataRefused as that decided, ArtifactRefused where the process
        that is to answer for an ONNX file holds too much memory, IntakeBusy where too many are
        inspected just now, IntakeUnavailable where no such process starts, StorageFull.
        """
        job = Job(format_, dict(declared))
        try:
            with self._turn(), path.open("rb") as file:
                inspected = self._inspected_onnx if format_ == "onnx" else self._inspected
                try:
                    return inspected(file, job)
                except SpawnFailed:
                    # Somebody killed the zygote, maybe. Asking a new one changes nothing.
                    return inspected(file, job)
        # OSError where no files are left to open
        except (SpawnFailed, ModelProcessUnavailable, OSError) as error:
            logger.warning("an upload cannot be inspected: %s", error)
            raise IntakeUnavailable from error

    def close(self) -> None:
        """End the processes that are its own."""
        if self._own:
            self._spawner.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._wait):
            raise IntakeBusy
        try:
            yield
        finally:
            self._turns.release()

    def _inspected(self, file: BinaryIO, job: Job) -> tuple[Inspection, Signature]:
        file.seek(0)
        limits = Limits(cpu_seconds=self._timeout, niceness=_NICENESS)
        with self._spawner.spawn(self._entry, limits, [file.fileno()]) as process:
            deadline = Deadline(self._timeout)
            try:
                facts, signature = read_facts(_first_answer(process, job, deadline))
                said, blobs = self._compiled(process, Path(file.name).parent, deadline)
                for form, content in zip(said.compiled, blobs, strict=True):
                    check_form(form, content)
            except TimeoutError as error:
                raise ArtifactRefused(f"Its inspection took over {self._timeout} s.") from error
            except _Ended as error:
                raise ArtifactRefused(
                    f"Its inspection ended without a result ({error})."
                ) from error
            except (MessageRefused, msgspec.MsgspecError, ValueError) as error:
                raise ArtifactRefused(_UNSOUND) from error
        inspection = Inspection(
            **msgspec.structs.asdict(facts),
            engine=msgspec.to_builtins(said.engine),
            compiled={str(name): blob for name, blob in zip(said.compiled, blobs, strict=True)},
        )
        return inspection, signature

    def _inspected_onnx(self, file: BinaryIO, job: Job) -> tuple[Inspection, Signature]:
        """The child's one answer: whatever it says, no compiled form is taken from it."""
        file.seek(0)
        seconds = min(self._timeout, ONNX_SECONDS)
        limits = Limits(cpu_seconds=seconds, memory=ONNX_MEMORY, niceness=_NICENESS)
        with self._spawner.spawn(self._entry, limits, [file.fileno()]) as process:
            deadline = Deadline(seconds)
            try:
                facts, signature = read_facts(_first_answer(process, job, deadline))
            except TimeoutError as error:
                raise ArtifactRefused(
                    f"The ONNX graph took over {seconds} s to load and answer its example."
                ) from error
            except _Ended as error:
                raise ArtifactRefused(
                    f"ONNX Runtime ended while it loaded or ran the file ({error})."
                ) from error
            except (MessageRefused, msgspec.MsgspecError, ValueError) as error:
                raise ArtifactRefused(_UNSOUND) from error
        example = job.declared.get("input_example") or facts.input_example
        self._check_memory(file, signature, example)
        return Inspection(**msgspec.structs.asdict(facts), engine=dict(_AS_UPLOADED)), signature

    def _check_memory(self, file: BinaryIO, signature: Signature, example: Record | None) -> None:
        """Load an ONNX file once as it will be served. Raises ArtifactRefused where that takes too
        much memory, ModelProcessUnavailable."""

        def opened() -> BinaryIO:
            return Path(file.name).open("rb")

        ModelProcess(self._spawner, opened, "onnx", signature, example, memory=self._memory).close()

    def _compiled(
        self, process: Confined, folder: Path, deadline: Deadline
    ) -> tuple[Compilation, list[memoryview]]:
        """The engine and the compiled forms.

        A process that dies while it compiles has said what the model is: scikit-learn serves it.
        """
        blobs: list[memoryview] = []
        try:
            engine = process.receive(MAX_ENGINE, deadline)
            if engine is not None:
                said = read_compilation(engine)
                for form in said.compiled:
                    blob = receive_form(process, form, folder, deadline)
                    if blob is None:
                        break
                    blobs.append(blob)
                else:
                    return said, blobs
            reason = f"ended without a result ({process.ended()})"
        except TimeoutError:
            reason = f"took over {self._timeout} s"
        return Compilation(ScikitLearn(f"Its compilation {reason}."), []), []


class _Ended(Exception):
    """The process has ended without an answer; the message says how."""


def _first_answer(process: Confined, job: Job, deadline: Deadline) -> bytearray:
    """Raises _Ended, TimeoutError, MessageRefused."""
    try:
        process.send(deadline, msgspec.json.encode(job))
        answer = process.receive(MAX_FACTS, deadline)
    except TimeoutError:
        raise
    except OSError:
        answer = None
    if answer is None:
        raise _Ended(process.ended())
    return answer
