"""Rows a second of a file predicted to a file: in this process, over HTTP, and on Dask, in one run.

    python -m benchmarks.batches [--rows 1000000] [--port 9340] [--write]

Each predicts the same Parquet file with the housing forest to Parquet, with two threads, requests
or workers, and must write the same predictions. The memory is the peak of the process that reads
and writes, and of the largest worker of the service. ``--write`` replaces the section of
RESULTS.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import skops.io

from benchmarks.growth_report import place
from benchmarks.memory import forget_peak, peak_mb
from benchmarks.pipelines import TRAINING_ROWS, housing_like, train_housing
from benchmarks.service import TOKEN, Service, promote, running_service, upload

HEADING = "## Batches to a file"
ROWS = 1_000_000
GROUP = 250_000
PARALLEL = 2
RESULTS = Path(__file__).with_name("RESULTS.md")
RUN = """
import json, os, sys, time
from benchmarks.memory import peak_mb
from hotswap import Registry, predict_file
url, token, data, out, options = sys.argv[1:]
with Registry(url, token) as registry:
    began = time.perf_counter()
    predict_file(registry, "housing", data, out, **json.loads(options))
    print(json.dumps([time.perf_counter() - began, peak_mb(os.getpid())]))
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One way: seconds, and the peaks of memory in megabytes; None where there is no process."""

    way: str
    rows: int
    seconds: float
    reading_mb: float
    serving_mb: float | None


def write_rows(path: Path, rows: int) -> None:
    """Different rows like the housing data, in row groups of a quarter million."""
    writer = None
    for start in range(0, rows, GROUP):
        table, _ = housing_like(min(GROUP, rows - start), seed=start)
        made = pa.Table.from_pandas(table, preserve_index=False)
        writer = writer or pa.parquet.ParquetWriter(path, made.schema)
        writer.write_table(made)
    assert writer is not None
    writer.close()


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a Dask cluster of separate processes of one thread each."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=PARALLEL, threads_per_worker=1, dashboard_address=None) as started:
        yield started.scheduler_address


def predicted(
    way: str, service: Service, data: Path, out: Path, rows: int, **options: object
) -> Figures:
    """Predict in a process of its own, after the workers forgot their peaks."""
    for worker in service.workers():
        forget_peak(worker)
    done = subprocess.run(  # noqa: S603 - this module's own code
        [sys.executable, "-c", RUN, service.url, TOKEN, data, out, json.dumps(options)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, peak = json.loads(done.stdout)
    serving = max(peak_mb(worker) for worker in service.workers())
    return Figures(way, rows, seconds, peak, serving if way == "over HTTP" else None)


def plain(data: Path, model: object, rows: int) -> tuple[Figures, np.ndarray]:
    """scikit-learn on the first row group, for comparison and to check the predictions."""
    table = pa.parquet.ParquetFile(data).read_row_group(0).to_pandas()
    part = table[: min(rows, 50_000)]
    began = time.perf_counter()
    expected = model.predict(pd.DataFrame(part))  # type: ignore[attr-defined]
    seconds = time.perf_counter() - began
    return Figures("scikit-learn, one core", len(part), seconds, 0.0, None), expected


def section(found: list[Figures], rows: int) -> str:
    """The figures as Markdown."""
    lines = [
        HEADING,
        "",
        f"`python -m benchmarks.batches`: {rows:,} different rows of Parquet to Parquet with the "
        f"housing forest, {PARALLEL} at a time, on the same cores as the service. *Reading* is the "
        "peak memory of the process that reads and writes, *serving* that of the largest worker.",
        "",
        "| | rows/s | seconds | reading MB | serving MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        reading = f"{one.reading_mb:.0f}" if one.reading_mb else ""
        serving = "" if one.serving_mb is None else f"{one.serving_mb:.0f}"
        rate = one.rows / one.seconds
        lines.append(f"| {one.way} | {rate:,.0f} | {one.seconds:.1f} | {reading} | {serving} |")
    return "\n".join(lines) + "\n"


def measure(rows: int, port: int, folder: Path) -> list[Figures]:
    """Every way in turn. Raises SystemExit if a prediction differs from scikit-learn's."""
    model = train_housing(*housing_like(TRAINING_ROWS, seed=1))
    data = folder / "rows.parquet"
    write_rows(data, rows)
    reference, expected = plain(data, model, rows)
    with running_service(PARALLEL, port) as service:
        promote(service, "housing", upload(service, "housing", skops.io.dumps(model)))
        ways: dict[str, dict[str, object]] = {
            "in process": {"in_process": True, "in_flight": PARALLEL},
            "over HTTP": {"in_flight": PARALLEL},
        }
        found = [
            predicted(way, service, data, folder / f"{number}.parquet", rows, **options)
            for number, (way, options) in enumerate(ways.items())
        ]
        with cluster() as address:
            out = folder / "2.parquet"
            found.append(predicted("on Dask", service, data, out, rows, scheduler=address))
    outs = [(folder / f"{number}.parquet").read_bytes() for number in range(3)]
    some = pa.parquet.read_table(folder / "0.parquet")["prediction"].to_numpy()[: len(expected)]
    if len(set(outs)) != 1 or some.tobytes() != expected.tobytes():
        raise SystemExit("The predictions differ.")
    return [*found, reference]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--port", type=int, default=9340)
    parser.add_argument("--write", action="store_true", help="update RESULTS.md too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotswap-batches-") as folder:
        page = section(measure(given.rows, given.port, Path(folder)), given.rows)
    print(page)
    if given.write:
        RESULTS.write_text(place(RESULTS.read_text(), page))


if __name__ == "__main__":
    main()
