"""Splits over HTTP: their routes, their refusals, and what other routes say of them."""

import pytest

from tests.integration.api.conftest import check_problem, new_name, upload_lines

CANARY = {"1": 90, "2": 10}


@pytest.fixture
def live(admin, uploaded):
    """The name of a model with three versions, whose first is in production."""
    name, _ = uploaded
    admin.promote(name, 1)
    return name


@pytest.fixture(scope="module")
def unchanging(service, artifacts):
    """As ``live``, but one for all tests whose requests are refused."""
    name = new_name()
    upload_lines(service.admin, name, artifacts)
    service.admin.promote(name, 1)
    return name


def path(name, alias="production"):
    return f"/models/{name}/aliases/{alias}/split"


def put(caller, name, weights=None, headers=None, alias="production", **body):
    json = {"weights": weights or CANARY, **body}
    return caller.put(path(name, alias), json=json, headers=headers)


def test_an_alias_is_split_shown_and_ended(admin, live):
    made = put(admin, live, {"1": 94.75, "2": 5.25}, by="token", reason="try it")
    assert made.status_code == 200, made.text
    shown = admin.get(path(live))
    assert shown.status_code == 200
    split = {key: value for key, value in shown.json.items() if key != "traffic"}
    assert {**split, "since": None} == {
        "model": live,
        "alias": "production",
        "version": 1,
        "by": "token",
        "arms": [{"version": 1, "weight": 94.75}, {"version": 2, "weight": 5.25}],
        "generation": 2,
        "since": None,
        "changed_by": "admin (HOTSWAP_ADMIN_TOKEN)",
        "reason": "try it",
    }
    (gate,) = made.json["gates"]
    assert made.json == {**split, "gates": [gate]}
    assert (gate["version"], gate["gate"], gate["passed"]) == (2, "signature compatible", True)

    ended = admin.delete(f"{path(live)}?reason=enough")
    assert ended.status_code == 200
    assert ended.json == {
        "model": live,
        "alias": "production",
        "version": 1,
        "previous_version": 1,
        "generation": 3,
        "gates": [],
        "split_ended": True,
    }
    check_problem(admin.get(path(live)), 404, "split-not-found")
    check_problem(admin.delete(path(live)), 404, "split-not-found")
    events = admin.get(f"/models/{live}/history").json["items"][:2]
    assert [(one["type"], one["reason"]) for one in events] == [
        ("split_ended", "enough"),
        ("split_changed", "try it"),
    ]


def test_whole_weights_are_whole_numbers_in_json(admin, live):
    assert '"weight":90}' in put(admin, live, {"1": 90.0, "2": 10.0}).text.replace(" ", "")
    assert '"weight":90}' in admin.get(f"/models/{live}/aliases").text.replace(" ", "")


def test_aliases_show_their_splits(admin, live):
    admin.promote(live, 3, alias="blue")
    put(admin, live)

    listed = {one["alias"]: one for one in admin.get(f"/models/{live}/aliases").json["items"]}
    one = admin.get(f"/models/{live}/aliases/production").json

    arms = [{"version": 1, "weight": 90}, {"version": 2, "weight": 10}]
    assert listed["production"]["split"] == one["split"] == {"by": "header", "arms": arms}
    assert (one["version"], listed["blue"]["split"]) == (1, None)
    assert admin.get(f"/models/{live}").json["aliases"] == {"blue": 3, "production": 1}


def test_a_repeated_key_returns_the_first_response(admin, live):
    key = {"Idempotency-Key": f"split-{live}"}
    first = put(admin, live, headers=key)
    again = put(admin, live, headers=key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    check_problem(put(admin, live, {"1": 1, "2": 99}, key), 409, "idempotency-key-reused")
    assert "Idempotent-Replayed" not in first.headers

    key = {"Idempotency-Key": f"end-{live}"}
    first = admin.delete(path(live), headers=key)
    put(admin, live)
    again = admin.delete(path(live), headers=key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    assert admin.get(path(live)).status_code == 200


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({}, "body-refused"),
        ({"weights": {}}, "split-refused"),
        ({"weights": {"1": 100}}, "split-refused"),
        ({"weights": {"1": 50, "2": 40}}, "split-refused"),
        ({"weights": {"1": 94.755, "2": 5.245}}, "split-refused"),
        ({"weights": {"2": 50, "3": 50}}, "split-refused"),
        ({"weights": {"1": 101, "2": -1}}, "body-refused"),
        ({"weights": {"1": "90", "2": 10}}, "body-refused"),
        ({"weights": {"one": 90, "2": 10}}, "body-refused"),
        ({"weights": {"01": 90, "2": 10}}, "body-refused"),
        ({"weights": {str(n): 20 for n in range(1, 6)}}, "body-refused"),
        ({"weights": CANARY, "by": "column"}, "body-refused"),
        ({"weights": CANARY, "unknown": 1}, "body-refused"),
        ({"weights": CANARY, "force": True}, "body-refused"),
        ({"weights": CANARY, "gates": ["nonsense"]}, "gate-malformed"),
        ({"weights": CANARY, "expected_version": 2}, "expected-version-conflict"),
        ({"weights": CANARY, "expected_generation": 0}, "expected-generation-conflict"),
        ({"weights": CANARY, "gates": ["rmse < 0.001"]}, "gate-failed"),
        ({"weights": {"1": 90, "9": 10}}, "version-not-found"),
    ],
)
def test_what_cannot_be_split_is_refused(admin, unchanging, body, slug):
    response = admin.put(path(unchanging), json=body)
    status = 409 if slug.endswith(("conflict", "failed")) else 422
    check_problem(response, 404 if slug == "version-not-found" else status, slug)
    check_problem(admin.get(path(unchanging)), 404, "split-not-found")


