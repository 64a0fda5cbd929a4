"""Moving aliases: promote, PUT and DELETE of an alias, and their responses."""

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.integration.api.conftest import WatchedStream, check_problem, places


def answered_by(caller, name, reference=None):
    path = f"/models/{name}/predict" if reference is None else f"/models/{name}/{reference}/predict"
    answer = caller.post(path, json={"input": [10]})
    assert answer.status_code == 200, answer.text
    assert answer.json["version"] == int(answer.headers["X-Model-Version"])
    return answer.json["version"]


def test_the_first_promotion_creates_the_alias(admin, uploaded):
    name, _ = uploaded
    answer = admin.promote(name, 2, reason="better")
    assert answer.status_code == 200
    assert answer.json == {
        "model": name,
        "alias": "production",
        "version": 2,
        "previous_version": None,
        "generation": 1,
        "gates": [],
    }
    assert answered_by(admin, name) == 2


def test_a_promotion_moves_the_alias_and_increments_the_generation(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 1)
    moved = admin.promote(name, 3).json
    assert (moved["version"], moved["previous_version"], moved["generation"]) == (3, 1, 2)
    assert answered_by(admin, name) == 3
    assert answered_by(admin, name, "production") == 3
    assert answered_by(admin, name, 1) == 1


@pytest.mark.parametrize(
    "send", [{"data": b""}, {"json": {}}, {"data": b"", "content_type": "x/y"}]
)
def test_a_promotion_needs_no_body(admin, uploaded, send):
    name, _ = uploaded
    assert admin.post(f"/models/{name}/1/promote", **send).json["alias"] == "production"


def test_promoting_the_current_version_adds_no_event(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 1)
    before = admin.get(f"/models/{name}/history").json["total"]
    again = admin.promote(name, 1)
    assert again.status_code == 200
    assert (again.json["version"], again.json["previous_version"], again.json["generation"]) == (
        1,
        1,
        1,
    )
    assert admin.get(f"/models/{name}/history").json["total"] == before


@pytest.mark.parametrize("reference", ["latest", "canary"])
def test_an_alias_or_latest_can_be_promoted(admin, uploaded, reference):
    name, _ = uploaded
    admin.promote(name, 3, alias="canary")
    assert admin.promote(name, reference).json["version"] == 3


def test_aliases_of_a_model_move_independently(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 1)
    admin.promote(name, 3, alias="shadow-2_x")
    assert answered_by(admin, name) == 1
    assert answered_by(admin, name, "shadow-2_x") == 3


def test_a_wrong_expected_version_is_a_conflict(admin, uploaded):
    name, _ = uploaded
    check_problem(admin.promote(name, 1, expected_version=2), 409, "expected-version-conflict")
    assert admin.promote(name, 1, expected_version=None).status_code == 200
    check_problem(admin.promote(name, 2, expected_version=None), 409, "expected-version-conflict")
    check_problem(admin.promote(name, 2, expected_version=3), 409, "expected-version-conflict")
    check_problem(admin.promote(name, 1, expected_version=3), 409, "expected-version-conflict")
    assert admin.get(f"/models/{name}").json["aliases"] == {"production": 1}
    assert admin.promote(name, 2, expected_version=1.0).json["version"] == 2


def test_a_rollback_from_another_version_than_expected_is_a_conflict(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 1)
    admin.promote(name, 2)

    def roll_back(expected):
        return admin.post(f"/models/{name}/rollback", json={"expected_version": expected})

    check_problem(roll_back(1), 409, "expected-version-conflict")
    assert roll_back(2).json["version"] == 1
    check_problem(roll_back(2), 409, "expected-version-conflict")


def test_a_change_of_another_generation_than_expected_is_a_conflict(admin, uploaded):
    name, _ = uploaded
    first = admin.promote(name, 1, expected_generation=0).json["generation"]
    second = admin.promote(name, 1, alias="canary").json["generation"]
    aliases, back = f"/models/{name}/aliases/canary", f"/models/{name}/rollback"

    def stale(expected):
        return [
            admin.promote(name, 2, expected_generation=expected),
            admin.put(aliases, json={"version": 2, "expected_generation": expected}),
            admin.post(back, json={"to_version": 1, "expected_generation": expected}),
        ]

    for response in [*stale(first), admin.delete(f"{aliases}?expected_generation={first}")]:
        check_problem(response, 409, "expected-generation-conflict")
    for response in stale("1"):
        check_problem(response, 422, "body-refused")
    assert admin.promote(name, 2, expected_generation=second).json["generation"] == second + 1


