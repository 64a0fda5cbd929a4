"""Predicts a file to a file: what is checked before, and what is done at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Event
from typing import Any

from hotswap.errors import ClientError, FileRefused, UnfinishedRun
from hotswap.files.cluster import run_on_cluster
from hotswap.files.folder import PartsFolder
from hotswap.files.formats import FileType, Format, file_type
from hotswap.files.output import Output, answer_columns, output_of
from hotswap.files.places import identity, located
from hotswap.files.rows import CHUNK_ROWS, SPAN_ROWS, Source, Span
from hotswap.files.tables import TableSource
from hotswap.files.text import BLOCK, TextSource
from hotswap.files.work import Progress, Service, Work, run_here
from hotswap.operations.service import Reference
from hotswap.registry import Registry
from hotswap.replies import Version
from hotswap.retries import Retries
from hotswap.scorer import Scorer, scorer_of

IN_FLIGHT = 3
PATIENT = Retries(attempts=10, first_wait=0.5, longest_wait=30.0)
"""A run of hours outlives a restart of the service: the waits add up to at most 122 s."""
ALL = "*"


@dataclass(frozen=True, slots=True)
class PredictedFile:
    """A finished output: its rows, and the version that predicted all of them."""

    out: str
    model: str
    version: int
    rows: int


def predict_file(  # noqa: PLR0913 - each is an option of the command
    registry: Registry,
    name: str,
    data: str,
    out: str,
    *,
    version: Reference | None = None,
    keep: Sequence[str] = (),
    probabilities: bool = False,
    scores: bool = False,
    resume: bool = False,
    in_flight: int = IN_FLIGHT,
    in_process: bool = False,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> PredictedFile:
    """Predict each row of the file ``data`` to the file ``out``, in chunks, in constant memory.

    The formats follow from the endings: CSV, JSON lines, Parquet, Arrow. ``version`` is
    ``production`` by default; the number of an alias is looked up once. ``keep`` names columns of
    the input to write beside the predictions, ``*`` all. Parts are written to the folder
    ``<out>.parts`` and joined at the end; ``resume`` continues an unfinished run of the same input,
    version and options, and gives the bytes that one run would have given.

    ``in_flight`` chunks are sent at a time. ``in_process`` predicts here, with a scorer, instead of
    by requests; ``scheduler`` is the address of a Dask cluster whose workers do so. Then both
    paths may be URLs that fsspec opens, and must be visible to the workers.

    Raises FileRefused, UnfinishedRun, NotCompiled, ClusterFailed, OSError, and what
    ``Registry.predict`` raises, with the row numbers of the file.
    """
    source_path, folder = located(data), PartsFolder(located(out))
    if source_path == folder.out:
        raise FileRefused("The output must be another file than the input.")
    found = _pinned(registry, name, version or "production", folder, resume=resume)
    plan = _planned(
        source_path, folder.out, found, keep, probabilities=probabilities, scores=scores
    )
    elsewhere = in_process or scheduler is not None
    before = identity(source_path)
    with folder.lock(), folder.discarded_if_empty():
        folder = folder.begin(
            {
                **{f"the input's {key}": value for key, value in before.items()},
                **plan.described(),
                "the requested version": version or "production",
                "predicted by": "scorers" if elsewhere else "the service",
            },
            resume=resume,
        )
        stopped = Event()
        predict = (
            _scorer(registry, found).predict if elsewhere else _service(registry, found, stopped)
        )
        work = Work(predict, plan.output, folder, plan.names)
        done, show = folder.done(), progress or _silent
        spans = _Counted(plan.spans())
        if scheduler is not None:
            run_on_cluster(scheduler, work, iter(spans), done, show)
        else:
            run_here(work, spans, done, in_flight, show, stopped=stopped)
        folder.join(plan.output, spans.chunks)
        if identity(source_path) != before:
            raise UnfinishedRun(f"{data} was changed while it was read: delete {folder.path}.")
        folder.finish()
    return PredictedFile(folder.out, name, found["version"], spans.rows)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is read, predicted and written. ``names``: the columns of predictions."""

    source: Source
    version: Version
    kept: tuple[str, ...]
    names: tuple[str, ...]
    kind: FileType
    output: Output

    def spans(self) -> Iterator[Span]:
        wanted = [column["name"] for column in self.version["signature"]["inputs"]]
        return self.source.spans(wanted, self.kept)

    def described(self) -> dict[str, Any]:
        return {
            "the model": self.version["model"],
            "the version": self.version["version"],
            "the artifact": self.version["artifact"]["sha256"],
            "the columns": [*self.kept, *self.names],
            "the output's type": [self.kind.format.value, self.kind.gzip],
            "the writer": self.output.writer,
            "the size of chunks": [CHUNK_ROWS, SPAN_ROWS, BLOCK],
        }


