"""No request of a rollout is lost: at its start, and when its server is restarted."""

import os
from datetime import timedelta

import pytest

from keeper.rollouts import RolloutWatcher
from registry.engines.served_version import ServedVersion
from registry.live.pool import LoadedVersion
from registry.operations.promote import PromotionRequest, promote
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.rollouts.plan import parse_plan
from registry.storage.database import Database
from registry.storage.tables import utc_now
from registry.watching.arm_counts import keep_arms
from registry.watching.predictions import PredictionCounts
from registry.watching.rollout_counts import read_host_counts
from registry.watching.rollouts import find_rollout, observed_of
from registry.watching.telemetry_folders import own_folder, telemetry_folder
from tests.factories import NUMBERS, add_versions
from tests.fakes import Preparer

CHAMPION, CANARY = 1, 2
PLAN = parse_plan({"steps": [{"weight": 10, "minutes": 10}, {"weight": 100}], "guards": []})
ENDS = ("ended", "killed")


def no_gates(_inputs):
    return []


class Server:
    """A worker of the server with the process id ``number``, and its files."""

    def __init__(self, data, number):
        self.folder = own_folder(data, data / "run", number)
        self._counts = PredictionCounts(self.folder.path, lambda _key: True)
        self._loaded = {}

    def answers(self, number, requests):
        """Until the next flush, which is over when this returns."""
        if number not in self._loaded:
            version = ServedVersion("house", number, "onnx", "0" * 64, 1, NUMBERS, None)
            self._loaded[number] = LoadedVersion(version, None)
        for _ in range(requests):
            self._counts.answered(self._loaded[number], "production", 0.001, 1)
        self._counts.flush()

    def end(self, how):
        """``ended``: as a worker and its main process do; ``killed``: both at once."""
        self._counts.close()
        if how == "killed":
            os.close(self.folder.descriptor)
        else:
            keep_arms(self.folder.path, self.folder.run)
            self.folder.release()


class Host:
    """A data directory with a database and the counts of its servers."""

    def __init__(self, data, database):
        self.data, self.database = data, database
        (data / "run").mkdir(parents=True)
        self.now = utc_now()
        self.keeper = self.new_keeper()

    def counts(self):
        return read_host_counts(telemetry_folder(self.data), self.data / "run")

    def new_keeper(self):
        return RolloutWatcher(
            self.database,
            Preparer(),
            no_gates,
            self.counts,
            clock=lambda: self.now,
            database_clock=lambda _: self.now,
        )

    def start(self):
        start_rollout(
            self.database,
            Preparer(),
            "house",
            str(CANARY),
            RolloutRequest(actor="ann", plan=PLAN),
            evaluate_gates=no_gates,
            read_sources=lambda model, alias: self.counts().of(model, alias),
        )

    def look(self, *, stored=True):
        self.now += timedelta(seconds=6 if stored else 1)
        self.keeper.look()

    def counted(self):
        """The requests of the canary and the champion in the rollout, as they are stored."""
        with self.database.read() as session:
            whole = observed_of(find_rollout(session, "house", "production")).whole
        return whole.canary.requests, whole.champion.requests


def add_house(database):
    add_versions(database, "house", ["ready"] * 2)
    request = PromotionRequest(actor="ann")
    promote(database, Preparer(), "house", "1", request, evaluate_gates=no_gates)


@pytest.fixture
def host(tmp_path, sqlite_database):
    add_house(sqlite_database)
    return Host(tmp_path / "data", sqlite_database)


@pytest.fixture
def hosts(tmp_path, postgresql):
    """Two of them that share a database."""
    url = postgresql.create(migrated=True)
    database = Database(url)
    add_house(database)
    yield [Host(tmp_path / name, database) for name in ("a", "b")]
    database.dispose()
    postgresql.drop(url)


def test_requests_before_the_keeper_first_looks_count_and_those_before_the_start_do_not(host):
    server = Server(host.data, 1)
    server.answers(CANARY, 11)  # it was live once
    server.answers(CHAMPION, 7)
    host.start()
    server.answers(CANARY, 3)
    server.answers(CHAMPION, 5)
    host.look()

    assert host.counted() == (3, 5)
    server.end("ended")


