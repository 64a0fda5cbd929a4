"""Hosts that share a PostgreSQL database: what one answers holds on all of them."""

import shutil
import time

import pytest

from registry.errors import HostNotAlone
from registry.hosts.sql_store import SqlHostStore
from registry.hosts.store import Presence
from registry.operations.forget_host import forget_host
from registry.storage.database import Database
from tests.integration.api.conftest import new_name
from tests.postgresql import Wire
from tests.processes import wait_for

ROWS = {"instances": [[1.0, 2.0]]}
SECOND = 10**9


@pytest.fixture
def url(postgresql):
    url = postgresql.create(migrated=True)
    yield url
    postgresql.drop(url)


@pytest.fixture
def wire(url):
    wire = Wire(url)
    yield wire
    wire.close()


@pytest.fixture
def make_host(make_app, tmp_path, url):
    """Makes the app of another host, with a folder of blobs that all share."""
    (tmp_path / "blobs").mkdir(mode=0o700)

    def make(name, **settings):
        data = tmp_path / name
        data.mkdir(mode=0o700)
        (data / "blobs").symlink_to(tmp_path / "blobs")
        given = {"database_url": url, "host_name": name, "data": data, **settings}
        host = make_app(**given)
        wait_for(lambda: host.stranger().get("/readyz").status_code == 200)
        return host

    return make


def promoted(host, artifacts, versions=1):
    """A model whose version 1 is in production, of ``versions`` versions."""
    name = new_name()
    for _ in range(versions):
        assert host.admin.upload(name, artifacts["plane"]).status_code == 201
    assert host.admin.promote(name, 1).status_code == 200
    return name


def version_of(host, name):
    answer = host.admin.post(f"/models/{name}/predict", json=ROWS)
    return answer.status_code, answer.headers.get("X-Model-Version") or answer.text


def lost(url, name="three", lease=60 * SECOND):
    """The row of a host that was killed just now."""
    store = SqlHostStore(url, 2.0)
    store.present(Presence(name, 3, "1.0", 2), "live", lease)
    store.close()


def forget(url, name="three"):
    database = Database(url)
    forget_host(database, name)
    database.dispose()


def test_changes_on_one_host_hold_on_the_others_when_they_are_answered(make_host, artifacts):
    one, two = make_host("one"), make_host("two")
    name = promoted(one, artifacts, versions=3)
    for number in (3, 2):
        for host in (one, two):
            assert host.admin.promote(name, number).status_code == 200
            assert {version_of(other, name) for other in (one, two)} == {(200, str(number))}
    token = two.admin.post("/tokens", json={"name": "ci", "scopes": ["predict"]}).json
    bearer = {"headers": {"Authorization": f"Bearer {token['token']}"}, "json": ROWS}
    assert one.stranger().post(f"/models/{name}/predict", **bearer).status_code == 200

    assert two.admin.delete(f"/tokens/{token['id']}").status_code == 204
    assert one.stranger().post(f"/models/{name}/predict", **bearer).status_code == 401
    assert two.admin.delete(f"/models/{name}/aliases/production").status_code == 204
    assert version_of(one, name)[0] == 404

    listed = one.admin.get("/hosts").json
    assert listed["answered_by"] == "one"
    assert [(host["name"], host["state"]) for host in listed["items"]] == [
        ("one", "live"),
        ("two", "live"),
    ]
    assert 'hotswap_hosts{state="live"} 2.0' in one.admin.get("/metrics").text


def test_a_version_that_another_host_cannot_load_is_not_promoted(make_host, artifacts, tmp_path):
    one, two = make_host("one"), make_host("two")
    name = promoted(one, artifacts)
    (two.data / "blobs").unlink()
    shutil.copytree(one.data / "blobs", two.data / "blobs")
    assert one.admin.upload(name, artifacts["housing"]).status_code == 201

    answer = one.admin.promote(name, 2)

    assert answer.status_code == 409
    assert answer.json["type"].endswith("version-not-loadable")
    assert "Host 'two'" in answer.json["detail"]
    assert {version_of(host, name) for host in (one, two)} == {(200, "1")}


