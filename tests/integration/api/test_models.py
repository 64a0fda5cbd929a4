"""Registering, listing, changing and archiving models."""

import json
import re

import pytest

from tests.integration.api.conftest import check_problem, new_name, places

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_creating_a_model_returns_it_with_its_location(admin, fresh_name):
    answer = admin.post(
        "/models", json={"name": fresh_name, "description": "Prices", "tags": {"team": "a"}}
    )

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/models/{fresh_name}"
    model = answer.json
    assert MOMENT.fullmatch(model.pop("created_at"))
    assert model == {
        "name": fresh_name,
        "description": "Prices",
        "tags": {"team": "a"},
        "aliases": {},
        "status": "active",
        "last_version": None,
        "generation": 0,
        "created_by": "admin (HOTSWAP_ADMIN_TOKEN)",
    }
    assert admin.get(answer.headers["Location"]).json == answer.json


def test_a_model_shows_its_latest_version_and_its_aliases(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 2)
    model = admin.get(f"/models/{name}").json
    assert (model["last_version"], model["aliases"], model["generation"]) == (
        3,
        {"production": 2},
        1,
    )


@pytest.mark.parametrize("spelling", [str, str.upper, str.title])
def test_names_are_unique_regardless_of_case(admin, fresh_name, spelling):
    admin.post("/models", json={"name": fresh_name})
    check_problem(admin.post("/models", json={"name": spelling(fresh_name)}), 409, "name-taken")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-a",
        "_a",
        "a/b",
        "a b",
        "a\x00b",
        "a\nb",
        "é",
        "a" * 129,
        "a" * 10_000,
        "a\n",
    ],
)
def test_a_malformed_name_is_refused(admin, name):
    check_problem(admin.post("/models", json={"name": name}), 400, "name-malformed")


@pytest.mark.parametrize("name", ["a" * 128, "0", "A.b-c_d"])
def test_every_name_of_the_grammar_is_accepted(admin, name):
    assert admin.post("/models", json={"name": name}).status_code == 201
    assert admin.get(f"/models/{name}").json["name"] == name


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "x", "description": 5}, "description"),
        ({"name": "x", "description": "d" * 10_001}, "description"),
        ({"name": "x", "description": "a\x00b"}, "description"),
        ({"name": "x", "tags": []}, "tags"),
        ({"name": "x", "tags": {"k": 5}}, "tags.k"),
        ({"name": "x", "tags": {"value": 5}}, "tags.value"),
        ({"name": "x", "tags": {"": "v"}}, "tags"),
        ({"name": "x", "owner": "me"}, "owner"),
        ([], "body"),
        (None, "body"),
        ("x", "body"),
    ],
)
def test_an_invalid_body_is_refused_with_the_location_of_the_fault(admin, body, at):
    answer = admin.post("/models", data=json.dumps(body), content_type="application/json")
    check_problem(answer, 422, "body-refused")
    assert places(answer) == [at]


def test_a_change_replaces_the_given_fields_and_keeps_the_others(admin, fresh_name):
    admin.post("/models", json={"name": fresh_name, "description": "old", "tags": {"a": "1"}})

    changed = admin.patch(f"/models/{fresh_name}", json={"description": "new"})
    assert changed.status_code == 200
    assert (changed.json["description"], changed.json["tags"]) == ("new", {"a": "1"})

    changed = admin.patch(f"/models/{fresh_name}", json={"tags": {"b": "2"}})
    assert (changed.json["description"], changed.json["tags"]) == ("new", {"b": "2"})
    assert admin.get(f"/models/{fresh_name}").json == changed.json


def test_a_change_of_a_fixed_field_is_refused(admin, fresh_name):
    admin.post("/models", json={"name": fresh_name})
    answer = admin.patch(f"/models/{fresh_name}", json={"name": "other", "generation": 5})
    check_problem(answer, 422, "body-refused")
    assert sorted(places(answer)) == ["generation", "name"]


