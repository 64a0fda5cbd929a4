"""Answers batches with an artifact as it was uploaded, in a confined process of its own.

The artifact is a scikit-learn model that has no compiled form, or an ONNX file. The worker hands it
over as an open file and never reads it itself. A process that dies is
started again; one that takes too long is killed first. It ends when nobody holds the predictor any
more, and with its worker.
"""

import json
import logging
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import UnsupportedOperation
from shutil import copyfileobj
from typing import BinaryIO

import msgspec

from registry.codecs.batch import Batch
from registry.codecs.predictions import Predictions
from registry.confinement.channel import Deadline, MessageRefused
from registry.confinement.limits import MAX_MEMORY, MEGABYTE, Limits
from registry.confinement.spawner import Confined, Spawner, SpawnFailed
from registry.engines.backoff import Backoff
from registry.engines.model_messages import (
    MAX_DETAIL,
    MAX_HEAD,
    Loaded,
    Refused,
    read_reply,
    write_request,
)
from registry.engines.process_memory import ProcessMemory
from registry.errors import (
    ArtifactRefused,
    ModelProcessUnavailable,
    PredictionRefused,
    PredictionTimedOut,
    printable,
)
from registry.formats.reading import Format
from registry.signature import Record, Signature

logger = logging.getLogger(__name__)

LOAD_SECONDS = 20.0
PREDICT_SECONDS = 20.0
"""What a batch may take, and how long one waits for those before it."""
WAITING = 11
"""Batches that wait for the one that is being answered."""
CPU_SECONDS = 3600
"""Of processor time; a process that has used it up is replaced like one that died."""
ONNX_MEMORY = min(2 * 2**30, MAX_MEMORY)
"""Bytes of addresses for an ONNX file and its largest batch; imports take half a gigabyte."""
MODULES = (
    "registry.engines.model_child",
    "joblib",
    "pandas",
    "skops.io",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
)
"""What such a process imports."""

_ENTRY = "registry.engines.model_child:serve"

OpenArtifact = Callable[[], BinaryIO]
"""Opens the verified artifact at its start; asked again for each start of the process."""


class _Died(Exception):
    """The process has ended; the message says how."""


class _Place:
    """Holds the process that runs now, so that it can be ended when the predictor is gone."""

    def __init__(self) -> None:
        self.process: Confined | None = None

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
            self.process = None


