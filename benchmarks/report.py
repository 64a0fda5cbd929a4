"""Writes a run as Markdown: targets, a comparison of the servers, the rest, and the method."""

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.engine import RATIOS
from benchmarks.figures import LargeBatch, Measured, ParallelBodies, Run, ServerFigures
from benchmarks.servers import OURS
from benchmarks.targets import TARGETS, Target, best_peer
from benchmarks.workloads import (
    BATCH_ROWS,
    HOUSING_BATCH,
    HOUSING_ROW,
    IRIS_ROW,
    OTHER_FORMS,
    PROTOCOL_ROWS,
)

ABSENT = "-"
COMPARED = (IRIS_ROW, HOUSING_ROW, HOUSING_BATCH)
REQUESTS_AND_PEERS = """A status above 399, a broken connection or a late response fails the row.

One row: 1,000 different bodies in turn. 1,000 rows: 50 bodies of 1,000 different rows in turn. In
the first round every server answers every body once before it is timed, and each prediction is
compared with scikit-learn's.

*iris* is StandardScaler and LogisticRegression. *housing* is a ColumnTransformer (SimpleImputer
and StandardScaler on eight numbers, OneHotEncoder on one text) and a forest of 100 trees of depth
12, on 20,000 rows generated from a seed. Peers load them with joblib (MLflow with skops, its own
format) and use the same scikit-learn, numpy and pandas as ours. MLflow serves one model a server,
so it is started once for each. On our service they are uploaded and promoted, and every request to
it has a token, which no peer requires. Requests name the columns, in the protocol of each server:
JSON records, for MLServer column by column, as a DataFrame. Peers that can combine requests into
one prediction (adaptive batching) are measured with and without it. The Arrow rows of our service
have Arrow requests and responses. The bare reply gets one-row requests only: it reads no body."""


