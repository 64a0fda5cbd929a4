"""The report of a run: ratios, targets and failures."""

import pytest

from benchmarks.engine import FOREST, FOREST_SINGLY, KERNEL, KERNEL_SINGLY, PIPELINE, EngineFigures
from benchmarks.figures import (
    LargeBatch,
    Machine,
    ManyVersions,
    Measured,
    Method,
    ParallelBodies,
    Promotions,
    Run,
    ServerFigures,
)
from benchmarks.load import Load
from benchmarks.memory import Memory
from benchmarks.parity import Parity
from benchmarks.report import failures, large_section, markdown
from benchmarks.targets import TARGETS, Target, against_bare, against_best, best_peer
from benchmarks.workloads import HOUSING_ARROW, HOUSING_BATCH, HOUSING_ROW, IRIS_ROW, PROTOCOL_ROWS


def measured(*rates: float, wrong: str = "", unequal: int = 0) -> Measured:
    loads = [Load(int(rate * 10), 10.0, 1000 / rate, 3000 / rate, wrong) for rate in rates]
    return Measured(loads, Parity(1_000, unequal, 0.0))


def server(
    title: str, megabytes: float = 100, start: float = 1.0, **rates: Measured
) -> ServerFigures:
    names = {
        "iris": IRIS_ROW,
        "housing": HOUSING_ROW,
        "batch": HOUSING_BATCH,
        "arrow": HOUSING_ARROW,
    }
    workloads = {names[name]: one for name, one in rates.items()}
    memory = Memory(megabytes, megabytes + 10, megabytes + 5, 2)
    return ServerFigures(title, workloads, [start], [memory])


@pytest.fixture
def run() -> Run:
    """Ours 20 times the better peer, half the bare reply."""
    return Run(
        "2026-11-21",
        Machine("a processor", 2, 24.0, "6.1", "3.11.7", 0.0),
        {"wrk": "4.1"},
        Method(10, 3, 2, 8, 0, 1),
        servers={
            "hotswap": server(
                "Hotswap", 90, iris=measured(20_000), housing=measured(20_000), batch=measured(300)
            ),
            "flask": server("Flask", 240, iris=measured(900, 1_000, 1_100), batch=measured(30)),
            "mlserver": server("MLServer", 360, iris=measured(500), batch=measured(40)),
            "bare": server("bare", 30, iris=measured(40_000), housing=measured(50_000)),
        },
    )


def target(words: str) -> Target:
    (found,) = [one for one in TARGETS if words in one.name]
    return found


def test_the_best_peer_is_neither_ours_nor_the_bare_reply(run: Run) -> None:
    assert best_peer(run, IRIS_ROW) == ("flask", 1_000)
    assert best_peer(run, HOUSING_BATCH) == ("mlserver", 40)


def test_a_ratio_is_of_the_medians_of_the_rounds(run: Run) -> None:
    assert against_best(run, IRIS_ROW, IRIS_ROW) == 20
    assert against_best(run, HOUSING_BATCH, HOUSING_BATCH) == 7.5


def test_the_share_of_the_bare_reply_is_that_of_each_workload(run: Run) -> None:
    assert against_bare(run, IRIS_ROW) == pytest.approx(0.5)
    assert against_bare(run, HOUSING_ROW) == pytest.approx(0.4)


def test_a_failed_peer_is_not_the_best_peer(run: Run) -> None:
    run.servers["flask"].workloads[IRIS_ROW] = measured(1_000, wrong="3 replies above 399")

    assert best_peer(run, IRIS_ROW) == ("mlserver", 500)


def test_targets_are_met_missed_or_not_measured(run: Run) -> None:
    assert target("iris, compared with the best").met(run) is True
    assert target("housing forest, compared with the bare").met(run) is False
    assert target("Arrow").met(run) is None
    assert target("memory").met(run) is True


