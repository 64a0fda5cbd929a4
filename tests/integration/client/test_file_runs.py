"""A run of ``predict_file``: interrupted, resumed, and what may happen to it in its middle."""

import resource
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotswap import Registry, errors
from hotswap.files import work
from hotswap.files.run import PATIENT
from tests.integration.cli.fake_service import HSW, Answer, ReceivedRequest, problem, running
from tests.integration.client.doubler import ROWS, Doubler, predict, read, table, write

pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def service(doubler: Doubler) -> Doubler:
    return doubler


def interrupted_run(service: Doubler, registry: Registry, folder: Path) -> tuple[Path, Path]:
    """The input and the output of a run that ended after two chunks."""
    data, out = write(folder / "in.csv", table()), folder / "out.csv"
    service.most = 2
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, out)
    service.most = 10**9
    return data, out


@pytest.mark.parametrize(
    "ending",
    ["csv", "parquet"]
    + [pytest.param(e, marks=pytest.mark.slow) for e in ("jsonl.gz", "arrow", "arrows")],
)
def test_a_run_interrupted_at_any_point_gives_the_same_bytes_when_resumed(
    service: Doubler, registry: Registry, tmp_path: Path, ending: str
) -> None:
    data = write(tmp_path / f"in.{ending}", table())
    predict(registry, data, tmp_path / f"whole.{ending}", keep=["id"])
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    chunks = len(service.predicted)
    out = tmp_path / f"out.{ending}"

    for most in (0, 1, chunks - 2):
        service.predicted, service.most = [], most
        with pytest.raises(errors.ProblemReply, match="It broke"):
            predict(registry, data, out, keep=["id"], resume=True, in_flight=1)
        assert not out.exists()
    parts = sorted((tmp_path / f"out.{ending}.parts").glob("*.part"))
    assert len(parts) == chunks - 1
    # What a kill or a full disk can leave: half a part, half of the joined file, a partial file.
    parts[0].write_bytes(parts[0].read_bytes()[:-1])
    (parts[0].parent / "joined").write_bytes(b"half")
    (parts[0].parent / f"{parts[0].name}.77-88").write_bytes(b"half")
    service.predicted, service.most = [], 10**9
    predict(registry, data, out, keep=["id"], resume=True)

    assert len(service.predicted) == 2
    assert out.read_bytes() == whole
    assert not parts[0].parent.exists()


