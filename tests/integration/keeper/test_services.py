"""The keeper moves aliases as workers do, and serves nothing itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import skops.io
from sklearn.neighbors import KNeighborsRegressor

from config import Settings
from keeper.services import BriefEvaluator, KeeperServices
from registry.blobs.local import LocalBlobStore
from registry.errors import GateFailed, ScoringBusy, VersionNotLoadable
from registry.hosts.listener import Listener
from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Presence
from registry.operations.gate_inputs import read_gate_inputs
from registry.operations.promote import PromotionRequest, promote
from registry.storage.history import record
from registry.storage.tables import VersionRow
from tests.integration.api.conftest import (  # noqa: F401 - fixtures
    AppMaker,
    Service,
    artifacts,
    inspector,
    module_app,
    new_name,
    trained,
)
from tests.integration.api.tables import line, parquet, set_holdout, set_policy
from tests.postgresql import PostgreSql
from tests.processes import zygotes


@pytest.fixture(scope="module")
def service(module_app: AppMaker) -> Service:  # noqa: F811 - the fixture
    """The one worker of a data directory."""
    return module_app()


@pytest.fixture
def keeper(service: Service) -> Iterator[KeeperServices]:
    """What the keeper of that directory works with, in this process."""
    with closing(KeeperServices.build(service.services.settings)) as services:
        yield services


@pytest.fixture
def lines(service: Service, artifacts: dict[str, bytes]) -> str:  # noqa: F811 - the fixture
    """A model of three lines with a holdout; the second is the best, the third is live."""
    name = new_name()
    for number in (1, 2, 3):
        service.admin.upload(name, artifacts[f"line-{number}"])
    service.admin.promote(name, 3)
    assert set_holdout(service.admin, name, parquet(line()), "y").status_code == 201
    set_policy(service.admin, name, "rmse <= champion")
    return name


def move(keeper: KeeperServices, model: str, version: int) -> None:
    promote(
        keeper.database,
        keeper.preparer.prepared,
        model,
        str(version),
        PromotionRequest(actor="keeper", reason="a step"),
        evaluate_gates=keeper.evaluator.results,
    )


def answering(service: Service, model: str) -> int:
    answer = service.admin.post(f"/models/{model}/predict", json={"x0": 1.0})
    return int(answer.headers["X-Model-Version"])


def test_a_move_of_the_keeper_is_seen_by_the_next_request(
    service: Service, keeper: KeeperServices, lines: str
) -> None:
    assert answering(service, lines) == 3

    move(keeper, lines, 2)

    assert answering(service, lines) == 2
    event = service.admin.get(f"/models/{lines}/history").json["items"][0]
    assert (event["type"], event["actor"]) == ("promoted", "keeper")
    (gate,) = event["details"]["gates"]
    assert gate["passed"] is True


def test_the_keeper_evaluates_gates_and_moves_nothing_where_one_fails(
    service: Service, keeper: KeeperServices, lines: str
) -> None:
    move(keeper, lines, 2)

    with pytest.raises(GateFailed):
        move(keeper, lines, 1)

    assert answering(service, lines) == 2


@pytest.mark.slow
def test_what_an_evaluation_loaded_is_released_after_it(
    service: Service, keeper: KeeperServices, lines: str
) -> None:
    """A model that scikit-learn serves has a process of its own, which a zygote forks."""
    table = line()
    nearest = KNeighborsRegressor(1).fit(table[["x0"]], table["y"])
    service.admin.upload(lines, skops.io.dumps(nearest))
    # From now on the worker has its zygote.
    assert service.admin.post(f"/models/{lines}/4/predict", json={"x0": 1.0}).status_code == 200
    before, seen, over = set(zygotes()), set[int](), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            seen.update(zygotes())

    looking = threading.Thread(target=look)
    looking.start()
    move(keeper, lines, 4)
    over.set()
    looking.join()

    assert answering(service, lines) == 4
    assert len(seen - before) == 1
    assert set(zygotes()) == before


def test_one_evaluation_runs_at_a_time(
    service: Service, keeper: KeeperServices, lines: str
) -> None:
    """Otherwise several rollouts could need the memory of all their versions at once."""
    with keeper.database.read() as session:
        version = session.get_one(VersionRow, (lines, 2))
        inputs = read_gate_inputs(session, version, "production")
    refused, inside = list[Exception](), list[object]()

    def evaluate_again() -> None:
        try:
            inside.append(evaluator.results(inputs))
        except ScoringBusy as error:
            refused.append(error)

    class Blobs(LocalBlobStore):
        """While the holdout is read, somebody else wants an evaluation."""

        def open(self, digest: str) -> Any:
            other = threading.Thread(target=evaluate_again)
            other.start()
            other.join()
            return super().open(digest)

    evaluator = BriefEvaluator(keeper.settings, Blobs(keeper.blobs.root), patience=0.1)
    results = evaluator.results(inputs)

    assert [result.passed for result in results] == [True]
    assert refused
    assert not inside


def test_nothing_is_moved_while_no_worker_runs(
    service: Service, keeper: KeeperServices, lines: str
) -> None:
    keeper.fleet.replacement_patience = 0.1
    service.services.fleet.leave()
    try:
        with pytest.raises(VersionNotLoadable, match="No worker is running"):
            move(keeper, lines, 2)
    finally:
        service.services.fleet.join(service.services.watch.prepared)

    assert answering(service, lines) == 3


def test_it_finds_the_counts_of_the_workers(service: Service, keeper: KeeperServices) -> None:
    assert keeper.counts_folder() == service.app.extensions["hotswap-telemetry"].folder.path


def test_a_change_of_the_keeper_wakes_other_hosts_and_waits_for_none(
    postgresql: PostgreSql, tmp_path: Path
) -> None:
    url = postgresql.create(migrated=True)
    store = SqlHostStore(url, 2.0)
    store.present(Presence("lost", 1, "1.0", 2), "live", 60 * 10**9)
    woken = threading.Event()
    settings = Settings(data=tmp_path, database_url=url, lease_seconds=60)
    settings.run_folder.mkdir()

    with closing(KeeperServices.build(settings)) as keeper:
        listener = Listener(store, woken.set)
        listener.start()
        assert woken.wait(10)
        woken.clear()
        began = time.monotonic()
        with keeper.database.write(confirm=True) as session:
            record(session, "split_ended", actor="keeper")
        assert time.monotonic() - began < 30
        assert woken.wait(10)

    listener.close()
    store.close()
    postgresql.drop(url)