def test_one_prediction_with_other_bits_misses_the_target(run: Run) -> None:
    assert target("that differ").met(run) is True
    run.servers["hotswap"].workloads[HOUSING_BATCH] = measured(300, unequal=1)
    assert target("that differ").met(run) is False


def test_every_figure_is_shown_with_its_ratio_to_ours(run: Run) -> None:
    page = markdown(run)

    assert "| Flask | 1,000 | 0.05 | 1 | 20 | 3 | 20 |" in page
    assert "| MLServer | 360 | 4 | 370 | 365 | 2 | 1.00 | 1 |" in page
    bare = "one row, housing forest, compared with the bare WSGI reply"
    assert f"| {bare} | at least 0.45 of it | 0.4 of it | **missed** |" in page


def test_rows_in_other_protocols_stand_beside_our_own(run: Run) -> None:
    name = PROTOCOL_ROWS["tensorflow"][IRIS_ROW]
    run.servers["hotswap"].workloads[name] = measured(15_000)

    table = markdown(run).partition("## Other systems' protocols")[2].partition("##")[0]

    assert [line.split(" | ")[:2] for line in table.strip().splitlines()[2:]] == [
        [f"| {IRIS_ROW}", "20,000"],
        [f"| {HOUSING_ROW}", "20,000"],
        [f"| {name}", "15,000"],
    ]


def test_a_failed_row_shows_the_error(run: Run) -> None:
    run.servers["flask"].workloads[IRIS_ROW] = measured(1_000, wrong="3 replies above 399")

    page = markdown(run)

    assert "| Flask | **failed: 3 replies above 399** |" in page
    assert "- Flask, iris, one row: 3 replies above 399" in page


def test_a_failed_part_is_reported_and_its_target_not_measured(run: Run) -> None:
    run.failures["promotes"] = "POST /models/housing/3/promote: 409"

    assert "- promotes: POST /models/housing/3/promote: 409" in markdown(run)
    assert target("promotion").met(run) is None


def test_without_failures_there_is_no_section_for_them(run: Run) -> None:
    assert failures(run) == []
    assert "## Failed" not in markdown(run)


def test_a_server_that_never_started_fails_in_every_table(run: Run) -> None:
    run.servers["fastapi"] = ServerFigures("FastAPI", failure="the server ended\nTraceback")

    assert markdown(run).count("| FastAPI | **failed: the server ended** |") == 3


def test_parts_that_were_not_measured_have_no_section(run: Run) -> None:
    page = markdown(run)

    assert "## The engine alone" not in page
    assert "## Promotions" not in page
    assert page.count("not measured") >= 3


def test_the_other_measurements_are_shown_with_their_ratios(run: Run) -> None:
    run.engine = EngineFigures(
        345_400,
        12,
        5.5,
        {
            PIPELINE: [0.021],
            FOREST: [0.014],
            KERNEL: [0.0014],
            FOREST_SINGLY: [9e-3],
            KERNEL_SINGLY: [9e-6],
        },
    )
    run.many_versions = ManyVersions(2, 500, 100, [(100.0, 97.0), (100.0, 99.0)], 150.0)
    run.promotions = Promotions(8, 2, [float(n) for n in range(1, 101)])

    page = markdown(run)

    assert "15.0 times (1,000 rows: scikit-learn, pipeline)" in page
    assert "| 2 | 100 | 99 | 0.990 |" in page
    assert "median 50.5 ms, p99 99.0 ms" in page
    assert target("500 loaded").met(run) is True


def test_large_batches_are_shown_with_the_latency_of_single_rows_and_many_at_once() -> None:
    csv = LargeBatch("CSV", 100_000, 5_800_000, [300.0], 100, 130, 101, 0, (1.0, 2.0), (1.5, 5.0))
    parallel = ParallelBodies("CSV", 15_000_000, 5, 11, 100, 700, 110)

    section = large_section([csv], parallel)

    assert "| 1 / 2 | 1.5 / 5 | 2.5 |" in section
    assert "16 CSV bodies of 15 MB at the same time: 5 answered, 11 refused" in section
