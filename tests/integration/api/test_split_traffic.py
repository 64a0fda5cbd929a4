"""The real shares of a split in ``GET …/split``, and whom its requests are counted for."""

import time

import pytest

from registry.watching.arm_counts import read_arms
from tests.integration.api.conftest import check_problem, new_name


@pytest.fixture
def split(service, artifacts):
    """The name of a model of which version 1 has 75 % and version 2 25 %."""
    name = new_name()
    for number in (1, 2):
        service.admin.upload(name, artifacts[f"line-{number}"])
    service.admin.promote(name, 1)
    answer = service.admin.put(path(name), json={"weights": {"1": 75, "2": 25}})
    assert answer.status_code == 200, answer.text
    return name


def path(name):
    return f"/models/{name}/aliases/production/split"


def ask(service, name, keys):
    """The versions that answer requests with these keys."""
    found = []
    for key in keys:
        answer = service.admin.post(
            f"/models/{name}/predict", json={"input": [1]}, headers={"X-Request-Key": key}
        )
        assert answer.status_code == 200, answer.text
        found.append(answer.json["version"])
    return found


def traffic_of(service, name, requests):
    """The traffic of the split as soon as it has so many requests."""
    deadline = time.monotonic() + 10
    while True:
        traffic = service.admin.get(path(name)).json["traffic"]
        if traffic is not None and traffic["requests"] == requests:
            return traffic
        assert time.monotonic() < deadline, traffic
        time.sleep(0.05)


def test_the_shares_of_requests_and_keys_are_shown(service, split):
    assert service.admin.get(path(split)).json["traffic"] is None
    keys = [f"k{number}" for number in range(20)]
    answered = ask(service, split, keys) + ask(service, split, ["k0"] * 20)

    traffic = traffic_of(service, split, 40)

    assert traffic["keys"] == 20
    # Keys are counted in 1,024 cells by a hash that is new in each run, so one that shares the
    # cell of "k0" is counted with it.
    assert 0.52 < traffic["largest_key_share"] < 0.58
    by_version = {arm["version"]: arm for arm in traffic["arms"]}
    for version in (1, 2):
        assert by_version[version]["requests"] == answered.count(version)
        assert by_version[version]["request_share"] == answered.count(version) / 40
        assert by_version[version]["key_share"] == answered[:20].count(version) / 20


def test_each_version_of_a_split_has_counts_of_its_own_for_guards(service, split):
    answered = ask(service, split, [f"k{number}" for number in range(12)])
    refused = service.admin.post(f"/models/{split}/predict", json={"other": [1]})
    check_problem(refused, 422, "input-refused")
    telemetry = service.app.extensions["hotswap-telemetry"]
    telemetry.flush()

    found = read_arms(telemetry.folder.path).of(split, "production")

    assert [found[number].answered for number in (1, 2)] == [answered.count(1), answered.count(2)]
    assert sum(arm.refused for arm in found.values()) == 1
    assert sum(arm.faults for arm in found.values()) == 0


def test_a_malformed_key_belongs_to_no_version(service, split):
    before = service.admin.get(path(split)).json["traffic"]
    answer = service.admin.post(
        f"/models/{split}/predict", json={"input": [1]}, headers={"X-Request-Key": "k" * 300}
    )

    check_problem(answer, 400, "request-key-malformed")
    assert service.admin.get(path(split)).json["traffic"] == before