@pytest.mark.parametrize(
    ("reference", "status", "slug"),
    [
        ("4", 404, "version-not-found"),
        ("staging", 404, "version-not-found"),
        ("01", 400, "reference-malformed"),
    ],
)
def test_an_unknown_version_cannot_be_promoted(admin, unchanged, reference, status, slug):
    name, _ = unchanged
    check_problem(admin.promote(name, reference), status, slug)
    assert admin.get(f"/models/{name}").json["aliases"] == {}


def test_a_version_of_an_unknown_model_cannot_be_promoted(admin):
    check_problem(admin.promote("nobody", 1), 404, "model-not-found")
    check_problem(admin.post("/models/nobody/rollback"), 404, "model-not-found")
    answer = admin.put("/models/nobody/aliases/x", json={"version": 1})
    check_problem(answer, 404, "model-not-found")
    check_problem(admin.delete("/models/nobody/aliases/x"), 404, "model-not-found")
    check_problem(admin.get("/models/nobody/aliases"), 404, "model-not-found")


def test_an_archived_version_cannot_be_promoted(admin, uploaded):
    name, _ = uploaded
    admin.delete(f"/models/{name}/1")
    check_problem(admin.promote(name, 1), 409, "version-not-ready")


BAD_ALIASES = [
    ("", 400),
    ("Latest", 400),
    ("1a", 400),
    ("-a", 400),
    ("a b", 400),
    ("a" * 129, 400),
    ("latest", 400),
    ("versions", 400),
    ("aliases", 400),
    ("history", 400),
    ("rollback", 400),
    ("predict", 400),
    ("policy", 400),
    ("holdout", 400),
    ("compare", 400),
]
"""Not those that were aliases in earlier releases: they are looked up first."""


@pytest.mark.parametrize(("alias", "status"), BAD_ALIASES)
def test_a_malformed_or_reserved_alias_is_refused(admin, unchanged, alias, status):
    name, _ = unchanged
    check_problem(admin.promote(name, 1, alias=alias), status, "alias-malformed")
    answer = admin.post(f"/models/{name}/rollback", json={"alias": alias})
    check_problem(answer, status, "alias-malformed")
    if alias:
        put = admin.put(f"/models/{name}/aliases/{alias}", json={"version": 1})
        check_problem(put, status, "alias-malformed")
        gone = admin.delete(f"/models/{name}/aliases/{alias}")
        check_problem(gone, status, "alias-malformed")
    assert admin.get(f"/models/{name}").json["aliases"] == {}


WRONG_VALUES = ["1", True, 1.5, [1], {"a": 1}, 0, -1, 2**31, 10**30]
NO_OBJECTS = [b"null", b"[]", b"[1]", b'"x"', b"1", b"true"]
NO_JSON = [b"{", b"version=1", b"{'a': 1}", b'{"version": NaN}', b"\xff", b'{"reason": "\\ud800"}']


@pytest.mark.parametrize("value", WRONG_VALUES)
def test_a_malformed_version_is_refused(admin, unchanged, value):
    name, _ = unchanged
    for answer, at in [
        (admin.promote(name, 1, expected_version=value), "expected_version"),
        (admin.post(f"/models/{name}/rollback", json={"to_version": value}), "to_version"),
        (admin.put(f"/models/{name}/aliases/a", json={"version": value}), "version"),
    ]:
        check_problem(answer, 422, "body-refused")
        assert places(answer) == [at]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"alias": 5}, "alias"),
        ({"alias": None}, "alias"),
        ({"reason": 5}, "reason"),
        ({"reason": "r" * 2001}, "reason"),
        ({"reason": "\x00"}, "reason"),
        ({"force": "true"}, "force"),
        ({"force": 1}, "force"),
        ({"force": None}, "force"),
        ({"to": 5}, "to"),
        ({"to_version": 5}, "to_version"),
    ],
)
def test_an_invalid_promotion_is_refused_with_the_location_of_the_fault(admin, unchanged, body, at):
    name, _ = unchanged
    answer = admin.post(f"/models/{name}/1/promote", json=body)
    check_problem(answer, 422, "body-refused")
    assert places(answer) == [at]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "version"),
        ({"version": None}, "version"),
        ({"version": 1, "alias": "b"}, "alias"),
        ({"version": 1, "expected_version": "1"}, "expected_version"),
    ],
)
def test_an_invalid_alias_target_is_refused_with_the_location_of_the_fault(
    admin, unchanged, body, at
):
    name, _ = unchanged
    answer = admin.put(f"/models/{name}/aliases/a", json=body)
    check_problem(answer, 422, "body-refused")
    assert places(answer) == [at]


MOVES = [
    ("POST", "/models/{}/1/promote"),
    ("POST", "/models/{}/rollback"),
    ("PUT", "/models/{}/aliases/a"),
]


