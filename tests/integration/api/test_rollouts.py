"""The routes of rollouts, and their metric."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.swap import constant_model
from tests.integration.api.conftest import check_problem, new_name

PLAN = {
    "steps": [
        {"weight": 5, "minutes": 10, "requests": 2000},
        {"weight": 25.5, "minutes": 30},
        {"weight": 100},
    ],
    "guards": ["faults <= champion * 2 + 0.5%"],
}


@pytest.fixture
def model(service, fresh_name):
    """A model with three versions, of which the first is in production."""
    for value in (1.0, 2.0, 3.0):
        service.admin.upload(fresh_name, constant_model(value))
    service.admin.promote(fresh_name, 1)
    return fresh_name


@pytest.fixture(scope="module")
def unchanging(service):
    """As ``model``, but one for all tests whose requests are refused."""
    name = new_name()
    for value in (1.0, 2.0, 3.0):
        service.admin.upload(name, constant_model(value))
    service.admin.promote(name, 1)
    return name


def path(model, verb=""):
    return f"/models/{model}/aliases/production/rollout{verb}"


def start(caller, model, version=2, headers=None, **more):
    return caller.put(path(model), json={**PLAN, "version": version, **more}, headers=headers)


def events(service, model):
    return [event["type"] for event in service.admin.get(f"/models/{model}/history").json["items"]]


def live(service, model):
    return service.admin.get(f"/models/{model}/aliases/production").json["version"]


def test_a_rollout_begins_with_a_split_of_the_alias(service, model):
    started = start(service.admin, model, reason="lower rmse")

    assert started.status_code == 200
    shown = started.json
    assert (shown["model"], shown["alias"]) == (model, "production")
    assert (shown["version"], shown["champion"], shown["state"]) == (2, 1, "running")
    assert (shown["step"], shown["revision"], shown["watched"]) == (1, 1, True)
    assert shown["requests"] == {"canary": 0, "champion": 0}
    assert shown["plan"] == {
        "steps": [
            {"weight": 5, "minutes": 10, "requests": 2000},
            {"weight": 25.5, "minutes": 30, "requests": 1},
            {"weight": 100},
        ],
        "guards": ["faults <= champion * 2 + 0.5%"],
        "require": [],
        "by": "header",
        "deadline": "24h",
        "at_deadline": "hold",
        "unwatched": "hold",
        "bake": 60,
    }
    (guard,) = shown["guards"]
    assert (guard["guard"], guard["verdict"], guard["e_value"]) == (
        "faults <= champion * 2 + 0.5%",
        "undecided",
        1.0,
    )
    assert shown["ended_at"] is shown["cooldown_until"] is None
    assert live(service, model) == 1
    assert set(events(service, model)) > {"split_changed", "rollout_started"}
    read = service.caller("predict").get(path(model)).json
    assert {**read, "reason": None} == {**shown, "reason": None}
    assert read["reason"].startswith("Step 1 of 3, a weight of 5 %")


def test_a_repeated_request_changes_nothing(service, model):
    first = start(service.admin, model).json
    happened = events(service, model)

    again = start(service.admin, model)

    assert again.status_code == 200
    assert (again.json["id"], again.json["revision"]) == (first["id"], 1)
    assert events(service, model) == happened
    check_problem(start(service.admin, model, bake=5), 409, "rollout-active")
    check_problem(start(service.admin, model, version=3), 409, "rollout-active")


def test_a_request_with_an_idempotency_key_is_answered_once(service, model):
    headers = {"Idempotency-Key": f"start-{model}"}
    first = start(service.admin, model, headers=headers)
    service.admin.post(path(model, "/abort"))

    again = start(service.admin, model, headers=headers)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert service.admin.get(path(model)).json["state"] == "aborted"
    other = start(service.admin, model, version=3, headers=headers)
    check_problem(other, 409, "idempotency-key-reused")


def test_a_rollout_is_paused_and_resumed(service, model):
    start(service.admin, model)

    paused = service.admin.post(path(model, "/pause"), json={"reason": "a holiday"})

    assert (paused.json["state"], paused.json["revision"]) == ("paused", 2)
    assert paused.json["reason"] == "a holiday"
    resumed = service.admin.post(path(model, "/resume"), json={"expected_revision": 2})
    assert (resumed.json["state"], resumed.json["revision"]) == ("running", 3)
    assert events(service, model)[:2] == ["rollout_resumed", "rollout_paused"]


def test_a_rollout_that_has_changed_since_is_not_moved(service, model):
    start(service.admin, model)
    service.admin.post(path(model, "/pause"))
    seen = {"expected_revision": 1}

    for verb in ("pause", "resume", "abort", "finish"):
        refused = service.admin.post(path(model, f"/{verb}"), json=seen)
        problem = check_problem(refused, 409, "rollout-changed")
        assert "revision 2" in problem["detail"]
    deleted = service.admin.delete(path(model), query_string=seen)
    check_problem(deleted, 409, "rollout-changed")
    assert service.admin.get(path(model)).json["state"] == "paused"


@pytest.mark.parametrize("door", ["DELETE", "POST"])
def test_an_aborted_rollout_leaves_the_version_before(service, model, door):
    start(service.admin, model)

    if door == "DELETE":
        aborted = service.admin.delete(path(model), query_string={"reason": "wrong"})
    else:
        aborted = service.admin.post(path(model, "/abort"), json={"reason": "wrong"})

    assert (aborted.json["state"], aborted.json["reason"]) == ("aborted", "wrong")
    assert aborted.json["ended_at"] is not None
    assert live(service, model) == 1
    assert events(service, model)[0] in {"rollout_ended", "split_ended"}
    for verb in ("pause", "resume", "abort", "finish"):
        refused = service.admin.post(path(model, f"/{verb}"))
        check_problem(refused, 409, "rollout-state-conflict")


def test_a_finished_rollout_is_a_promotion_whose_guards_apply_for_a_while(service, model):
    start(service.admin, model)

    finished = service.admin.post(path(model, "/finish"))

    assert (finished.json["state"], finished.json["step"]) == ("baking", 3)
    assert live(service, model) == 2
    assert "promoted" in events(service, model)
    over = service.admin.post(path(model, "/finish"))
    assert over.json["state"] == "promoted"
    assert live(service, model) == 2


def test_without_minutes_to_bake_a_finished_rollout_has_ended(service, model):
    start(service.admin, model, bake=0)

    finished = service.admin.post(path(model, "/finish"))

    assert finished.json["state"] == "promoted"
    assert finished.json["ended_at"] is not None


@pytest.mark.parametrize(
    ("part", "slug", "at"),
    [
        ({"steps": [{"weight": 100}]}, "body-refused", "steps"),
        ({"steps": [{"weight": 5}, {"weight": 100}]}, "plan-malformed", "steps[0].minutes"),
        (
            {"steps": [{"weight": 5, "minutes": 1}, {"weight": 5, "minutes": 1}, {"weight": 100}]},
            "plan-malformed",
            "steps[1].weight",
        ),
        (
            {"steps": [{"weight": 0, "minutes": 1}, {"weight": 100}]},
            "body-refused",
            "steps[0].weight",
        ),
        ({"steps": [{"share": 5}, {"weight": 100}]}, "body-refused", "steps[0].share"),
        ({"guards": ["faults < 1%"]}, "plan-malformed", "guards[0]"),
        ({"guards": ["drift <= 0.2"]}, "plan-malformed", "guards[0]"),
        ({"require": ["live.rmse <= champion"]}, "plan-malformed", "require[0]"),
        ({"require": ["rmse =< 1"]}, "plan-malformed", "require[0]"),
        ({"deadline": "tomorrow"}, "plan-malformed", "deadline"),
        ({"by": "moon"}, "body-refused", "by"),
        ({"steps": "5:10"}, "body-refused", "steps"),
        ({"version": None}, "body-refused", "version"),
        ({"speed": 1}, "body-refused", "speed"),
    ],
)
def test_each_invalid_part_of_a_plan_is_named(service, unchanging, part, slug, at):
    refused = start(service.admin, unchanging, **{"version": 2, **part})

    problem = check_problem(refused, 422, slug)
    assert at in [fault["at"] for fault in problem["errors"]]
    check_problem(service.admin.get(path(unchanging)), 404, "rollout-not-found")


def test_a_rollout_needs_an_alias_and_another_version(service, unchanging):
    model = unchanging
    check_problem(start(service.admin, model, version=1), 422, "rollout-refused")
    check_problem(start(service.admin, model, version=9), 404, "version-not-found")
    other = service.admin.put(
        f"/models/{model}/aliases/nothing/rollout", json={**PLAN, "version": 2}
    )
    check_problem(other, 404, "alias-not-found")
    check_problem(start(service.admin, "nobody"), 404, "model-not-found")
    check_problem(service.admin.get(path(model)), 404, "rollout-not-found")
    check_problem(service.admin.post(path(model, "/pause")), 404, "rollout-not-found")


def test_a_rollout_may_require_what_the_alias_points_at(service, model):
    refused = start(service.admin, model, expected_version=2)
    check_problem(refused, 409, "expected-version-conflict")

    generation = service.admin.get(f"/models/{model}").json["generation"]
    refused = start(service.admin, model, expected_generation=generation + 1)
    check_problem(refused, 409, "expected-generation-conflict")
    started = start(
        service.admin, model, expected_version=1, expected_generation=generation, reason="fits"
    )
    assert started.status_code == 200


def test_force_requires_an_admin_and_a_reason(service, model):
    promoter = service.caller("promote")

    check_problem(start(promoter, model, force=True, reason="now"), 403, "scope-missing")
    check_problem(start(service.admin, model, force=True), 422, "body-refused")
    assert start(service.admin, model, force=True, reason="now").json["forced"] is True


def test_the_step_of_each_rollout_is_a_metric(service, model):
    def steps():
        families = text_string_to_metric_families(service.admin.get("/metrics").text)
        return {
            (sample.labels["alias"], sample.labels["version"]): sample.value
            for family in families
            for sample in family.samples
            if sample.name == "hotswap_rollout_step" and sample.labels["model"] == model
        }

    assert steps() == {}
    start(service.admin, model)
    assert steps() == {("production", "2"): 1}
    service.admin.post(path(model, "/finish"))
    assert steps() == {("production", "2"): 3}
    service.admin.post(path(model, "/finish"))
    assert steps() == {}


def test_the_document_has_the_languages_of_guards_and_gates(service):
    schemas = service.admin.get("/openapi.json").json["components"]["schemas"]

    parts = schemas["RolloutStart"]["properties"]
    assert re.search(parts["guards"]["items"]["pattern"], "faults <= champion * 2 + 0.5%")
    assert not re.search(parts["guards"]["items"]["pattern"], "rmse <= champion")
    assert re.search(parts["require"]["items"]["pattern"], "rmse <= champion")
    assert schemas["Step"]["properties"]["weight"]["exclusiveMinimum"] == 0