def test_an_alias_or_a_model_that_does_not_exist_is_not_found(admin, live):
    for ask in (put, lambda caller, name, alias: caller.get(path(name, alias))):
        check_problem(ask(admin, live, alias="blue"), 404, "alias-not-found")
        check_problem(ask(admin, "nowhere", alias="blue"), 404, "model-not-found")
    check_problem(admin.delete(path(live, "blue")), 404, "alias-not-found")
    check_problem(admin.delete(path("nowhere")), 404, "model-not-found")


def test_the_end_depends_on_the_expected_generation(admin, live):
    put(admin, live)
    stale = admin.delete(f"{path(live)}?expected_generation=1")
    check_problem(stale, 409, "expected-generation-conflict")
    check_problem(admin.delete(f"{path(live)}?expected_generation=x"), 400, "parameter-malformed")
    assert admin.delete(f"{path(live)}?expected_generation=2").json["generation"] == 3


def test_a_split_requires_the_scope_promote_and_force_the_scope_admin(service, live):
    reader, promoter = service.caller("predict"), service.caller("promote")
    check_problem(put(reader, live), 403, "scope-missing")
    check_problem(reader.delete(path(live)), 403, "scope-missing")
    check_problem(put(promoter, live, force=True, reason="urgent"), 403, "scope-missing")
    assert put(promoter, live).status_code == 200
    assert reader.get(path(live)).status_code == 200
    assert promoter.delete(path(live)).status_code == 200


def test_a_promotion_of_another_version_is_a_conflict_unless_it_may_end_the_split(admin, live):
    put(admin, live)
    problem = check_problem(admin.promote(live, 3), 409, "split-active")
    assert '"end_split": true' in problem["detail"]
    aliases = f"/models/{live}/aliases/production"
    check_problem(admin.put(aliases, json={"version": 3}), 409, "split-active")

    moved = admin.put(aliases, json={"version": 3, "end_split": True}).json
    assert (moved["version"], moved["previous_version"], moved["split_ended"]) == (3, 1, True)
    put(admin, live, {"3": 50, "1": 50})
    assert admin.promote(live, 2, end_split=True).json["split_ended"] is True


def test_a_rollback_ends_the_split_and_the_next_one_goes_back(admin, live):
    admin.promote(live, 2)
    put(admin, live, {"2": 50, "3": 50})
    rollback = f"/models/{live}/rollback"

    first = admin.post(rollback, json={"expected_version": 2}).json
    assert (first["version"], first["split_ended"]) == (2, True)
    assert admin.post(rollback).json["version"] == 1


def test_an_arm_cannot_be_archived_and_archiving_the_model_ends_the_split(admin, live):
    put(admin, live)
    check_problem(admin.delete(f"/models/{live}/2"), 409, "version-has-alias")
    assert admin.delete(f"/models/{live}").status_code == 204
    check_problem(admin.get(path(live)), 404, "alias-not-found")


def test_mlflows_clients_get_the_champion_and_do_not_end_a_split_unasked(admin, live):
    put(admin, live)
    base = "/api/2.0/mlflow/registered-models/alias"
    target = {"name": live, "alias": "production"}

    assert admin.get(base, query_string=target).json["model_version"]["version"] == "1"
    refused = admin.post(base, json={**target, "version": "3"})
    assert refused.status_code == 409, refused.text
    assert "is split over the versions 1 and 2" in refused.json["message"]
    assert admin.post(base, json={**target, "version": "2"}).status_code == 200
    assert admin.get(f"/models/{live}/aliases/production").json["version"] == 2

    put(admin, live, {"2": 50, "3": 50})
    assert admin.delete(base, json=target).status_code == 200
    assert admin.get(f"/models/{live}").json["aliases"] == {}


def test_the_metrics_show_the_weights(admin, live):
    put(admin, live, {"1": 94.75, "2": 5.25})
    shown = admin.get("/metrics").text
    labels = f'alias="production",model="{live}",version='
    assert f'hotswap_split_weight{{{labels}"1"}} 94.75' in shown
    assert f'hotswap_split_weight{{{labels}"2"}} 5.25' in shown
    admin.delete(path(live))
    assert f"hotswap_split_weight{{{labels}" not in admin.get("/metrics").text