def test_an_unfinished_run_is_continued_only_with_the_same_options(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = interrupted_run(service, registry, tmp_path)

    def refused(said: str, **options: Any) -> None:
        with pytest.raises(errors.UnfinishedRun, match=said):
            predict(registry, data, out, **{"resume": True, **options})

    refused("Continue it with resume, or delete the folder", resume=False)
    refused("the columns was .* and is", keep=["id"])
    refused("the version was 1 and is 2", version=2)
    write(data, table(first=1))
    refused("the input's size was|the input's modified was")
    assert len(service.predicted) == 2
    assert not out.exists()


def test_a_resumed_run_keeps_the_version_of_its_alias(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = interrupted_run(service, registry, tmp_path)
    service.aliases["m"] = {"production": 2}

    assert predict(registry, data, out, resume=True).version == 1
    assert predict(registry, data, out, resume=True).version == 2


def test_a_failing_first_chunk_leaves_nothing_to_resume(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data = write(tmp_path / "in.csv", table())
    service.most = 0
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_file_changed_while_it_is_read_is_refused(registry: Registry, tmp_path: Path) -> None:
    data = write(tmp_path / "in.csv", table())

    def change(rows: int, end: float, *, resumed: bool) -> None:
        with data.open("ab") as file:
            file.write(b"late,1,\n")

    with pytest.raises(errors.UnfinishedRun, match="was changed while it was read"):
        predict(registry, data, tmp_path / "out.csv", progress=change)
    assert not (tmp_path / "out.csv").exists()


def test_a_second_process_cannot_write_the_same_output(registry: Registry, tmp_path: Path) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"

    def another(rows: int, end: float, *, resumed: bool) -> None:
        with pytest.raises(errors.UnfinishedRun, match="Another process is writing"):
            predict(registry, data, out, resume=True)

    predict(registry, data, out, progress=another)
    assert len(read(out)["prediction"]) == ROWS


@pytest.mark.parametrize("largest", [100, 8_000], ids=["part", "joined"])
def test_a_full_disk_is_an_error_that_names_the_file(
    registry: Registry, tmp_path: Path, largest: int
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        with pytest.raises(OSError, match=r"too large: .*out\.csv\.parts/"):
            predict(registry, data, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()

    assert predict(registry, data, out, resume=True).rows == ROWS
    assert len(read(out)["prediction"]) == ROWS


def test_a_late_part_of_another_run_is_not_joined(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    """A worker of a cluster can write after the command was killed and its folder deleted."""
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    parts = tmp_path / "out.csv.parts"
    service.most = 3
    with pytest.raises(errors.ProblemReply):
        predict(registry, data, out, version=2, keep=["id"])
    late = {path.name: path.read_bytes() for path in parts.glob("*.part")}
    shutil.rmtree(parts)
    service.most = 10**9

    def arrive(rows: int, end: float, *, resumed: bool) -> None:
        for name, content in late.items():
            (parts / name).write_bytes(content)

    predict(registry, data, tmp_path / "expected.csv")
    predict(registry, data, out, progress=arrive)

    assert out.read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_an_archived_version_ends_the_run_and_the_finished_part_is_kept(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    service.most = 2
    service.failure = problem(404, "version-not-found", "Version 1 of 'm' is archived.")
    for resume in (False, True):
        with pytest.raises(errors.NotFound, match="Version 1 of 'm' is archived"):
            predict(registry, data, out, resume=resume)
        service.aliases["m"] = {"production": 2}
    assert len(list((tmp_path / "out.csv.parts").glob("*.part"))) == 2
    assert not out.exists()


def test_a_revoked_token_ends_the_run_and_another_one_continues_it(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    service.most, service.failure = 2, problem(401, "unauthenticated", "The token is revoked.")
    with pytest.raises(errors.Unauthenticated, match="revoked"):
        predict(registry, data, out)

    service.most, service.predicted = 10**9, []
    predict(registry, data, out, resume=True)

    assert sum(service.predicted) < ROWS
    assert len(read(out)["prediction"]) == ROWS


def chunk_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("chunk-")]


def test_an_interruption_ends_the_waits_between_attempts(
    service: Doubler, registry: Registry, tmp_path: Path
) -> None:
    data, out = write(tmp_path / "in.csv", table()), tmp_path / "out.csv"
    busy = problem(503, "overloaded", "Later.")
    service.most, service.failure = 1, Answer(503, busy.content, {"Retry-After": "5"})

    def interrupt(rows: int, end: float, *, resumed: bool) -> None:
        assert service.failed.acquire(timeout=30)
        assert service.failed.acquire(timeout=30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(registry, data, out, progress=interrupt)

    for thread in chunk_threads():
        thread.join(30)
    assert not service.failed.acquire(blocking=False), "a request was repeated"
    service.most = 10**9
    assert predict(registry, data, out, resume=True).rows == ROWS


class Hanging(Doubler):
    """Answers requests after the first only when it is ``released``."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 1
        self.released = threading.Event()
        self.waited_in_vain = False

    def _predict(
        self, received: ReceivedRequest, name: str, reference: str = "production"
    ) -> Answer:
        answer = super()._predict(received, name, reference)
        if answer is self.failure:
            self.waited_in_vain |= not self.released.wait(20)
        return answer


def test_an_interruption_does_not_wait_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "INTERRUPTED_SECONDS", 0.05)
    data = write(tmp_path / "in.csv", table())
    with running(Hanging) as service, Registry(service.url, HSW) as registry:
        assert isinstance(service, Hanging)

        def interrupt(rows: int, end: float, *, resumed: bool) -> None:
            assert service.failed.acquire(timeout=30)  # type: ignore[attr-defined]
            raise KeyboardInterrupt

        try:
            with pytest.raises(KeyboardInterrupt):
                predict(registry, data, tmp_path / "out.csv", progress=interrupt)
            assert not service.waited_in_vain
        finally:
            service.released.set()
            for thread in chunk_threads():
                thread.join(30)


def test_the_waits_between_attempts_add_up_to_two_minutes() -> None:
    longest = replace(PATIENT, jitter=lambda: 1.0)
    lost = [errors.ServiceUnreachable("http://service", "refused")] * PATIENT.attempts
    waits = [longest.wait_after(lost[: n + 1]) for n in range(PATIENT.attempts)]
    assert waits.pop() is None
    assert sum(map(float, waits)) == 121.5  # as docs/batches.md says
