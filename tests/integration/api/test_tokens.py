"""Creating, listing and revoking tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from api.start import prepare
from registry.errors import TokenRefused
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
        "scopes",
        "models",
        "created_at",
        "created_by",
        "expires_at",
        "revoked_at",
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
