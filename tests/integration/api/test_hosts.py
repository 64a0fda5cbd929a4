"""Hosts that share a PostgreSQL database: what one answers holds on all of them."""

import pytest

from tests.integration.api.conftest import new_name
from tests.processes import wait_for

ROWS = {"instances": [[1.0, 2.0]]}


@pytest.fixture
def url(postgresql):
    url = postgresql.create(migrated=True)
    yield url
    postgresql.drop(url)


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


def test_a_promotion_on_one_host_holds_on_the_others_when_it_is_answered(make_host, artifacts):
    one, two = make_host("one"), make_host("two")
    name = promoted(one, artifacts, versions=3)
    for number in (2, 3, 1, 2):
        for host in (one, two):
            assert host.admin.promote(name, number).status_code == 200
            assert {version_of(other, name) for other in (one, two)} == {(200, str(number))}