def test_an_archived_model_is_readable_and_cannot_be_changed(admin, uploaded, artifacts):
    name, _ = uploaded
    admin.promote(name, 2)

    answer = admin.delete(f"/models/{name}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert admin.delete(f"/models/{name}").status_code == 204

    model = admin.get(f"/models/{name}").json
    assert (model["status"], model["aliases"], model["last_version"]) == ("archived", {}, 3)
    assert admin.get(f"/models/{name}/2").json["status"] == "archived"
    check_problem(admin.post("/models", json={"name": name}), 409, "model-archived")
    check_problem(admin.upload(name, artifacts["line-1"]), 409, "model-archived")
    check_problem(admin.patch(f"/models/{name}", json={"tags": {}}), 409, "model-archived")
    check_problem(admin.promote(name, 1), 409, "version-not-ready")
    check_problem(
        admin.post(f"/models/{name}/2/predict", json={"input": [1]}), 404, "version-not-found"
    )
    check_problem(
        admin.post(f"/models/{name}/predict", json={"input": [1]}), 404, "version-not-found"
    )


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_model_is_404(admin, method):
    body = {"json": {}} if method == "PATCH" else {}
    check_problem(admin.ask(method, "/models/nobody", **body), 404, "model-not-found")


@pytest.fixture(scope="module")
def shelf(service):
    """A prefix under which five models are registered, two of them with the tag team:a."""
    prefix = f"shelf-{new_name()}"
    for letter in "edcba":
        tags = {"team": "a", "note": "k:v"} if letter in "bd" else {"team": "b"}
        service.admin.post("/models", json={"name": f"{prefix}-{letter}", "tags": tags})
    return prefix


def listed(caller, query):
    answer = caller.get("/models", query_string=query)
    assert answer.status_code == 200, answer.text
    assert set(answer.json) - {"next"} == {"items", "page", "page_size", "total"}
    return [item["name"][-1] for item in answer.json["items"]], answer.json


def test_models_are_listed_by_name_in_pages(admin, shelf):
    letters, page = listed(admin, {"q": shelf})
    assert letters == list("abcde")
    assert (page["page"], page["page_size"], page["total"]) == (1, 50, 5)

    letters, page = listed(admin, {"q": shelf, "page": 2, "page_size": 2})
    assert letters == ["c", "d"]
    assert (page["page"], page["page_size"], page["total"]) == (2, 2, 5)

    letters, page = listed(admin, {"q": shelf, "page": 9})
    assert (letters, page["total"]) == ([], 5)


@pytest.mark.parametrize(
    ("query", "letters"),
    [
        ({"tag": "team:a"}, "bd"),
        ({"tag": "note:k:v"}, "bd"),
        ({"tag": "team:A"}, ""),
        ({"tag": "nobody:a"}, ""),
        ({"tag": "team:a", "page_size": 1}, "b"),
        ({"unknown": "key"}, "abcde"),
    ],
)
def test_models_are_found_by_tag(admin, shelf, query, letters):
    assert listed(admin, {"q": shelf, **query})[0] == list(letters)


def test_models_are_found_by_a_literal_part_of_the_name_in_any_case(admin, shelf):
    assert listed(admin, {"q": shelf.upper()})[1]["total"] == 5
    assert listed(admin, {"q": f"{shelf[1:]}-c"})[0] == ["c"]
    assert listed(admin, {"q": shelf.replace("-", "%")})[1]["total"] == 0
    assert listed(admin, {"q": shelf.replace("-", "_")})[1]["total"] == 0


def test_a_limited_token_lists_and_counts_only_its_models(service, shelf):
    limited = service.caller("predict", models=[f"{shelf}-[ab]", f"{shelf}-c", "shelf-?"][1:])
    letters, page = listed(limited, {})
    assert (letters, page["total"]) == (["c"], 1)


def test_patterns_of_tokens_are_case_insensitive(service, shelf):
    limited = service.caller("predict", models=[f"{shelf}-D".upper()])
    assert listed(limited, {})[0] == ["d"]


@pytest.mark.parametrize(
    "path", ["/models", "/tokens", "/models/{}/versions", "/models/{}/history"]
)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("page_size", "201"),
        ("page_size", "0"),
        ("page_size", "-1"),
        ("page_size", "many"),
        ("page_size", "1.5"),
        ("page_size", ""),
        ("page", "0"),
        ("page", "-1"),
        ("page", "9" * 30),
        ("page", "9" * 5000),
        ("page", "first"),
    ],
)
def test_paging_out_of_range_is_a_malformed_query(admin, shelf, path, parameter, value):
    answer = admin.get(path.format(f"{shelf}-a"), query_string={parameter: value})
    check_problem(answer, 400, "parameter-malformed")
    assert places(answer) == [parameter]


@pytest.mark.parametrize(
    ("path", "parameter", "value"),
    [
        ("/models", "tag", "without-a-colon"),
        ("/models", "tag", "a:\x00"),
        ("/models", "q", "a\x00"),
        ("/models/{}/versions", "sort", "name"),
        ("/models/{}/versions", "sort", "metrics."),
        ("/models/{}/versions", "sort", "metrics"),
        ("/models/{}/versions", "sort", "--version"),
        ("/models/{}/versions", "sort", "-metrics.a\x00"),
        ("/models/{}/versions", "status", "live"),
    ],
)
def test_a_malformed_filter_is_a_malformed_query(admin, shelf, path, parameter, value):
    answer = admin.get(path.format(f"{shelf}-a"), query_string={parameter: value})
    check_problem(answer, 400, "parameter-malformed")
    assert places(answer) == [parameter]


def test_a_page_has_at_most_two_hundred_items(admin, shelf):
    assert listed(admin, {"q": shelf, "page_size": 200})[1]["page_size"] == 200


@pytest.mark.parametrize("path", ["/models/{}", "/models/{}/1"])
def test_a_change_requires_a_body(admin, shelf, path):
    problem = check_problem(admin.patch(path.format("alpha")), 422, "body-refused")
    assert "required" in problem["detail"]