def _planned(
    source_path: str,
    out: str,
    version: Version,
    keep: Sequence[str],
    *,
    probabilities: bool,
    scores: bool,
) -> _Plan:
    """Raises FileRefused, OSError."""
    source_kind, kind = file_type(source_path), file_type(out)
    source: Source
    if source_kind.format.is_text:
        source = TextSource(source_path, source_kind)
    else:
        source = TableSource(source_path, source_kind.format)
    signature = version["signature"]
    names = answer_columns(signature, probabilities=probabilities, scores=scores)
    if probabilities and len(names) == 1:
        raise FileRefused(f"Version {version['version']} has no classes, so no probabilities.")
    if scores and signature["output"].get("classes") != [-1, 1]:
        raise FileRefused(f"Version {version['version']} detects no outliers, so has no scores.")
    kept = list(source.columns) if ALL in keep else list(dict.fromkeys(keep))
    # The keys of JSON lines may differ from row to row; the service checks them.
    if source_kind.format is not Format.JSON_LINES:
        wanted = dict.fromkeys([*(column["name"] for column in signature["inputs"]), *kept])
        if missing := [name for name in wanted if name not in source.columns]:
            raise FileRefused(f"The input has no columns {', '.join(map(repr, missing))}.")
    if taken := sorted(set(kept) & set(names)):
        raise FileRefused(
            f"The output has columns of predictions named {', '.join(taken)}: do not keep these."
        )
    types = kept if kind.format.is_text else source.kept_types(kept)
    output = output_of(kind, types, names, signature)
    return _Plan(source, version, tuple(kept), tuple(names), kind, output)


class _Counted:
    """Iterates over spans once, and counts their chunks and rows."""

    def __init__(self, spans: Iterator[Span]) -> None:
        self._spans = spans
        self.chunks = self.rows = 0

    def __iter__(self) -> Iterator[Span]:
        for span in self._spans:
            self.chunks += span.chunks
            self.rows += span.count
            yield span


def _pinned(
    registry: Registry, name: str, wanted: Reference, folder: PartsFolder, *, resume: bool
) -> Version:
    """The version that predicts all rows: that of the unfinished run if it had the same alias."""
    before = folder.description() if resume else None
    if before is not None and before.get("the requested version") == wanted:
        wanted = before.get("the version", wanted)
    return registry.version(name, wanted)


def _scorer(registry: Registry, version: Version) -> Scorer:
    """Raises NotCompiled."""
    compiled = registry.compiled(version["model"], version["version"])
    return scorer_of(compiled, registry.url, registry.token)


def _service(registry: Registry, version: Version, stopped: Event) -> Service:
    """``stopped`` ends the waits between attempts."""

    def pause(seconds: float, error: ClientError) -> None:
        if stopped.wait(seconds):
            raise error

    retries = replace(PATIENT, pause=pause)
    return Service(
        lambda: registry.with_retries(retries),
        version["model"],
        version["version"],
        SimpleQueue(),
    )


def _silent(rows: int, end: float, *, resumed: bool) -> None:
    """Show nothing."""
