"""Rollbacks and the history."""

import re

import pytest

from tests.integration.api.conftest import check_problem


def rollback(caller, name, **body):
    return caller.post(f"/models/{name}/rollback", json=body)


@pytest.fixture
def promoted(admin, uploaded):
    """A model whose alias production pointed at 1, then 2, then 3."""
    name, _ = uploaded
    for version in (1, 2, 3):
        assert admin.promote(name, version).status_code == 200
    return name


def test_a_rollback_restores_the_previous_version(admin, promoted):
    answer = rollback(admin, promoted, reason="worse")
    assert answer.status_code == 200
    assert answer.json == {
        "model": promoted,
        "alias": "production",
        "version": 2,
        "previous_version": 3,
        "generation": 4,
        "gates": [],
    }
    predicted = admin.post(f"/models/{promoted}/predict", json={"input": [10]})
    assert predicted.json["version"] == 2


def test_a_second_rollback_goes_back_one_version_further(admin, promoted):
    assert admin.post(f"/models/{promoted}/rollback").json["version"] == 2
    assert rollback(admin, promoted).json["version"] == 1
    check_problem(rollback(admin, promoted), 409, "nothing-to-roll-back-to")
    assert admin.get(f"/models/{promoted}").json["aliases"] == {"production": 1}


def test_a_rollback_after_a_new_promotion_returns_to_its_predecessor(admin, promoted):
    rollback(admin, promoted)
    rollback(admin, promoted)
    admin.promote(promoted, 3)
    assert rollback(admin, promoted).json["version"] == 1


@pytest.mark.parametrize("to_version", [1, 1.0, 2])
def test_a_rollback_may_name_a_version(admin, promoted, to_version):
    assert rollback(admin, promoted, to_version=to_version).json["version"] == int(to_version)


def test_a_rollback_to_a_version_that_was_never_live_is_refused(admin, uploaded):
    name, _ = uploaded
    check_problem(rollback(admin, name), 404, "alias-not-found")
    admin.promote(name, 1)
    check_problem(rollback(admin, name), 409, "nothing-to-roll-back-to")
    check_problem(rollback(admin, name, to_version=3), 409, "nothing-to-roll-back-to")
    check_problem(rollback(admin, name, to_version=9), 404, "version-not-found")
    assert admin.get(f"/models/{name}").json["aliases"] == {"production": 1}


def test_a_rollback_to_an_archived_version_is_refused(admin, promoted):
    admin.delete(f"/models/{promoted}/2")
    check_problem(rollback(admin, promoted), 409, "version-not-ready")
    assert rollback(admin, promoted, to_version=1).json["version"] == 1


def test_each_alias_is_rolled_back_by_its_own_history(admin, promoted):
    admin.promote(promoted, 1, alias="canary")
    admin.promote(promoted, 3, alias="canary")
    assert rollback(admin, promoted, alias="canary").json["version"] == 1
    assert admin.get(f"/models/{promoted}").json["aliases"] == {"canary": 1, "production": 3}


def test_a_rollback_repeated_with_its_key_happens_once(admin, promoted):
    key = {"Idempotency-Key": f"rollback-{promoted}"}
    path = f"/models/{promoted}/rollback"
    first = admin.post(path, headers=key)
    again = admin.post(path, headers=key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    assert admin.get(f"/models/{promoted}").json["aliases"] == {"production": 2}


def test_the_history_lists_every_event_newest_first(service, fresh_name, artifacts):
    name = fresh_name
    writer = service.caller("upload", "promote")
    writer.upload(name, artifacts["line-1"])
    writer.upload(name, artifacts["line-2"])
    writer.promote(name, 1, reason="first")
    writer.promote(name, 2)
    rollback(writer, name, reason="worse")
    writer.patch(f"/models/{name}/2", json={"description": "x"})
    writer.patch(f"/models/{name}", json={"description": "x"})
    service.admin.delete(f"/models/{name}/2")
    writer.delete(f"/models/{name}/aliases/production")
    service.admin.delete(f"/models/{name}")

    page = writer.get(f"/models/{name}/history").json

    listed = [
        (event["type"], event["alias"], event["from_version"], event["to_version"], event["reason"])
        for event in page["items"]
    ]
    assert listed == [
        ("model_archived", None, None, None, None),
        ("alias_deleted", "production", 1, None, None),
        ("archived", None, 2, None, None),
        ("model_updated", None, None, None, None),
        ("version_updated", None, None, 2, None),
        ("rolled_back", "production", 2, 1, "worse"),
        ("promoted", "production", 1, 2, None),
        ("promoted", "production", None, 1, "first"),
        ("registered", None, None, 2, None),
        ("registered", None, None, 1, None),
        ("model_created", None, None, None, None),
    ]
    assert (page["page"], page["page_size"], page["total"]) == (1, 50, 11)
    assert {event["actor"] for event in page["items"][3:8]} == {"upload-promote"}
    promoted = page["items"][6]
    assert set(promoted) == {
        "seq",
        "at",
        "type",
        "actor",
        "reason",
        "alias",
        "from_version",
        "to_version",
        "hash",
    }
    assert re.fullmatch(r"[0-9a-f]{64}", promoted["hash"])
    sequence = [event["seq"] for event in page["items"]]
    assert sequence == sorted(sequence, reverse=True)


def test_the_history_is_paged(admin, promoted):
    path = f"/models/{promoted}/history"
    whole = admin.get(path).json["items"]
    page = admin.get(path, query_string={"page": 2, "page_size": 3}).json
    assert page["items"] == whole[3:6]
    assert (page["page"], page["page_size"], page["total"]) == (2, 3, len(whole))


def test_a_refused_promotion_records_no_event(admin, promoted):
    before = admin.get(f"/models/{promoted}/history").json
    admin.promote(promoted, 9)
    admin.promote(promoted, 1, expected_version=1)
    rollback(admin, promoted, to_version=9)
    assert admin.get(f"/models/{promoted}/history").json == before
