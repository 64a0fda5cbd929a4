"""Creating, listing and revoking tokens."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from api.start import prepare
from registry.errors import TokenRefused
from registry.storage.tables import TokenRow
from tests.integration.api.conftest import Caller, check_problem, places


def test_a_token_value_is_shown_once_at_creation(admin):
    expires = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    answer = admin.post(
        "/tokens",
        json={
            "name": "ci",
            "scopes": ["upload", "predict", "upload"],
            "models": ["housing-*"],
            "expires_at": expires.isoformat(),
        },
    )

    assert answer.status_code == 201
    made = answer.json
    value = made.pop("token")
    assert value.startswith("hsw_")
    assert {key: made[key] for key in ("name", "scopes", "models")} == {
        "name": "ci",
        "scopes": ["predict", "upload"],
        "models": ["housing-*"],
    }
    assert datetime.fromisoformat(made["expires_at"]) == expires
    listed = admin.get("/tokens")
    assert listed.json["items"][0] == made
    assert value not in listed.text


def test_a_token_can_read_its_own_name_and_scopes_but_no_others(service):
    admin = service.admin
    made = admin.post("/tokens", json={"name": "ci", "scopes": ["upload"], "models": ["h*"]}).json
    value = made.pop("token")
    shown = Caller(service.app, value).get("/tokens/self")
    assert shown.status_code == 200
    assert shown.json == made
    check_problem(Caller(service.app).get("/tokens/self"), 401, "unauthenticated")
    check_problem(Caller(service.app, value).get("/tokens"), 403, "scope-missing")
    check_problem(admin.delete("/tokens/self"), 405, "method-not-allowed")


def test_tokens_are_paged_newest_first(admin):
    ids = [
        admin.post("/tokens", json={"name": f"t{i}", "scopes": ["predict"]}).json["id"]
        for i in range(3)
    ]
    page = admin.get("/tokens", query_string={"page_size": 2}).json
    assert set(page) == {"items", "page", "page_size", "total", "next"}
    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    assert set(page["items"][0]) == {
        "id",
        "name",
        "kind",
        "scopes",
        "models",
        "created_at",
        "created_by",
        "expires_at",
        "revoked_at",
        "last_used_at",
    }
    second = admin.get("/tokens", query_string={"page_size": 2, "page": 2}).json
    assert second["items"][0]["id"] == ids[0]
    assert second["total"] == page["total"] >= 4


def test_a_revoked_token_is_refused_at_once(service):
    made = service.admin.post("/tokens", json={"name": "x", "scopes": ["predict"]}).json
    holder = Caller(service.app, made["token"])
    assert holder.get("/models").status_code == 200

    answer = service.admin.delete(f"/tokens/{made['id']}")
    assert (answer.status_code, answer.data) == (204, b"")
    check_problem(holder.get("/models"), 401, "unauthenticated")
    assert service.admin.delete(f"/tokens/{made['id']}").status_code == 204
    listed = service.admin.get("/tokens").json["items"]
    assert next(item for item in listed if item["id"] == made["id"])["revoked_at"] is not None


@pytest.mark.parametrize(
    "token_id", ["0", "999999999", "9" * 100, "-1", "x", "1.0", "\u0661", " 1"]
)
def test_an_unknown_token_is_404(admin, token_id):
    check_problem(admin.delete(f"/tokens/{token_id}"), 404, "token-not-found")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"scopes": None}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "admin"}, "scopes"),
        ({"scopes": ["predict", "root"]}, "scopes[1]"),
        ({"scopes": [5]}, "scopes[0]"),
        ({"models": "a"}, "models"),
        ({"models": [None]}, "models[0]"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": 2000000000}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"token": "hsw_mine"}, "token"),
    ],
)
def test_an_invalid_token_request_is_refused_with_the_location_of_the_fault(admin, change, at):
    answer = admin.post("/tokens", json={"name": "x", "scopes": ["predict"], **change})
    check_problem(answer, 422, "body-refused")
    assert places(answer) == [at]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"models": []}, "models"),
        ({"models": ["ok", ""]}, "models[1]"),
        ({"models": ["a/b"]}, "models[0]"),
        ({"models": ["[ab]"]}, "models[0]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_a_useless_token_is_refused(admin, change, at):
    answer = admin.post("/tokens", json={"name": "x", "scopes": ["predict"], **change})
    check_problem(answer, 422, "token-refused")
    assert places(answer) == [at]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/tokens", None),
        ("POST", "/tokens", {"name": "x", "scopes": ["admin"]}),
        ("DELETE", "/tokens/999999", None),
    ],
)
def test_an_admin_limited_to_some_models_cannot_create_an_unlimited_token(
    service, method, path, body
):
    limited = service.caller("admin", models=["mine-*"])
    options = {} if body is None else {"json": body}
    check_problem(limited.ask(method, path, **options), 403, "forbidden")


def test_the_last_admin_token_can_be_revoked_only_after_another_exists(make_app):
    service = make_app()
    own = service.admin.get("/tokens/self").json["id"]
    check_problem(service.admin.delete(f"/tokens/{own}"), 409, "last-admin-token")

    made = service.admin.post("/tokens", json={"name": "next", "scopes": ["admin"]}).json

    assert service.admin.delete(f"/tokens/{own}").status_code == 204
    assert Caller(service.app, made["token"]).get("/tokens").status_code == 200


def test_a_worker_starts_even_if_the_configured_admin_token_was_revoked(make_app, capsys):
    service = make_app()
    own = service.admin.get("/tokens/self").json["id"]
    another = service.admin.post("/tokens", json={"name": "a", "scopes": ["admin"]}).json["token"]
    assert Caller(service.app, another).delete(f"/tokens/{own}").status_code == 204

    replaced = make_app(data=service.services.settings.data)

    assert Caller(replaced.app).get("/readyz").status_code == 200
    assert Caller(replaced.app, another).get("/tokens/self").status_code == 200
    check_problem(replaced.admin.get("/tokens/self"), 401, "unauthenticated")
    assert "HOTSWAP_ADMIN_TOKEN holds the value of a token that was revoked" in (
        capsys.readouterr().err
    )
    with pytest.raises(TokenRefused):  # what the start of the whole service does
        prepare(replaced.services)


def test_tokens_are_selected_by_state_and_name(make_app):
    admin = make_app().admin
    for name in ("Ann's laptop", "ann's old laptop", "nightly 100%"):
        admin.post("/tokens", json={"name": name, "scopes": ["predict"]})
    soon = datetime.now(UTC) + timedelta(seconds=1)
    expiring = {"name": "short", "scopes": ["predict"], "expires_at": soon.isoformat()}
    assert admin.post("/tokens", json=expiring).status_code == 201
    admin.delete("/tokens/3")
    # The present time is truncated to milliseconds.
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.001)

    def names(**query):
        return [item["name"] for item in admin.get("/tokens", query_string=query).json["items"]]

    assert names(state="valid", q="ann") == ["Ann's laptop"]
    assert names(state="revoked") == ["ann's old laptop"]
    assert names(state="expired") == ["short"]
    assert names(q="ANN") == ["ann's old laptop", "Ann's laptop"]
    assert names(q="%") == ["nightly 100%"]
    check_problem(admin.get("/tokens?state=lost"), 400, "parameter-malformed")


def test_a_token_says_whether_a_person_or_a_program_uses_it(admin):
    body = {"name": "ann", "scopes": ["predict"]}
    assert admin.post("/tokens", json={**body, "kind": "person"}).json["kind"] == "person"
    assert admin.post("/tokens", json=body).json["kind"] == "program"
    refused = admin.post("/tokens", json={**body, "kind": "robot"})
    check_problem(refused, 422, "body-refused")


def test_a_rotated_token_is_replaced_by_one_with_its_rights(service):
    limits = {"models": ["a*"], "expires_at": "2100-01-01T00:00:00Z", "kind": "person"}
    old = service.admin.post("/tokens", json={"name": "x", "scopes": ["upload"], **limits}).json
    holder = Caller(service.app, old["token"])
    assert holder.get("/models").status_code == 200

    answer = service.admin.post(f"/tokens/{old['id']}/rotate")

    assert answer.status_code == 201
    same = ("name", "kind", "scopes", "models", "expires_at")
    assert {key: answer.json[key] for key in same} == {key: old[key] for key in same}
    check_problem(holder.get("/models"), 401, "unauthenticated")
    assert Caller(service.app, answer.json["token"]).get("/models").status_code == 200
    types = [event["type"] for event in service.admin.get("/history?page_size=2").json["items"]]
    assert types == ["token_revoked", "token_created"]
    check_problem(service.admin.post(f"/tokens/{old['id']}/rotate"), 422, "token-refused")
    check_problem(service.admin.post("/tokens/999999/rotate"), 404, "token-not-found")


def test_the_only_admin_token_can_be_rotated(make_app):
    service = make_app()
    own = service.admin.get("/tokens/self").json["id"]
    made = service.admin.post(f"/tokens/{own}/rotate").json
    assert Caller(service.app, made["token"]).get("/tokens").status_code == 200
    check_problem(service.admin.get("/tokens"), 401, "unauthenticated")


def test_the_last_use_of_a_token_is_noted_at_most_every_five_minutes(make_app):
    service = make_app()
    made = service.admin.post("/tokens", json={"name": "x", "scopes": ["predict"]}).json
    holder, database = Caller(service.app, made["token"]), service.services.database

    def last_use():
        service.services.token_uses.report()
        (found,) = service.admin.get("/tokens?q=x").json["items"]
        return found["last_used_at"]

    assert last_use() is None
    assert holder.get("/models").status_code == 200
    first = last_use()
    assert first is not None
    assert holder.get("/models").status_code == 200
    assert last_use() == first
    with database.write() as session:
        earlier = datetime.now(UTC) - timedelta(minutes=6)
        session.get(TokenRow, made["id"]).last_used_at = earlier
    assert datetime.fromisoformat(last_use()) < earlier + timedelta(seconds=1)
    assert holder.get("/models").status_code == 200
    assert last_use() > first


def test_predictions_through_the_fast_path_are_noted_as_uses(make_app, artifacts):
    service = make_app()
    service.admin.upload("m", artifacts["line-1"], {"kind": "linear"})
    made = service.admin.post("/tokens", json={"name": "x", "scopes": ["predict"]}).json
    holder = Caller(service.app, made["token"])
    for _ in range(3):
        for _ in range(2):
            assert holder.post("/models/m/1/predict", json={"input": [1]}).status_code == 200
        service.services.token_uses.report()
        (found,) = service.admin.get("/tokens?q=x").json["items"]
        assert found["last_used_at"] is not None
        with service.services.database.write() as session:
            session.get(TokenRow, made["id"]).last_used_at = None