def markdown(run: Run) -> str:
    """The whole page."""
    parts = [
        "# Benchmark results\n\nWritten by `make bench`. What has no row was not measured.",
        _failed(run),
        _machine(run),
        _targets(run),
        *(_side_by_side(run, workload) for workload in COMPARED),
        _footprint(run),
        _forms(run),
        _large(run),
        _engine(run),
        _many_versions(run),
        _promotions(run),
        _answers(run),
        _method(run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def failures(run: Run) -> list[str]:
    """The errors, one line each."""
    lines = [f"{name}: {text}" for name, text in run.failures.items()]
    for one in run.servers.values():
        wrong = {name: measured.wrong for name, measured in one.workloads.items() if measured.wrong}
        lines += [f"{one.title}: {one.failure}"] if one.failure else []
        lines += [f"{one.title}, {name}: {text}" for name, text in wrong.items()]
    if run.many_versions and run.many_versions.wrong:
        lines.append(f"many versions: {run.many_versions.wrong}")
    return lines


def _failed(run: Run) -> str:
    lines = [f"- {_one_line(line)}" for line in failures(run)]
    return "\n".join(["## Failed\n", *lines]) if lines else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are figures."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def ratio(value: float, ours: float) -> str:
    """``value`` as a multiple of ours."""
    return f"{value / ours:.3g}"


def number(value: float) -> str:
    """At least three digits, with thousands separators."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _machine(run: Run) -> str:
    machine = run.machine
    rows = [
        ("date", run.date),
        ("processor", f"{machine.processor}, {machine.cores} cores"),
        ("memory", f"{machine.memory_gb:.0f} GiB"),
        ("kernel", machine.kernel),
        ("load in the minute before", f"{machine.load:.2f}"),
        ("Python", machine.python),
        *run.versions.items(),
    ]
    return "## Machine and versions\n\n" + table(("", ""), rows)


def _targets(run: Run) -> str:
    rows = [(target.name, *_verdict(target, run)) for target in TARGETS]
    return "## Targets\n\n" + table(("measured in one run", "goal", "measured", ""), rows)


def _verdict(target: Target, run: Run) -> tuple[str, str, str]:
    found, met = target.measured(run), target.met(run)
    goal = f"{'at least' if target.at_least else 'at most'} {target.goal:g} {target.unit}"
    if found is None:
        return goal, ABSENT, "not measured"
    return goal, f"{number(found)} {target.unit}", "met" if met else "**missed**"


def _side_by_side(run: Run, workload: str) -> str:
    ours = run.servers[OURS].workloads.get(workload) if OURS in run.servers else None
    rows = [
        _line(figures, figures.workloads.get(workload), ours)
        for figures in run.servers.values()
        if workload in figures.workloads or figures.failure
    ]
    if not rows:
        return ""
    header = ("server", "requests/s", "÷ ours", "p50 ms", "÷ ours", "p99 ms", "÷ ours")
    best = best_peer(run, workload)
    note = f"\n\nBest peer: {run.servers[best[0]].title}." if best else ""
    return f"## {workload[0].upper()}{workload[1:]}\n\n{table(header, rows)}{note}"


def _line(figures: ServerFigures, measured: Measured | None, ours: Measured | None) -> list[str]:
    wrong = figures.failure or (measured.wrong if measured else "") or "not measured"
    if measured is None or not measured.good:
        return [figures.title, f"**failed: {_one_line(wrong)}**", *[ABSENT] * 5]
    cells = [figures.title]
    for field in ("per_second", "p50_ms", "p99_ms"):
        value = getattr(measured, field)
        cells += [
            number(value),
            ratio(value, getattr(ours, field)) if ours and ours.good else ABSENT,
        ]
    return cells


def _footprint(run: Run) -> str:
    ours = run.servers.get(OURS)
    rows = []
    for figures in run.servers.values():
        memory, start = figures.largest, figures.start
        if memory is None or start is None:
            continue
        both = bool(ours and ours.largest and ours.start)
        rows.append(
            [
                figures.title,
                number(memory.worker),
                ratio(memory.worker, ours.largest.worker) if both else ABSENT,
                number(memory.resident),
                number(memory.proportional),
                str(memory.processes),
                f"{start:.2f}",
                ratio(start, ours.start) if both else ABSENT,
            ]
        )
    header = ("server", "worker MB", "÷ ours", "all MB", "all, PSS", "processes", "start s")
    said = (
        "After the workloads that all servers share, in megabytes of 10^6 bytes. *Worker* is the "
        "resident memory (RSS) of the largest process, the one that predicts; *all* is the sum "
        "over every process of the server, *PSS* the sum of proportional shares. *Start* is the "
        "time from the start of the process to the first 200 of its readiness route."
    )
    if ours and ours.largest_at_end:
        said += f" After all forms of body our worker takes {ours.largest_at_end.worker:.0f} MB."
    return f"## Memory and start\n\n{said}\n\n{table((*header, '÷ ours'), rows)}" if rows else ""


def _forms(run: Run) -> str:
    protocols = [name for names in PROTOCOL_ROWS.values() for name in names.values()]
    single = _own_forms(run, "Other systems' protocols", (IRIS_ROW, HOUSING_ROW, *protocols), 1)
    names = (HOUSING_BATCH, *OTHER_FORMS.values())
    batches = _own_forms(run, "Batch formats", names, BATCH_ROWS)
    return "\n\n".join(filter(None, (single, batches)))


def _own_forms(run: Run, title: str, names: Sequence[str], rows_each: int) -> str:
    """What our service does with the workloads ``names``."""
    ours = run.servers.get(OURS)
    found = {name: ours.workloads[name] for name in names if ours and name in ours.workloads}
    if not found:
        return ""
    rows = []
    for name, one in found.items():
        if not one.good:
            rows.append([name, f"**failed: {_one_line(one.wrong)}**", ABSENT, ABSENT, ABSENT])
            continue
        cells = (one.per_second, one.per_second * rows_each, one.p50_ms, one.p99_ms)
        rows.append([name, *map(number, cells)])
    header = ("our service", "requests/s", "rows/s", "p50 ms", "p99 ms")
    return f"## {title}\n\n{table(header, rows)}"


def _large(run: Run) -> str:
    return large_section(run.large, run.parallel) if run.large and run.parallel else ""


def large_section(batches: Sequence[LargeBatch], parallel: ParallelBodies) -> str:
    """Time and memory of large batches, and the latency of single rows meanwhile."""
    rows = [
        [
            batch.form,
            number(batch.body_bytes / 1e6),
            number(statistics.median(batch.milliseconds)),
            number(batch.before_mb),
            number(batch.peak_mb),
            number(batch.after_mb),
            str(batch.unequal),
            " / ".join(number(batch.alone[which]) for which in (0, 1)),
            " / ".join(number(batch.beside[which]) for which in (0, 1)),
            ratio(batch.beside[1], batch.alone[1]),
        ]
        for batch in batches
    ]
    header = (
        *("100,000 rows, one client", "body MB", "median ms", "before", "peak", "after", "≠"),
        *("one row alone, ms", "with batches, ms", "p99 ratio"),
    )
    said = (
        "Resident memory of the single worker, in MB; ≠ counts predictions that differ from"
        " scikit-learn's. One row: median and 99th percentile on one connection, alone and with a"
        " client that sends such bodies without pause."
    )
    at_once = (
        f"{parallel.answered + parallel.refused} {parallel.form} bodies of"
        f" {number(parallel.body_bytes / 1e6)} MB at the same time: {parallel.answered} answered,"
        f" {parallel.refused} refused with 503. The worker took"
        f" {number(parallel.before_mb)} MB before, {number(parallel.peak_mb)} MB at its peak,"
        f" {number(parallel.after_mb)} MB after."
    )
    return f"## Large batches\n\n{said}\n\n{table(header, rows)}\n\n{at_once}"


def _engine(run: Run) -> str:
    if run.engine is None:
        return ""
    found = run.engine
    medians = [
        (name, f"{statistics.median(times) * 1e6:,.1f}", f"{min(times) * 1e6:,.1f}")
        for name, times in found.seconds.items()
    ]
    times = ", ".join(f"{found.ratio(*pair):.1f} times ({pair[0]})" for pair in RATIOS)
    size = f"{found.nodes:,} nodes, depth {found.depth}, {found.megabytes:.1f} MB"
    return (
        f"## The engine alone\n\n{size}; all predictions equal to the last bit. The kernel "
        f"compared with the others, median of the rounds: {times}.\n\n"
        + table(("called", "median µs", "min µs"), medians)
    )


def _many_versions(run: Run) -> str:
    found = run.many_versions
    if found is None:
        return ""
    rows = [
        [str(n), number(a), number(b), f"{b / a:.3f}"] for n, (a, b) in enumerate(found.pairs, 1)
    ]
    return (
        f"## Many versions\n\n{found.many} loaded versions of {found.models} models compared "
        f"with {found.few}, requests to all in turn: {found.ratio:.3f} (median). The worker with "
        f"many takes {found.worker_mb:.0f} MB.\n\n"
        + table(("round", f"{found.few} versions, req/s", f"{found.many}, req/s", "ratio"), rows)
    )


def _promotions(run: Run) -> str:
    found = run.promotions
    if found is None:
        return ""
    return (
        f"## Promotions\n\n{len(found.milliseconds)} promotions of {found.versions} warmed-up "
        f"versions of the forest in turn, {found.workers} workers, no load: median "
        f"{found.median:.1f} ms, p99 {found.p99:.1f} ms."
    )


def _answers(run: Run) -> str:
    rows = [
        [f"{figures.title}: {name}", str(p.rows), str(p.unequal), f"{p.max_difference:.3g}"]
        for figures in run.servers.values()
        for name, one in figures.workloads.items()
        if (p := one.parity)
    ]
    header = ("compared with scikit-learn", "rows", "other bits", "largest difference")
    return f"## Comparison with scikit-learn\n\n{table(header, rows)}" if rows else ""


def _method(run: Run) -> str:
    how = run.method
    rounds = "1 round" if how.rounds == 1 else f"{how.rounds} rounds, and figures are their medians"
    return (
        "## Method\n\n"
        f"Each server runs with one worker, pinned to core {how.server_core}; wrk sends from core "
        f"{how.wrk_core}, one thread, {how.connections} connections. Every round restarts each "
        "server, ours first and then in the order of the tables, and sends its workloads one after "
        f"the other: {how.warm_up_seconds} s of warm-up, then {how.seconds} s measured; "
        f"{rounds}. {REQUESTS_AND_PEERS}"
    )


def _one_line(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return line.replace("|", "/")[:160]
