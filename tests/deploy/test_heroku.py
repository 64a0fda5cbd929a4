"""deploy/heroku: the Procfile with the variables that Heroku sets, on a real PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.swap import Target
from tests.deploy.conftest import Report
from tests.deploy.load import swap_under_load
from tests.deploy.machine import DEPLOY
from tests.postgresql import running_postgresql
from tests.system.real_server import BIN, free_port, wait_until

pytestmark = pytest.mark.slow  # it starts two servers; make deploy-check runs it


@dataclass(frozen=True)
class Dyno:
    """A process of the Procfile: its port, and the directory it works in."""

    process: "subprocess.Popen[bytes]"
    port: int
    folder: Path


@pytest.fixture
def dyno(tmp_path: Path) -> Iterator[Dyno]:
    kind, _, command = (DEPLOY / "heroku" / "Procfile").read_text().strip().partition(": ")
    assert kind == "web"
    port = free_port()
    with running_postgresql() as server, (tmp_path / "log").open("wb") as log:
        url = server.create(migrated=False)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=tmp_path,
            env={
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "PORT": str(port),
                "DATABASE_URL": url.replace("postgresql+psycopg://", "postgres://"),
                "WEB_CONCURRENCY": "2",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Dyno(process, port, tmp_path)
        finally:
            process.terminate()
            process.wait(60)
            server.drop(url)


def listening(port: int) -> set[str]:
    """The addresses on which the port is listened on, as the kernel writes them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    places = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {address for address, number in places if int(number, 16) == port}


def test_the_procfile_serves_on_the_assigned_port_and_database(dyno: Dyno, report: Report) -> None:
    token, log = dyno.folder / "artifacts" / "admin.token", dyno.folder / "log"
    wait_until(lambda: "Hotswap serves at" in log.read_text(), "the dyno is not ready")

    verdict = swap_under_load(Target(f"http://127.0.0.1:{dyno.port}", token.read_text().strip()))

    assert listening(dyno.port) == {"00000000"}
    assert not (dyno.folder / "artifacts" / "registry.db").exists()
    report("heroku", "the Procfile, PORT and DATABASE_URL (PostgreSQL); not the buildpack", verdict)
