"""The database is restored from an older dump while hosts run, as an operator should not do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import requests
from sqlalchemy import make_url

from benchmarks.service import upload
from benchmarks.swap import Target, constant_model
from tests.hosts.hosts import Cluster, Host, cluster
from tests.hosts.test_uploads import send
from tests.processes import wait_for

LEASE_SECONDS = 3
MODEL = "iris"


@contextmanager
def maintenance(own: Cluster) -> Iterator[tuple[psycopg.Connection, str]]:
    """A connection to another database of the same server, and the name of that of the hosts, to
    which nobody can connect in the block."""
    url = make_url(own.database_url)
    other = url.set(drivername="postgresql", database="postgres")
    name = str(url.database)
    with psycopg.connect(other.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield admin, name
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def dump(own: Cluster) -> None:
    with maintenance(own) as (admin, name):
        admin.execute(f"CREATE DATABASE {name}_dump TEMPLATE {name}")


def restore(own: Cluster) -> None:
    with maintenance(own) as (admin, name):
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute(f"ALTER DATABASE {name}_dump RENAME TO {name}")


def ready(host: Host) -> None:
    wait_for(host.is_ready, 60)


def promote(own: Cluster, host: Host, number: int) -> None:
    send(own, host, "POST", f"/models/{MODEL}/{number}/promote")


def answer(own: Cluster, host: Host) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {own.token}"}
    body = {"instances": [[1.0, 2.0]]}
    reply = requests.post(
        f"{host.url}/models/{MODEL}/predict", json=body, headers=headers, timeout=60
    )
    return reply.status_code, reply.json().get("predictions")


@pytest.mark.slow
def test_hosts_follow_a_restored_database_that_has_caught_up(tmp_path: Path) -> None:
    settings = {"HOTSWAP_LEASE_SECONDS": str(LEASE_SECONDS)}
    with cluster(tmp_path, hosts=2, workers=2, **settings) as own:
        first, second = own.hosts
        target = Target(first.url, own.token, MODEL)
        for number in range(1, 4):
            assert upload(target, MODEL, constant_model(float(number))) == number
        promote(own, first, 1)
        dump(own)
        for host in own.hosts:
            ready(host)
        promote(own, first, 2)
        assert answer(own, second) == (200, [2.0])

        second.pause()
        restore(own)
        time.sleep(LEASE_SECONDS)
        ready(first)
        promote(own, first, 3)  # as many events as the second host has read
        second.resume()

        given = set()
        deadline = time.monotonic() + 3 * LEASE_SECONDS
        while time.monotonic() < deadline:
            status, prediction = answer(own, second)
            given.add(str(prediction) if status == 200 else status)
        assert given - {503} == {"[3.0]"}
        for number in (1, 2):
            promote(own, first, number)
            for host in own.hosts:
                assert answer(own, host) == (200, [float(number)])
        for host in own.hosts:
            assert "the database was restored" in host.log.read_text()