@pytest.mark.parametrize(("method", "path"), MOVES)
@pytest.mark.parametrize("body", NO_OBJECTS)
def test_json_other_than_an_object_is_refused(admin, unchanged, method, path, body):
    name, _ = unchanged
    answer = admin.ask(method, path.format(name), data=body, content_type="application/json")
    check_problem(answer, 422, "body-refused")
    assert places(answer) == ["body"]


@pytest.mark.parametrize(("method", "path"), MOVES)
@pytest.mark.parametrize("body", NO_JSON)
def test_invalid_json_is_malformed(admin, unchanged, method, path, body):
    name, _ = unchanged
    answer = admin.ask(method, path.format(name), data=body, content_type="application/json")
    check_problem(answer, 400, "body-malformed")


@pytest.mark.parametrize(("method", "path"), MOVES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_unsupported(admin, unchanged, method, path, content_type):
    name, _ = unchanged
    answer = admin.ask(method, path.format(name), data=b"{}", content_type=content_type)
    check_problem(answer, 415, "format-unsupported")


def test_a_body_above_one_megabyte_is_too_large(admin, unchanged):
    name, _ = unchanged
    check_problem(admin.promote(name, 1, reason="r" * 2**20), 413, "too-large")
    stream = WatchedStream(b"{}".ljust(50 * 2**20))
    answer = admin.stream(f"/models/{name}/1/promote", stream, "application/json")
    check_problem(answer, 413, "too-large")
    assert stream.taken < 2 * 2**20
    assert admin.get(f"/models/{name}").json["aliases"] == {}


def test_putting_an_alias_promotes_under_it(admin, uploaded):
    name, _ = uploaded
    answer = admin.put(f"/models/{name}/aliases/canary", json={"version": 2, "reason": "try it"})
    assert answer.status_code == 200
    assert answer.json == {
        "model": name,
        "alias": "canary",
        "version": 2,
        "previous_version": None,
        "generation": 1,
        "gates": [],
    }
    assert answered_by(admin, name, "canary") == 2
    event = admin.get(f"/models/{name}/history").json["items"][0]
    assert (event["type"], event["alias"], event["reason"]) == ("promoted", "canary", "try it")
    stale = admin.put(f"/models/{name}/aliases/canary", json={"version": 1, "expected_version": 1})
    check_problem(stale, 409, "expected-version-conflict")
    missing = admin.put(f"/models/{name}/aliases/canary", json={"version": 9})
    check_problem(missing, 404, "version-not-found")


def test_aliases_are_listed_by_name(admin, uploaded):
    name, _ = uploaded
    empty = admin.get(f"/models/{name}/aliases").json
    assert (empty["items"], empty["page"], empty["total"]) == ([], 1, 0)
    for alias, version in [("production", 2), ("canary", 3)]:
        admin.put(f"/models/{name}/aliases/{alias}", json={"version": version})
    listed = admin.get(f"/models/{name}/aliases").json
    assert set(listed) == {"items", "page", "page_size", "total"}
    assert [(one["alias"], one["version"]) for one in listed["items"]] == [
        ("canary", 3),
        ("production", 2),
    ]
    assert (listed["page"], listed["total"]) == (1, 2)


def test_an_alias_shows_its_last_move_and_what_a_rollback_goes_back_to(admin, uploaded):
    name, _ = uploaded

    def production():
        return admin.get(f"/models/{name}/aliases").json["items"][0]

    admin.promote(name, 1)
    assert (production()["rollback_to"], production()["trail"]) == (None, [])
    admin.promote(name, 2)
    admin.promote(name, 3, reason="lower error")
    shown = production()
    assert shown["since"] == admin.get(f"/models/{name}/history").json["items"][0]["at"]
    assert {key: value for key, value in shown.items() if key != "since"} == {
        "alias": "production",
        "version": 3,
        "split": None,
        "by": "admin (HOTSWAP_ADMIN_TOKEN)",
        "reason": "lower error",
        "forced": False,
        "rolled_back": False,
        "rollback_to": 2,
        "trail": [2, 1],
        "loaded_in": 1,
        "workers": 1,
    }

    admin.post(f"/models/{name}/rollback", json={"reason": "slow"})

    # Not back to 3, which was the version before.
    assert (production()["rollback_to"], production()["reason"]) == (1, "slow")
    assert admin.post(f"/models/{name}/rollback", json={}).json["version"] == 1


def test_one_alias_is_shown_as_in_the_list(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 2)
    (listed,) = admin.get(f"/models/{name}/aliases").json["items"]
    assert admin.get(f"/models/{name}/aliases/production").json == listed
    check_problem(admin.get(f"/models/{name}/aliases/canary"), 404, "alias-not-found")
    check_problem(admin.get(f"/models/{name}/aliases/latest"), 400, "alias-malformed")
    check_problem(admin.get("/models/nobody/aliases/canary"), 404, "model-not-found")


def test_an_alias_shows_what_it_pointed_at_at_a_time(admin, uploaded):
    """Each time is that of an event: the alias pointed there from this millisecond on."""
    name, _ = uploaded
    path = f"/models/{name}/aliases/production"
    for version in (1, 2):
        apart()
        admin.promote(name, version, reason=f"try {version}")
    apart()
    admin.post(f"/models/{name}/rollback", json={"reason": "slow"})
    apart()
    admin.delete(path)
    apart()
    admin.promote(name, 3)
    apart()
    admin.delete(f"/models/{name}")
    archived, third, deleted, back, second, first = (
        event["at"] for event in admin.get(f"/models/{name}/history?page_size=6").json["items"]
    )

    def at(time):
        return admin.get(path, query_string={"at": time})

    by = "admin (HOTSWAP_ADMIN_TOKEN)"
    moved = {"alias": "production", "by": by, "forced": False}
    assert at(first).json == {
        **moved,
        "version": 1,
        "since": first,
        "until": second,
        "reason": "try 1",
        "rolled_back": False,
    }
    assert at(second).json["version"] == 2
    assert at(back).json == {
        **moved,
        "version": 1,
        "since": back,
        "until": deleted,
        "reason": "slow",
        "rolled_back": True,
    }
    between = datetime.fromisoformat(deleted) - timedelta(milliseconds=1)
    assert at(between.astimezone(timezone(timedelta(hours=5))).isoformat()).json["since"] == back
    assert at(third).json["version"] == 3
    assert third < at(third).json["until"] <= archived
    before = (datetime.fromisoformat(first) - timedelta(milliseconds=1)).isoformat()
    for never in (before, deleted, archived, "9000-01-01T00:00:00Z"):
        assert "had no alias" in check_problem(at(never), 404, "alias-not-found")["detail"]
    for wrong in ("2026-11-21T06:00", "yesterday", "0001-01-01T00:00:00+05:00", ""):
        check_problem(at(wrong), 400, "parameter-malformed")


def test_a_time_in_the_future_shows_what_an_alias_points_at_now(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 2)
    shown = admin.get(f"/models/{name}/aliases/production?at=2999-01-01T00:00:00Z").json
    assert (shown["version"], shown["until"]) == (2, None)


def apart():
    """Wait until the next event has another time than the last."""
    time.sleep(0.002)


def test_a_deleted_alias_no_longer_answers(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 2)
    answer = admin.delete(f"/models/{name}/aliases/production")
    assert (answer.status_code, answer.data) == (204, b"")
    check_problem(
        admin.post(f"/models/{name}/predict", json={"input": [1]}), 404, "version-not-found"
    )
    gone = admin.delete(f"/models/{name}/aliases/production")
    check_problem(gone, 404, "alias-not-found")


def test_a_repeated_promotion_returns_the_first_response(admin, uploaded):
    name, _ = uploaded
    key = {"Idempotency-Key": f"promote-{name}"}
    path = f"/models/{name}/2/promote"
    first = admin.post(path, json={"reason": "x"}, headers=key)
    admin.promote(name, 1)

    again = admin.post(path, json={"reason": "x"}, headers=key)

    assert (again.status_code, again.json) == (200, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert admin.get(f"/models/{name}").json["aliases"] == {"production": 1}
    other = admin.post(path, json={"reason": "y"}, headers=key)
    check_problem(other, 409, "idempotency-key-reused")
    other = admin.post(f"/models/{name}/3/promote", json={"reason": "x"}, headers=key)
    check_problem(other, 409, "idempotency-key-reused")


def damage(path):
    path.write_bytes(b"rotten")


@pytest.mark.parametrize("harm", [damage, Path.unlink])
def test_a_version_with_damaged_or_lost_bytes_is_not_promoted_even_if_it_is_in_memory(
    make_app, artifacts, harm
):
    service = make_app()
    service.admin.upload("m", artifacts["line-1"])
    held = service.stored()
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 1)
    assert service.admin.post("/models/m/2/predict", json={"input": [1]}).status_code == 200
    for path in service.stored() - held:
        harm(service.data / "blobs" / path)

    answer = service.admin.promote("m", 2)

    check_problem(answer, 409, "version-not-loadable")
    assert service.admin.post("/models/m/predict", json={"input": [1]}).json["version"] == 1


def test_a_version_with_a_lost_artifact_is_not_promoted_even_if_no_worker_reads_it(
    make_app, artifacts
):
    service = make_app()
    service.admin.upload("m", artifacts["line-1"])
    digest = service.admin.get("/models/m/1").json["artifact"]["sha256"]
    service.services.blobs.path_of(digest).unlink()

    check_problem(service.admin.promote("m", 1), 409, "version-not-loadable")