class ModelProcess:
    """A Predictor whose model is in a process that ``spawner`` starts. Safe for several threads.

    Batches are answered one after the other, each within ``seconds``. ``memory``: what the
    processes that share it may hold; one that holds too much after a batch is ended.
    ``input_example``: a row that the model answers, where it does not answer any of its signature.
    ``entry``: what the process runs.

    Starts it at once, and raises ArtifactRefused where the model cannot be loaded,
    ModelProcessUnavailable where no process can be started, and what ``open_artifact`` raises.
    """

    waits = True

    def __init__(
        self,
        spawner: Spawner,
        open_artifact: OpenArtifact,
        format_: Format,
        signature: Signature,
        input_example: Record | None = None,
        *,
        memory: ProcessMemory | None = None,
        seconds: float = PREDICT_SECONDS,
        entry: str = _ENTRY,
    ) -> None:
        self.signature = signature
        self._spawner = spawner
        self._open_artifact = open_artifact
        self._limits = limits_of(format_)
        self._load = json.dumps(
            {"format": format_, "signature": signature.to_json(), "input_example": input_example}
        ).encode()
        self._seconds = seconds
        self._entry = entry
        self._admitted = threading.BoundedSemaphore(1 + WAITING)
        self._memory = ProcessMemory() if memory is None else memory
        self._turn = threading.Lock()
        self._backoff = Backoff()
        self._place = _Place()
        weakref.finalize(self, self._place.close)
        self.has_probabilities = self._start()

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """Raises PredictionRefused where the model has no answer for this input, PredictionTimedOut
        where it takes over ``seconds``.

        Raises ModelProcessUnavailable where too many wait, or the process has died too often; and
        what starting it raises.
        """
        question = write_request(batch, self.signature, probabilities=probabilities)
        with self._next():
            try:
                return self._answered(question, batch.rows, shares=probabilities)
            except _Died:
                pass  # by whatever cause: once more, in a new process
            try:
                return self._answered(question, batch.rows, shares=probabilities)
            except _Died as death:
                raise PredictionRefused(
                    f"The model's process ended twice while it answered ({death})."
                ) from death

    @property
    def is_running(self) -> bool:
        """Whether it has a process now; a request starts one where it has none."""
        return self._place.process is not None

    def end_if_idle(self) -> bool:
        """End the process unless it is answering; whether that was done."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            self.close()
        finally:
            self._turn.release()
        return True

    def close(self) -> None:
        """End the process."""
        self._place.close()
        self._memory.forget(self)

    @contextmanager
    def _next(self) -> Iterator[None]:
        """Wait until it is this thread's turn."""
        if not self._admitted.acquire(blocking=False):
            raise ModelProcessUnavailable("too many requests wait for it")
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise ModelProcessUnavailable("it is still busy with other requests")
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._admitted.release()

    def _answered(self, question: list[bytes], rows: int, *, shares: bool) -> Predictions:
        """Raises _Died."""
        if self._place.process is None:
            self._start()
        process = self._place.process
        assert process is not None  # noqa: S101 - what ``_start`` is for
        deadline = Deadline(self._seconds)
        try:
            process.send(deadline, *question)
            try:
                return read_reply(
                    lambda limit: _next_message(process, limit, deadline),
                    self.signature,
                    rows,
                    shares=shares,
                )
            finally:
                self._count_memory(process)
        except PredictionRefused:
            raise
        except TimeoutError as error:
            self._stop()
            raise PredictionTimedOut(self._seconds, rows) from error
        except (OSError, _Died) as error:
            try:
                how = self._end(process)
            except SpawnFailed as failed:
                how = str(failed)
            raise _Died(how) from error
        except (MessageRefused, ValueError) as error:
            self._stop()
            raise PredictionRefused("The model's process gave no sound answer.") from error

    def _start(self) -> bool:
        """Start the process and have it load the model; whether that has probabilities."""
        if wait := self._backoff.remaining_seconds():
            raise ModelProcessUnavailable(
                f"it ended again and again; the next try is in {wait:.0f} s"
            )
        with self._open_artifact() as file:
            self._place.process = process = self._spawned(file)
        deadline = Deadline(LOAD_SECONDS)
        try:
            process.send(deadline, self._load)
            said = msgspec.json.decode(
                _next_message(process, MAX_HEAD, deadline), type=Loaded | Refused
            )
        except TimeoutError as error:
            self._stop()
            raise ArtifactRefused(f"Its loading took over {LOAD_SECONDS:g} s.") from error
        except (OSError, _Died) as error:
            try:
                how = self._end(process)
            except SpawnFailed as failed:
                raise ModelProcessUnavailable(str(failed)) from error
            raise ArtifactRefused(f"Its process ended while it loaded ({how}).") from error
        except (MessageRefused, ValueError) as error:
            self._stop()
            raise ArtifactRefused("Its process gave no sound answer.") from error
        if isinstance(said, Refused):
            self._place.close()
            raise ArtifactRefused(printable(said.detail, MAX_DETAIL))
        if (held := process.memory()) > self._memory.each:
            self.close()
            raise ArtifactRefused(
                f"Its process holds {held // MEGABYTE} MiB of memory once it is loaded, where "
                f"{self._memory.each // MEGABYTE} are allowed (HOTSWAP_MODEL_PROCESS_MB)."
            )
        self._memory.count(self, held)
        return said.has_probabilities and self.signature.output.classes is not None

    def _spawned(self, file: BinaryIO) -> Confined:
        try:
            with _with_descriptor(file) as descriptor:
                return self._spawner.spawn(self._entry, self._limits, [descriptor])
        except SpawnFailed as error:
            raise ModelProcessUnavailable(f"it cannot be started: {error}") from error

    def _count_memory(self, process: Confined) -> None:
        """End the process where it holds more than it may; the next request starts it again."""
        held = process.memory()
        if held > self._memory.each:
            logger.info("ended a model's process that held %d MiB", held // MEGABYTE)
            self.close()
        else:
            self._memory.count(self, held)

    def _stop(self) -> None:
        """End the process and count it as a death."""
        self.close()
        self._backoff.record_failure()

    def _end(self, process: Confined) -> str:
        """The same, and say how it ended. Raises SpawnFailed."""
        self._place.process = None
        self._memory.forget(self)
        self._backoff.record_failure()
        with process:
            return process.ended()


def limits_of(format_: Format) -> Limits:
    """What the process that answers for an artifact of this format may use."""
    if format_ == "onnx":
        return Limits(cpu_seconds=CPU_SECONDS, memory=ONNX_MEMORY)
    return Limits(cpu_seconds=CPU_SECONDS)


@contextmanager
def _with_descriptor(file: BinaryIO) -> Iterator[int]:
    """An open file of the system with what is in ``file``, which may be none."""
    try:
        descriptor = file.fileno()
    except UnsupportedOperation:
        with tempfile.TemporaryFile() as copy:
            copyfileobj(file, copy)
            copy.seek(0)
            yield copy.fileno()
    else:
        yield descriptor


def _next_message(process: Confined, limit: int, deadline: Deadline) -> bytearray:
    message = process.receive(limit, deadline)
    if message is None:
        raise _Died("no answer")
    return message
