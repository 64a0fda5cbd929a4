"""Tokens: the list, making one, rotating and revoking it."""

import re

import pytest

from tests.integration.api.conftest import Caller, new_name
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import HOSTILE, Console, ConsoleMaker

TYPED = {"name": "ann", "kind": "person", "scopes": ["predict"], "models": "", "lifetime": "90"}


def make(browser: Browser, **typed: object) -> Page:
    """Send the form of a new token."""
    form = browser.get("/console/tokens/new").form("/console/tokens/new")
    return browser.post(form.action, {**form.values, **TYPED, **typed})


def value_on(page: Page) -> str:
    (found,) = [field["value"] for field in page.of("input") if field.get("id") == "value"]
    return found


def test_a_made_token_is_shown_once_and_works(console: Console) -> None:
    name = new_name()
    page = make(console.admin, name=name, scopes=["predict", "upload"], models="a-*, b-?")
    assert page.status == 200
    value = value_on(page)
    shown = Caller(console.service.app, value).get("/tokens/self").json
    assert {key: shown[key] for key in ("name", "kind", "scopes", "models")} == {
        "name": name,
        "kind": "person",
        "scopes": ["predict", "upload"],
        "models": ["a-*", "b-?"],
    }
    assert shown["expires_at"] is not None
    listed = console.admin.get("/console/tokens", query_string={"q": name})
    assert f"{name} person" in listed.text
    assert "predict, upload a-* b-?" in listed.text
    assert value not in listed.html
    assert value not in console.admin.get(f"/console/tokens/{shown['id']}").html


def test_the_value_is_neither_compressed_nor_kept(console: Console) -> None:
    form = console.admin.get("/console/tokens/new").form("/console/tokens/new")
    page = console.admin.post(
        form.action, {**form.values, **TYPED}, headers={"Accept-Encoding": "gzip"}
    )
    assert value_on(page).startswith("hsw_")
    assert "Content-Encoding" not in page.response.headers
    assert page.response.headers["Cache-Control"] == "no-store"


def test_a_form_that_is_sent_twice_makes_one_token(console: Console) -> None:
    name, admin = new_name(), console.admin
    form = admin.get("/console/tokens/new").form("/console/tokens/new")
    typed = {**form.values, **TYPED, "name": name}
    assert admin.post(form.action, typed).status == 200
    again = admin.post(form.action, typed)
    assert again.status == 409
    assert "Rotate that token to get another value" in again.text
    assert console.service.admin.get(f"/tokens?q={name}").json["total"] == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "Choose at least one"),
        ({"models": "a b!"}, "expected a model name"),
        ({"lifetime": "1000000"}, "lifetime"),
        ({"kind": "robot"}, "kind"),
    ],
)
def test_a_form_with_a_fault_is_shown_again(
    console: Console, typed: dict[str, object], said: str
) -> None:
    page = make(console.admin, **{"name": "kept words", **typed})
    assert page.status == 422
    assert said in page.text
    if "name" not in typed:
        assert page.form("/console/tokens/new").values["name"] == "kept words"


def test_patterns_say_how_many_models_they_match(make_console: ConsoleMaker) -> None:
    console = make_console()
    for name in ("house-1", "house-2", "iris"):
        console.service.admin.post("/models", json={"name": name})
    matches = "/console/tokens/matches"
    assert "matches 2 of 3 models" in console.admin.fragment(f"{matches}?models=house-*").text
    assert "all 3 models" in console.admin.fragment(f"{matches}?models=").text
    assert "a! is no pattern" in console.admin.fragment(f"{matches}?models=iris+a!").text


def test_tokens_are_selected_by_state_and_name(console: Console) -> None:
    name = new_name()
    made = console.token("predict", name=name)
    admin = console.admin
    assert name in admin.get(f"/console/tokens?q={name}").text
    console.service.admin.delete(f"/tokens/{made['id']}")
    assert "No valid token has" in admin.get(f"/console/tokens?q={name}").text
    assert name in admin.get(f"/console/tokens?q={name}&state=revoked").text


def test_a_rotated_token_is_replaced(console: Console) -> None:
    made = console.token("upload", name=new_name())
    page = console.admin.get(f"/console/tokens/{made['id']}")
    answer = console.admin.submit(page.form(f"/console/tokens/{made['id']}/rotate"))
    assert f"Token {made['id']} is revoked" in answer.text
    app = console.service.app
    assert Caller(app, value_on(answer)).get("/models").status_code == 200
    assert Caller(app, made["token"]).get("/models").status_code == 401
    again = console.admin.post(f"/console/tokens/{made['id']}/rotate")
    assert again.status == 422
    assert "cannot be replaced" in again.text


def test_an_unused_token_is_revoked_with_one_press(console: Console) -> None:
    made = console.token("upload", name=new_name())
    page = console.admin.get(f"/console/tokens/{made['id']}")
    answer = console.admin.submit(page.form(f"/console/tokens/{made['id']}/revoke"))
    assert (answer.status, answer.location) == (303, "/console/tokens?state=revoked")
    assert Caller(console.service.app, made["token"]).get("/models").status_code == 401


def test_a_token_in_use_is_revoked_by_typing_its_name(console: Console) -> None:
    made = console.token("upload", name=new_name())
    holder = Caller(console.service.app, made["token"])
    assert holder.get("/models").status_code == 200
    console.service.services.token_uses.report()
    address = f"/console/tokens/{made['id']}"
    page = console.admin.get(address)
    assert "It was used in the last day" in page.text
    refused = console.admin.submit(page.form(f"{address}/revoke"), name="something")
    assert refused.status == 422
    assert "Type the name of the token" in refused.text
    assert holder.get("/models").status_code == 200
    assert console.admin.submit(page.form(f"{address}/revoke"), name=made["name"]).status == 303
    assert holder.get("/models").status_code == 401


def test_the_last_admin_token_stays(make_console: ConsoleMaker) -> None:
    console = make_console()
    own = console.service.admin.get("/tokens/self").json
    answer = console.admin.post(f"/console/tokens/{own['id']}/revoke", {"name": own["name"]})
    assert answer.status == 409
    assert "Create such a token first" in answer.text


@pytest.mark.parametrize("path", ["tokens", "tokens/new", "tokens/1", "tokens/matches"])
def test_tokens_are_for_admins_of_all_models(console: Console, path: str) -> None:
    assert console.person("upload", "promote").get(f"/console/{path}").status == 403
    limited = console.person("admin", models=["a*"])
    assert limited.get(f"/console/{path}").status == 403
    assert "/console/tokens" not in limited.get("/console/models").hrefs()


def test_an_unknown_token_is_not_found(console: Console) -> None:
    for path in ("999999", "nobody"):
        assert console.admin.get(f"/console/tokens/{path}").status == 404


def test_a_hostile_name_is_never_markup(console: Console) -> None:
    page = make(console.admin, name=HOSTILE)
    made = re.search(r"/console/tokens/(\d+)", page.html)
    assert made is not None
    for path in (f"/console/tokens/{made[1]}", "/console/tokens?state=all"):
        shown = console.admin.get(path)
        assert "alert(1)" in shown.text
        assert shown.of("img") == []
        assert all("src" in script for script in shown.of("script"))