@pytest.mark.slow  # it waits for a lease; hosts/test_membership.py has those that are over
def test_a_host_that_is_cut_off_answers_no_more_when_a_promotion_has_waited_for_it(
    make_host, artifacts, wire, caplog
):
    one = make_host("one", lease_seconds=3)
    two = make_host("two", lease_seconds=3, database_url=wire.url)
    name = promoted(one, artifacts, versions=2)
    assert version_of(two, name) == (200, "1")

    wire.cut()
    began = time.monotonic()
    assert one.admin.promote(name, 2).status_code == 200
    took = time.monotonic() - began

    assert 0.5 < took < 8
    status, said = version_of(two, name)
    assert (status, "HOTSWAP_LEASE_SECONDS" in said) == (503, True)
    assert two.stranger().get("/readyz").status_code == 503
    caplog.clear()
    assert {version_of(two, name)[0] for _ in range(10)} == {503}
    assert sum("LeaseOver" in line for line in caplog.messages) <= 1
    assert version_of(one, name) == (200, "2")
    wire.mend()
    wait_for(lambda: two.stranger().get("/readyz").status_code == 200)
    assert version_of(two, name) == (200, "2")


def test_a_host_may_serve_on_and_says_so(make_host, artifacts, wire):
    one = make_host("one", lease_seconds=2, without_lease="serve")
    two = make_host("two", lease_seconds=2, without_lease="serve", database_url=wire.url)
    name = promoted(one, artifacts, versions=2)
    assert version_of(two, name) == (200, "1")

    wire.cut()
    answer = one.admin.promote(name, 2)

    assert (answer.status_code, answer.json["unconfirmed_hosts"]) == (200, ["two"])
    archived = one.admin.delete(f"/models/{name}/1")
    assert archived.status_code == 204
    for changed in (answer, archived):
        assert changed.headers["X-Hotswap-Unconfirmed-Hosts"] == "two"
    served = two.admin.post(f"/models/{name}/predict", json=ROWS)
    assert (served.status_code, served.headers["X-Model-Version"]) == (200, "1")
    assert int(served.headers["X-Hotswap-Unconfirmed"]) >= 0
    fresh = one.admin.post(f"/models/{name}/predict", json=ROWS)
    assert not {"X-Hotswap-Unconfirmed", "X-Hotswap-Unconfirmed-Hosts"}.intersection(fresh.headers)
    wire.mend()
    wait_for(lambda: version_of(two, name) == (200, "2"))


def test_a_host_that_was_killed_can_be_forgotten(make_host, artifacts, url):
    one = make_host("one")
    name = promoted(one, artifacts, versions=2)
    lost(url)

    assert one.admin.delete("/hosts/three").status_code == 204
    assert one.admin.delete("/hosts/three").status_code == 404
    began = time.monotonic()
    assert one.admin.promote(name, 2).status_code == 200
    assert time.monotonic() - began < 10


def test_a_host_without_a_lease_answers_only_while_no_other_host_uses_its_database(
    make_host, artifacts, url
):
    one = make_host("one", lease_seconds=0)
    name = promoted(one, artifacts)
    lost(url)

    with pytest.raises(HostNotAlone):
        one.services.alone.look()

    assert version_of(one, name)[0] == 503
    assert one.stranger().get("/readyz").status_code == 503
    forget(url)
    one.services.alone.look()
    assert version_of(one, name) == (200, "1")


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["%00", "a%00b", "%ff", "x" * 5000])
def test_a_name_that_no_host_has_is_not_found(make_app, url, name):
    answer = make_app(database_url=url, lease_seconds=0).admin.delete(f"/hosts/{name}")

    assert (answer.status_code, answer.json["type"]) == (404, "/problems/host-not-found")
    assert len(answer.json["detail"]) < 120


@pytest.mark.sqlite
def test_there_are_no_hosts_on_sqlite(service):
    assert service.admin.get("/hosts").json["items"] == []
    assert service.admin.delete("/hosts/one").status_code == 404
