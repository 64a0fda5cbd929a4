"""deploy/systemd on two machines that share a PostgreSQL and a bucket."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from benchmarks.service import upload
from benchmarks.swap import Target, constant_model
from tests.deploy.conftest import Report
from tests.deploy.load import Verdict
from tests.deploy.machine import DEPLOY, Machine, machine
from tests.deploy.stores import stores
from tests.deploy.test_systemd import SOCKET, UNIT, log, main_process, show_homes
from tests.hosts.callers import Predictor
from tests.hosts.hosts import Cluster
from tests.hosts.operators import Promoter
from tests.hosts.record import Record, judge
from tests.system.real_server import ADMIN_TOKEN

pytestmark = pytest.mark.slow  # they boot machines; make deploy-check runs them

MODEL = "iris"
LEASE_SECONDS = 10
CLIENTS = 3


@dataclass(frozen=True)
class Place:
    """A machine with the service, as its clients reach it."""

    number: int
    address: str
    host: Machine
    port: int = 8000

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[Place, ...]]:
    """Two machines on which systemd runs the service."""
    with ExitStack() as ends:
        shared = ends.enter_context(stores())
        made = []
        for number in (1, 2):
            host = ends.enter_context(machine())
            cable = host.connect(number)
            settings = {
                **shared.settings(cable),
                "HOTSWAP_HOST_NAME": f"hotswap-{number}",
                "HOTSWAP_ALLOWED_HOSTS": cable.inside,
                "HOTSWAP_LEASE_SECONDS": str(LEASE_SECONDS),
            }
            start(host, cable.inside, settings)
            made.append(Place(number, cable.inside, host))
        yield tuple(made)


def start(host: Machine, address: str, settings: dict[str, str]) -> None:
    """Start the service as the page of deploy/systemd says."""
    host.install(DEPLOY / "systemd" / "hotswap.service", UNIT)
    host.install(DEPLOY / "systemd" / "hotswap.socket", SOCKET)
    show_homes(host)
    lines = f"[Socket]\nListenStream=\nListenStream={address}:8000\n"
    host.write(f"{SOCKET}.d/address.conf", lines)
    host.write("/etc/hotswap.env", "".join(f"{key}={settings[key]}\n" for key in settings))
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", "hotswap.socket", "hotswap")
    host.ready(f"http://{address}:8000", lambda: log(host))


@contextmanager
def loading(places: tuple[Place, ...], report: Report, name: str, started: str) -> Iterator[None]:
    """Move an alias by way of both machines, and predict on both, until the block ends."""
    cluster = Cluster(places, "", ADMIN_TOKEN)  # type: ignore[arg-type]
    model = f"{MODEL}-{time.monotonic_ns()}"
    answers: dict[int, object] = {
        upload(Target(places[0].url, ADMIN_TOKEN, model), model, constant_model(value)): value
        for value in (100.0, 200.0, 300.0)
    }
    promoter = Promoter(cluster, model, 1, 30.0, versions=sorted(answers))
    promoter.begin()
    callers = [
        Predictor(place, 30.0, model, ADMIN_TOKEN)  # type: ignore[arg-type]
        for place in places
        for _ in range(CLIENTS)
    ]
    for thread in (promoter, *callers):
        thread.start()
    time.sleep(2.0)
    yield
    time.sleep(2.0)
    for threads in ((promoter,), callers):
        for thread in threads:
            thread.end()
        for thread in threads:
            thread.join()
    assert promoter.fault is None
    replies = {
        (place.number, model): [
            reply for caller in callers if caller.host is place for reply in caller.replies
        ]
        for place in places
    }
    record = Record(
        replies=replies,
        answers={model: answers},
        moves=promoter.moves,
        outages=(),
        lease=LEASE_SECONDS,
    )
    found = judge(record)
    wrong = [*found.unexplained, *found.torn, *found.stale, *found.backwards]
    shown = [str(reply) for reply in wrong[:3]]
    report(
        name,
        started,
        Verdict(found.moves, found.replies, len(found.unexplained), found.wrong, shown),
    )


def test_versions_are_swapped_under_load_on_both_machines(
    places: tuple[Place, ...], report: Report
) -> None:
    with loading(places, report, "systemd, two hosts", "two machines, PostgreSQL, SeaweedFS"):
        time.sleep(5.0)


def test_one_machine_is_upgraded_after_the_other_under_load(
    places: tuple[Place, ...], report: Report
) -> None:
    started = "the same; systemctl reload on one after the other"
    with loading(places, report, "systemd, two hosts, reloaded", started):
        for place in places:
            before = main_process(place.host)
            place.host.run("systemctl", "reload", "hotswap")
            place.host.wait(
                lambda place=place, before=before: main_process(place.host) not in {before, "0"},
                lambda place=place: log(place.host),
            )
            place.host.ready(place.url, lambda place=place: log(place.host))


def test_a_machine_that_is_stopped_is_not_waited_for(places: tuple[Place, ...]) -> None:
    first, second = places
    target = Target(first.url, ADMIN_TOKEN, "left")
    numbers = [upload(target, "left", constant_model(value)) for value in (1.0, 2.0)]

    second.host.run("systemctl", "stop", "hotswap.socket", "hotswap")

    began = time.monotonic()
    for number in numbers:
        target.post(f"/models/left/{number}/promote")
    assert time.monotonic() - began < LEASE_SECONDS / 2
    properties = ("--property=Result", "--property=ExecMainStatus")
    ended = second.host.run("systemctl", "show", *properties, "hotswap").split()
    assert ended == ["Result=success", "ExecMainStatus=0"]
