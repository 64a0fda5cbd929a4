"""Who gets what at every address of the console, by what its routes declare."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from flask import Flask

from api.access import access_of
from api.services import services
from tests.factories import add_versions
from tests.integration.console.conftest import Console

CROSS_SITE: tuple[dict[str, str | None], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": None, "Origin": "http://localhost:81"},
    {"Sec-Fetch-Site": None, "Origin": "null"},
    {"Sec-Fetch-Site": None},
)
BODIES = (
    ("application/x-www-form-urlencoded", b"reason=x&expected_version=none&expected_generation=0"),
    ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n'),
    ("text/plain", b"reason=x"),
    ("application/json", b"{}"),
)
NEXT_EVENT = "/history?page_size=1"
SIGN_OUT = "console.sign_in.sign_out"


class Address(NamedTuple):
    method: str
    path: str
    endpoint: str
    is_public: bool
    is_of_a_model: bool


def addresses(app: Flask, model: str) -> Iterator[Address]:
    """Every address of the console, those of a model for its first version."""
    values = {"name": model, "version": "1", "token_id": "1", "address": "nothing", "digest": "0"}
    values |= {"plot": "residuals", "alert_id": "1", "verb": "pause", "webhook_id": "1"}
    values |= {"delivery_id": "1"}
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        access = access_of(app.view_functions[rule.endpoint])
        if not rule.rule.startswith("/console") or access is None:
            continue
        path = adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments})
        is_of_a_model = "name" in rule.arguments and not rule.endpoint.endswith("get_asset")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield Address(method, path, rule.endpoint, access.public, is_of_a_model)


@pytest.fixture(scope="module")
def served(console: Console) -> list[Address]:
    with console.service.app.app_context():
        add_versions(services().database, "house")
    found = list(addresses(console.service.app, "house"))
    assert len(found) > 40
    return found


def test_nobody_gets_anything_without_signing_in(console: Console, served: list[Address]) -> None:
    for one in served:
        if one.is_public:
            continue
        page = console.stranger().ask(one.method, one.path)
        assert page.status == (303 if one.method == "GET" else 401), one
        if one.method == "GET":
            assert page.location.startswith("/console/login?next="), one


def test_a_model_outside_the_token_does_not_exist_at_any_address(
    console: Console, served: list[Address]
) -> None:
    browser = console.person("predict", "upload", "promote", "admin", models=["other-*"])
    of_models = [one for one in served if one.is_of_a_model]
    assert len(of_models) > 20
    for one in of_models:
        assert browser.ask(one.method, one.path).status == 404, one


def test_what_concerns_all_models_is_refused_to_an_admin_of_some(
    console: Console, served: list[Address]
) -> None:
    browser = console.person("predict", "upload", "promote", "admin", models=["other-*"])
    for one in served:
        access = access_of(console.service.app.view_functions[one.endpoint])
        if access is not None and access.scope == "admin" and not one.is_of_a_model:
            assert browser.ask(one.method, one.path).status == 403, one


def test_a_page_of_another_site_changes_nothing_at_any_address(
    console: Console, served: list[Address]
) -> None:
    def last_event() -> object:
        return console.service.admin.get(NEXT_EVENT).json["items"]

    browser, before = console.admin, last_event()
    for one in served:
        if one.method == "GET":
            continue
        for headers in CROSS_SITE:
            assert browser.ask(one.method, one.path, headers=headers).status == 403, one
        for type_, body in BODIES:
            headers = {"Sec-Fetch-Site": "cross-site", "Content-Type": type_}
            page = browser.ask(one.method, one.path, headers=headers, data=body)
            assert (page.status, page.response.headers.get("Set-Cookie")) == (403, None), one
    assert last_event() == before
    assert browser.get("/console/models").status == 200


def test_every_answer_has_a_policy_and_is_kept_by_no_cache_but_the_browser_s(
    console: Console, served: list[Address]
) -> None:
    browser = console.admin
    for one in served:
        if one.endpoint == SIGN_OUT or "get_asset" in one.endpoint:
            continue
        fields = {"Sec-Fetch-Site": "same-origin"}
        headers = browser.client.open(one.path, method=one.method, headers=fields).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], one
        assert headers["X-Content-Type-Options"] == "nosniff", one
        assert headers["Cache-Control"] in {"no-store", "private, no-cache", "no-cache"}, one
