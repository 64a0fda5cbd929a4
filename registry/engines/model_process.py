"""Predicts with an artifact as it was uploaded, in a confined process.

The artifact is a scikit-learn model without a compiled form, or an ONNX file. The worker passes it
to the process as an open file and never reads it itself. A process that ended is started again; one
that takes too long is killed first. The process ends with the predictor, and with its worker.
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
    Required,
    read_reply,
    write_request,
)
from registry.engines.predictor import Predict
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
"""The time limit of a batch, and of its wait for earlier batches."""
WAITING = 11
"""Batches that may wait for the current one."""
CPU_SECONDS = 3600
"""The limit of processor time; a process that reaches it ends and is started again."""
ONNX_MEMORY = min(2 * 2**30, MAX_MEMORY)
"""Bytes of address space for an ONNX file and its largest batch; imports take half a gigabyte."""
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
"""The imports of such a process."""

_ENTRY = "registry.engines.model_child:serve"

OpenArtifact = Callable[[], BinaryIO]
"""Opens the verified artifact; called for each start of the process."""


class _Ended(Exception):
    """The process has ended; the message says how."""


class _Current:
    """Holds the current process, so that it can be ended after the predictor is deleted."""

    def __init__(self) -> None:
        self.process: Confined | None = None

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
            self.process = None


class ModelProcess:
    """A Predictor whose model is in a process that ``spawner`` starts. Safe for several threads.

    It processes one batch at a time, each within ``seconds``. ``memory``: the limits of all
    processes that share it; a process above its limit after a batch is ended. ``input_example``: a
    row that the model accepts, if it may refuse one made from its signature. ``entry``: the
    function that the process runs.

    Starts the process. Raises ArtifactRefused where the model cannot be loaded,
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
        self._current = _Current()
        weakref.finalize(self, self._current.close)
        loaded = self._start()
        has_labels = signature.output.classes is not None and signature.output.size is None
        self.has_probabilities = loaded.has_probabilities and has_labels
        self._has_scores = loaded.has_scores and has_labels

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Predictions:
        """As in `Predictor`; starts the process if it has ended.

        Raises ModelProcessUnavailable where too many batches wait or the process has ended too
        often, and what starting it raises.
        """
        return self._answer(batch, Required(batch.rows, probabilities=probabilities))

    @property
    def scored(self) -> Predict | None:
        """As in `Predictor`; it starts the process and raises as ``predict`` does."""
        return self._with_scores if self._has_scores else None

    def _with_scores(self, batch: Batch) -> Predictions:
        return self._answer(batch, Required(batch.rows, scores=True))

    def _answer(self, batch: Batch, required: Required) -> Predictions:
        request = write_request(batch, self.signature, required)
        with self._next():
            try:
                return self._predict_once(request, required)
            except _Ended:
                pass  # perhaps not because of this batch: try once more, in a new process
            try:
                return self._predict_once(request, required)
            except _Ended as end:
                raise PredictionRefused(
                    f"The model process ended twice during this prediction ({end})."
                ) from end

    @property
    def is_running(self) -> bool:
        """Whether it has a process; if not, the next request starts one."""
        return self._current.process is not None

    def end_if_idle(self) -> bool:
        """End the process unless it is busy. Returns whether it was ended."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            self.close()
        finally:
            self._turn.release()
        return True

    def close(self) -> None:
        """End the process."""
        self._current.close()
        self._memory.forget(self)

    @contextmanager
    def _next(self) -> Iterator[None]:
        """Wait until it is this thread's turn."""
        if not self._admitted.acquire(blocking=False):
            raise ModelProcessUnavailable("too many requests are waiting for it", overloaded=True)
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise ModelProcessUnavailable(
                    "it is still busy with other requests", overloaded=True
                )
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._admitted.release()

    def _predict_once(self, request: list[bytes], required: Required) -> Predictions:
        """Raises _Ended."""
        if self._current.process is None:
            self._start()
        process = self._current.process
        assert process is not None  # noqa: S101 - ``_start`` sets it
        deadline = Deadline(self._seconds)
        try:
            process.send(deadline, *request)
            try:
                return read_reply(
                    lambda limit: _next_message(process, limit, deadline),
                    self.signature,
                    required,
                )
            finally:
                self._count_memory(process)
        except PredictionRefused:
            raise
        except TimeoutError as error:
            self._stop()
            raise PredictionTimedOut(self._seconds, required.rows) from error
        except (OSError, _Ended) as error:
            try:
                how = self._end(process)
            except SpawnFailed as failed:
                how = str(failed)
            raise _Ended(how) from error
        except (MessageRefused, ValueError) as error:
            self._stop()
            raise PredictionRefused("The model process sent a malformed reply.") from error

    def _start(self) -> Loaded:
        """Start the process and load the model. Returns what the process says of the model."""
        if wait := self._backoff.remaining_seconds():
            raise ModelProcessUnavailable(f"it ended repeatedly; the next try is in {wait:.0f} s")
        with self._open_artifact() as file:
            self._current.process = process = self._spawned(file)
        deadline = Deadline(LOAD_SECONDS)
        try:
            process.send(deadline, self._load)
            reply = msgspec.json.decode(
                _next_message(process, MAX_HEAD, deadline), type=Loaded | Refused
            )
        except TimeoutError as error:
            self._stop()
            raise ArtifactRefused(f"Loading it took over {LOAD_SECONDS:g} s.") from error
        except (OSError, _Ended) as error:
            try:
                how = self._end(process)
            except SpawnFailed as failed:
                raise ModelProcessUnavailable(str(failed)) from error
            raise ArtifactRefused(f"Its process ended while it loaded ({how}).") from error
        except (MessageRefused, ValueError) as error:
            self._stop()
            raise ArtifactRefused("Its process sent a malformed reply.") from error
        if isinstance(reply, Refused):
            self._current.close()
            raise ArtifactRefused(printable(reply.detail, MAX_DETAIL))
        if (held := process.memory()) > self._memory.each:
            self.close()
            raise ArtifactRefused(
                f"Its process holds {held // MEGABYTE} MiB of memory after loading; at most "
                f"{self._memory.each // MEGABYTE} are allowed (HOTSWAP_MODEL_PROCESS_MB)."
            )
        self._memory.count(self, held)
        return reply

    def _spawned(self, file: BinaryIO) -> Confined:
        try:
            with _with_descriptor(file) as descriptor:
                return self._spawner.spawn(self._entry, self._limits, [descriptor])
        except SpawnFailed as error:
            raise ModelProcessUnavailable(f"it cannot be started: {error}") from error

    def _count_memory(self, process: Confined) -> None:
        """End the process if it is above its limit; the next request starts it again."""
        held = process.memory()
        if held > self._memory.each:
            logger.info("ended a model process that held %d MiB", held // MEGABYTE)
            self.close()
        else:
            self._memory.count(self, held)

    def _stop(self) -> None:
        """End the process and count it as a failure."""
        self.close()
        self._backoff.record_failure()

    def _end(self, process: Confined) -> str:
        """As ``_stop``, for a process that has ended; returns how. Raises SpawnFailed."""
        self._current.process = None
        self._memory.forget(self)
        self._backoff.record_failure()
        with process:
            return process.ended()


def limits_of(format_: Format) -> Limits:
    """The limits of the model process for an artifact of this format."""
    if format_ == "onnx":
        return Limits(cpu_seconds=CPU_SECONDS, memory=ONNX_MEMORY)
    return Limits(cpu_seconds=CPU_SECONDS)


@contextmanager
def _with_descriptor(file: BinaryIO) -> Iterator[int]:
    """A file descriptor with the content of ``file``, which may have none of its own."""
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
        raise _Ended("no reply")
    return message
