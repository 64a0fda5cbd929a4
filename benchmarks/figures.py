"""The results of a benchmark run. ``asdict`` of a ``Run`` is written as JSON."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.engine import EngineFigures
from benchmarks.load import Load
from benchmarks.memory import Memory
from benchmarks.parity import Parity


@dataclass(slots=True)
class Measured:
    """One server under one workload: a load for each round, or the reason for a failure."""

    loads: list[Load] = field(default_factory=list)
    parity: Parity | None = None
    failure: str = ""

    @property
    def good(self) -> bool:
        """Whether it was timed without an error."""
        return bool(self.loads) and not self.wrong

    @property
    def wrong(self) -> str:
        """The error, empty if there was none."""
        return self.failure or next((load.wrong for load in self.loads if load.wrong), "")

    @property
    def per_second(self) -> float:
        """Requests a second, the median of the rounds."""
        return statistics.median(load.per_second for load in self.loads)

    @property
    def p50_ms(self) -> float:
        return statistics.median(load.p50_ms for load in self.loads)

    @property
    def p99_ms(self) -> float:
        return statistics.median(load.p99_ms for load in self.loads)


@dataclass(slots=True)
class ServerFigures:
    """One server: its workloads by name and its starts in seconds.

    ``memory`` was measured after the workloads that all servers share, ``memory_at_end`` after all
    workloads of this server, both in each round.
    """

    title: str
    workloads: dict[str, Measured] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    memory_at_end: list[Memory] = field(default_factory=list)
    failure: str = ""

    @property
    def start(self) -> float | None:
        """Seconds from start to ready, the median of all starts."""
        return statistics.median(self.starts) if self.starts else None

    @property
    def largest(self) -> Memory | None:
        """The memory after the shared workloads, in the round with the largest worker."""
        return max(self.memory, key=lambda one: one.worker, default=None)

    @property
    def largest_at_end(self) -> Memory | None:
        """The memory after all workloads, in the round with the largest worker."""
        return max(self.memory_at_end, key=lambda one: one.worker, default=None)


@dataclass(frozen=True, slots=True)
class LargeBatch:
    """One client sends 100,000 rows.

    Milliseconds of each call, and the worker's megabytes before the first, at its peak, and after.
    ``alone`` and ``beside`` are the latencies of single rows without and with such a client: median
    and 99th percentile, in milliseconds.
    """

    form: str
    rows: int
    body_bytes: int
    milliseconds: list[float]
    before_mb: float
    peak_mb: float
    after_mb: float
    unequal: int
    alone: tuple[float, float]
    beside: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ParallelBodies:
    """Large bodies sent to one worker at the same time: how many were answered and how many refused
    with 503, and the worker's megabytes before, at its peak, and after."""

    form: str
    body_bytes: int
    answered: int
    refused: int
    before_mb: float
    peak_mb: float
    after_mb: float


@dataclass(frozen=True, slots=True)
class ManyVersions:
    """Requests a second with few and with many versions loaded; a pair for each round."""

    few: int
    many: int
    models: int
    pairs: list[tuple[float, float]]
    worker_mb: float
    wrong: str = ""

    @property
    def ratio(self) -> float:
        """Many divided by few, the median of the rounds."""
        return statistics.median(many / few for few, many in self.pairs)


@dataclass(frozen=True, slots=True)
class Promotions:
    """Milliseconds of each promotion over HTTP, and the number of loaded versions and workers."""

    versions: int
    workers: int
    milliseconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[98]


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a measurement."""

    processor: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    load: float
    """The load average in the minute before the run; other load disturbs the measurement."""


@dataclass(frozen=True, slots=True)
class Method:
    """The parameters of a measurement."""

    seconds: int
    rounds: int
    warm_up_seconds: int
    connections: int
    server_core: int
    wrk_core: int


@dataclass(slots=True)
class Run:
    """The results of one run; parts that were not selected are None or missing."""

    date: str
    machine: Machine
    versions: Mapping[str, str]
    method: Method
    servers: dict[str, ServerFigures] = field(default_factory=dict)
    engine: EngineFigures | None = None
    large: list[LargeBatch] = field(default_factory=list)
    parallel: ParallelBodies | None = None
    many_versions: ManyVersions | None = None
    promotions: Promotions | None = None
    failures: dict[str, str] = field(default_factory=dict)
