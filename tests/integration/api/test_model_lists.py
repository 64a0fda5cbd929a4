"""The list of models in other orders than by name, and with what is live."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from registry.operations.record_traffic import record_traffic
from registry.reading.pages import Paging
from registry.tokens import Grant
from registry.watching.counts import BINS
from registry.watching.model_list import sorted_models
from registry.watching.named_rows import Row
from registry.watching.traffic import MINUTE, Increase, floor
from tests.integration.api.conftest import check_problem, new_name, upload_lines
from tests.integration.api.test_lists import read_all
from tests.marks import each_once, first_fast


@pytest.fixture(scope="module")
def team(service, artifacts):
    """Four models with a prefix of their own: ``a`` has two aliases and was changed last, ``c`` was
    requested most, and the requests of ``d`` failed most."""
    prefix = new_name()
    for letter in "dcba":
        service.admin.post("/models", json={"name": f"{prefix}-{letter}"})
    upload_lines(service.admin, f"{prefix}-a", artifacts)
    for version in (1, 2):
        service.admin.promote(f"{prefix}-a", version, reason=f"try {version}")
    service.admin.put(f"/models/{prefix}-a/aliases/canary", json={"version": 3})
    now = floor(datetime.now(UTC), MINUTE)
    answered = np.zeros(BINS, np.uint64)
    answered[3] = 90
    traffic = [
        Increase(Row(f"{prefix}-b", 1, ""), 0, 5, answered),
        Increase(Row(f"{prefix}-c", 1, ""), 20, 1, answered),
        Increase(Row(f"{prefix}-d", 1, ""), 0, 1, np.zeros(BINS, np.uint64)),
    ]
    record_traffic(service.services.database, now, traffic)
    long_ago = [Increase(Row(f"{prefix}-a", 1, ""), 999, 999, answered)]
    record_traffic(service.services.database, now - timedelta(hours=3), long_ago)
    return prefix


ORDERS = {
    "name": "abcd",
    "-name": "dcba",
    "updated": "dcba",
    "-updated": "abcd",
    "requests": "adbc",
    "-requests": "cbda",
    "failures": "acbd",
    "-failures": "dbca",
}


@pytest.mark.parametrize(("sort", "size"), each_once(ORDERS, [1, 3, 4]))
def test_models_are_sorted_and_cursors_and_page_numbers_agree(admin, team, sort, size):
    found, _ = read_all(admin, "/models", size, q=team, sort=sort)
    by_page = []
    for page in (1, 2, 3, 4):
        asked = {"q": team, "sort": sort, "page": page, "page_size": size}
        answer = admin.get("/models", query_string=asked).json
        assert answer["total"] == 4
        by_page += answer["items"]

    assert "".join(model["name"][-1] for model in found) == ORDERS[sort]
    assert by_page == found


def test_models_that_are_equal_in_an_order_are_listed_by_name(admin, service):
    prefix = new_name()
    for letter in "bCa":
        admin.post("/models", json={"name": f"{prefix}-{letter}"})
    for sort in ("requests", "-requests", "failures", "-failures"):
        found, _ = read_all(admin, "/models", 2, q=prefix, sort=sort)
        assert [model["name"][-1] for model in found] == ["a", "b", "C"]


def test_a_list_of_models_has_what_is_live_on_request(admin, team):
    first, *others = admin.get(f"/models?q={team}&include=live").json["items"]
    aliases = admin.get(f"/models/{team}-a/aliases").json["items"]

    assert first["newest_ready"] == 3
    assert [(one["alias"], one["version"]) for one in first["live"]] == [
        ("canary", 3),
        ("production", 2),
    ]
    for one, alias in zip(first["live"], aliases, strict=True):
        moved = ("alias", "version", "since", "by", "reason", "forced", "rolled_back")
        assert [one[key] for key in (*moved, "rollback_to")] == [
            alias[key] for key in (*moved, "rollback_to")
        ]
    production = first["live"][1]
    assert (production["rollback_to"], production["reason"]) == (1, "try 2")
    assert (production["kind"], production["task"]) == ("linear", "regression")
    assert (production["metrics"], production["metric_intervals"]) == ({"rmse": 8.0}, {})
    assert [(one["live"], one["newest_ready"]) for one in others] == [([], None)] * 3
    assert "live" not in admin.get(f"/models?q={team}").json["items"][0]


@pytest.mark.parametrize(
    "moves",
    first_fast(["12<3", "12=1", "12x3", "1", "12", "123<", "123<<", "123<2", "123=1x", "1232<"], 3),
)
def test_what_a_rollback_goes_back_to_is_that_of_the_list_of_aliases(
    admin, fresh_name, artifacts, moves
):
    """``<`` rolls back, ``=`` to the version after it, ``x`` deletes the alias."""
    upload_lines(admin, fresh_name, artifacts)
    for before, move in pairwise(" " + moves):
        if move == "<":
            answer = admin.post(f"/models/{fresh_name}/rollback", json={})
        elif before == "=":
            body = {"to_version": int(move)}
            answer = admin.post(f"/models/{fresh_name}/rollback", json=body)
        elif move == "x":
            answer = admin.delete(f"/models/{fresh_name}/aliases/production")
        elif move != "=":
            answer = admin.promote(fresh_name, int(move))
        assert answer.status_code in (200, 204), answer.text

    (model,) = admin.get(f"/models?q={fresh_name}&include=live").json["items"]
    aliases = admin.get(f"/models/{fresh_name}/aliases").json["items"]

    assert [one["rollback_to"] for one in model["live"]] == [one["rollback_to"] for one in aliases]


def test_the_schema_of_a_listed_model_matches_one(admin, service, team):
    schemas = admin.get("/openapi.json").json["components"]["schemas"]
    model = admin.get(f"/models?q={team}&include=live").json["items"][0]
    assert set(schemas["ListedModel"]["properties"]) == set(model)
    assert set(schemas["LiveVersion"]["properties"]) == set(model["live"][0])


def test_a_token_of_some_models_sees_only_those_in_every_order(service, team):
    holder = service.caller("predict", models=[f"{team}-b", f"*{team}-c"])
    for sort in ORDERS:
        answer = holder.get(f"/models?sort={sort}&include=live").json
        assert {model["name"][-1] for model in answer["items"]} == {"b", "c"}
        assert answer["total"] == 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("sort=size", "sort"),
        ("sort=--name", "sort"),
        ("include=all", "include"),
        ("sort=updated&after=nobody", "after"),
        ("sort=-requests&after=x&page=2", "after"),
    ],
)
def test_an_unknown_order_or_cursor_is_refused(admin, team, query, named):
    answer = admin.get(f"/models?{query}")
    assert named in check_problem(answer, 400, "parameter-malformed")["detail"]


@pytest.mark.parametrize("sort", ["name", "-name", "-requests"])
def test_models_that_are_named_come_before_the_others(service, team, sort):
    """Each part is in its order."""
    grant, before = Grant(1, "ann", frozenset({"admin"}), None), [f"{team}-b", f"{team}-d"]
    with service.services.database.read() as session:
        found = sorted_models(session, grant, Paging(), sort=sort, text=f"{team}-", first=before)
    letters = [item["name"][-1] for item in found["items"]]
    named = [one for one in ORDERS[sort] if one in "bd"]
    assert letters == [*named, *(one for one in ORDERS[sort] if one not in named)]
