"""Compares a small registry with a large one in one run.

    python -m benchmarks.growth [--models 1000] [--versions 100] [--events 300] [--rounds 100]

Fills both (see ``benchmarks.growth_registry``), starts a service with two workers on each, and
performs the same operations on them in turn. Prints every figure of both, and their ratio.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from sqlalchemy import event

from api.services import Services
from benchmarks.growth_registry import Size, fill, name_of, small_model
from benchmarks.growth_report import Figure, place, render
from benchmarks.service import TOKEN, Service, call, running_service, upload
from config import Settings

RESULTS = Path(__file__).with_name("RESULTS.md")
SMALL_MODELS = 2
WORKERS = 2
_READY_IN_A_ROW = 12
"""Consecutive connections, each to any of the workers, that must find their worker ready."""
_ROW = json.dumps({f"x{column}": float(column) for column in range(4)}).encode()
_JSON = {"Content-Type": "application/json"}
LISTS = {
    "list of models": "/models",
    "list of models with what is live": "/models?include=live",
    "list of versions": "/models/{model}/versions",
    "list of versions by status": "/models/{model}/versions?status=ready",
    "list of versions by metric": "/models/{model}/versions?sort=-metrics.rmse",
    "history": "/models/{model}/history",
}


class Subject:
    """A service under measurement, a connection that writes and one that predicts.

    ``seconds`` contains the measured times by name.
    """

    def __init__(self, service: Service, size: Size) -> None:
        self.service, self.size = service, size
        self.model = name_of(1)
        self.writer, self.reader = service.connect(), service.connect()
        self.seconds: dict[str, list[float]] = {}

    def close(self) -> None:
        """Close the connections."""
        self.writer.close()
        self.reader.close()

    def timed(self, what: str, action: Callable[[], object]) -> None:
        """Run ``action`` and record its duration."""
        began = time.perf_counter()
        action()
        self.seconds.setdefault(what, []).append(time.perf_counter() - began)

    def write(self, path: str, body: object = None) -> None:
        sent = b"" if body is None else json.dumps(body).encode()
        call(self.writer, "POST", path, sent, _JSON if sent else {})

    def predict(self) -> None:
        call(self.reader, "POST", f"/models/{self.model}/predict", _ROW, _JSON)

    def get(self, path: str) -> None:
        call(self.writer, "GET", path.format(model=self.model))


def measure(
    small: Size, large: Size, *, rounds: int, uploads: int, ports: Sequence[int]
) -> list[Figure]:
    """Fill both registries and measure every figure, on a port for each."""
    with tempfile.TemporaryDirectory(prefix="hotswap-growth-") as folder:
        filled = []
        for size in (small, large):
            data = Path(folder) / str(size.models)
            began = time.monotonic()
            fill(data, size, TOKEN)
            _say(f"filled {size} in {time.monotonic() - began:.1f} s")
            filled.append((data, size, _statements_per_load(data)))
        return _measure_running(filled, rounds, uploads, ports)


def _measure_running(
    filled: list[tuple[Path, Size, float]], rounds: int, uploads: int, ports: Sequence[int]
) -> list[Figure]:
    (few, small, few_statements), (many, large, many_statements) = filled
    with (
        running_service(WORKERS, ports[0], few) as one,
        running_service(WORKERS, ports[1], many) as other,
        closing(Subject(one, small)) as little,
        closing(Subject(other, large)) as much,
    ):
        subjects = [little, much]
        starts = [_seconds_to_ready(one), _seconds_to_ready(other)]
        _say(f"ready after {starts[0]:.1f} s and {starts[1]:.1f} s")
        for number in range(rounds + 1):
            for subject in subjects if number % 2 else reversed(subjects):
                _do_everything(subject)
            if not number:  # the first round fills caches
                for subject in subjects:
                    subject.seconds.clear()
        for subject in subjects * uploads:
            _upload(subject)
    return [
        Figure("start until every worker is ready", *starts, "s"),
        Figure("SQL statements for each version loaded", few_statements, many_statements, ""),
        *_medians(*subjects),
    ]


def _do_everything(subject: Subject) -> None:
    model, last = subject.model, subject.size.versions
    writes = {
        "promote": lambda: subject.write(f"/models/{model}/{last - 1}/promote"),
        "rollback": lambda: subject.write(f"/models/{model}/rollback"),
        "token creation": lambda: subject.write("/tokens", {"name": "x", "scopes": ["predict"]}),
    }
    for what, write in writes.items():
        subject.timed(what, write)
        subject.timed(f"first prediction after {what}", subject.predict)
    subject.timed("prediction", subject.predict)
    for what, path in LISTS.items():
        subject.timed(what, lambda path=path: subject.get(path))  # type: ignore[misc]


def _upload(subject: Subject) -> None:
    artifact = small_model(len(subject.seconds.get("upload", [])))
    subject.timed("upload", lambda: upload(subject.service, subject.model, artifact))
    # The service closes connections that are idle for ten seconds, and uploads may take that long.
    subject.reader.close()
    subject.reader.connect()
    subject.timed("first prediction after upload", subject.predict)


def _medians(small: Subject, large: Subject) -> Iterator[Figure]:
    for what, seconds in small.seconds.items():
        milliseconds = [median(s) * 1e3 for s in (seconds, large.seconds[what])]
        yield Figure(what, *milliseconds, "ms")


def _seconds_to_ready(service: Service) -> float:
    """Seconds from the start until every connection finds its worker ready."""
    began, ready = time.monotonic(), 0
    parts = urlsplit(service.url)
    while ready < _READY_IN_A_ROW:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        connection.request("GET", "/readyz")
        ready = ready + 1 if connection.getresponse().status == 200 else 0
        connection.close()
    return service.seconds_to_ready + time.monotonic() - began


def _statements_per_load(data: Path) -> float:
    """SQL statements for each version that a starting worker loads, measured without its server."""
    services = Services.build(Settings(data=data))
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(services.database.engine, "before_cursor_execute", count)
    try:
        live = services.watch.snapshot().live
        while live - services.pool.loaded.keys():
            time.sleep(0.01)
        return statements / len(live)
    finally:
        services.close()


def main() -> int:
    """Run the measurement; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=100, help="versions of each model")
    parser.add_argument("--events", type=int, default=300, help="events of each model")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--uploads", type=int, default=10)
    parser.add_argument("--port", type=int, default=8470, help="first of two ports")
    parser.add_argument("--write", action="store_true", help=f"update the table in {RESULTS.name}")
    arguments = parser.parse_args()
    small = Size(SMALL_MODELS, arguments.versions, arguments.events)
    large = Size(arguments.models, arguments.versions, arguments.events)
    figures = measure(
        small,
        large,
        rounds=arguments.rounds,
        uploads=arguments.uploads,
        ports=(arguments.port, arguments.port + 1),
    )
    section = render(small, large, figures)
    print(section)
    if arguments.write:
        RESULTS.write_text(place(RESULTS.read_text(), section))
    return 0 if all(figure.within_goal for figure in figures) else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