def test_a_version_that_has_never_answered_counts_from_its_first_request_on(host):
    server = Server(host.data, 1)
    host.start()
    server.answers(CANARY, 3)
    server.answers(CHAMPION, 5)
    host.look()

    assert host.counted() == (3, 5)
    server.end("ended")


@pytest.mark.parametrize("keeper", ["stays", "begins anew"])
@pytest.mark.parametrize("end", ENDS)
def test_what_was_counted_between_two_looks_of_a_restart_counts(host, end, keeper):
    first = Server(host.data, 1)
    first.answers(CHAMPION, 7)
    host.start()
    first.answers(CANARY, 3)
    first.answers(CHAMPION, 5)
    host.look()
    first.answers(CANARY, 2)
    first.answers(CHAMPION, 10)
    first.end(end)

    second = Server(host.data, 2)
    second.answers(CANARY, 4)
    second.answers(CHAMPION, 20)
    if keeper == "begins anew":
        host.keeper = host.new_keeper()
    host.look()
    assert host.counted() == (3 + 2 + 4, 5 + 10 + 20)

    second.answers(CANARY, 1)
    host.look(stored=False)
    host.look()
    assert host.counted() == (10, 35)
    second.end("ended")


def test_a_server_that_ends_before_the_keeper_has_looked_at_all_counts(host):
    server = Server(host.data, 1)
    host.start()
    server.answers(CANARY, 3)
    server.end("ended")
    host.look()
    assert telemetry_folder(host.data) is None

    assert host.counted() == (3, 0)


def test_workers_that_end_at_the_same_time_keep_what_both_have_counted(host):
    one, other = Server(host.data, 1), Server(host.data, 1)
    host.start()
    one.answers(CANARY, 3)
    other.answers(CANARY, 4)
    one.end("ended")
    other.answers(CANARY, 5)
    other.end("ended")
    host.look()

    assert host.counted() == (12, 0)


@pytest.mark.parametrize("decider", [0, 1])
def test_every_host_counts_from_the_start_whichever_decides(hosts, decider):
    servers = [Server(host.data, 1) for host in hosts]
    for server in servers:
        server.answers(CANARY, 11)  # it was live once
        server.answers(CHAMPION, 7)
    hosts[decider].look()
    hosts[1 - decider].look()
    hosts[0].start()
    for number, server in enumerate(servers, start=1):
        server.answers(CANARY, 3 * number)
        server.answers(CHAMPION, 5 * number)
    for _ in range(3):
        hosts[decider].look()
        hosts[1 - decider].look()

    assert hosts[0].counted() == (3 + 6, 5 + 10)
    for server in servers:
        server.end("ended")


def test_what_another_host_counts_over_its_restart_and_a_new_decider_is_counted_once(hosts):
    one, other = (Server(host.data, 1) for host in hosts)
    for host in hosts:
        host.look()
    hosts[0].start()
    one.answers(CANARY, 3)
    other.answers(CANARY, 4)
    for _ in range(2):
        hosts[0].look()
        hosts[1].look()
    other.answers(CANARY, 5)
    other.end("ended")
    other = Server(hosts[1].data, 2)
    other.answers(CANARY, 6)
    hosts[1].keeper = hosts[1].new_keeper()
    hosts[1].look()
    hosts[0].look()
    assert hosts[0].counted() == (18, 0)

    hosts[1].now += timedelta(minutes=1)  # the lease of the first has expired
    other.answers(CHAMPION, 20)
    for _ in range(3):
        hosts[1].look()
    assert hosts[0].counted() == (18, 20)
    for server in (one, other):
        server.end("ended")


def test_what_a_former_decider_has_counted_is_counted_once(hosts):
    """The next one reads what was stored before that host decided."""
    servers = [Server(host.data, 1) for host in hosts]
    mine, other = hosts
    for host in (other, mine):
        host.look()
    mine.start()
    servers[0].answers(CANARY, 3)
    for host in (other, mine, other):
        host.look()
    assert mine.counted() == (3, 0)

    mine.now = other.now + timedelta(minutes=1)
    servers[0].answers(CANARY, 10)
    mine.look()
    other.now = mine.now
    other.look()
    assert mine.counted() == (13, 0)

    other.now = mine.now + timedelta(minutes=1)
    other.look()
    mine.now = other.now
    mine.look()
    other.look()

    assert mine.counted() == (13, 0)
    for server in servers:
        server.end("ended")
