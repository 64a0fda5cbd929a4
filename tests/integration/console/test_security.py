"""What a page of another site can do with a visitor's cookie, and the headers of every response."""

import gzip

import pytest

from console.assets import assets
from tests.integration.api.conftest import ADMIN_TOKEN
from tests.integration.console.browser import Page
from tests.integration.console.conftest import Console, ConsoleMaker
from tests.marks import first_fast

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": None, "Origin": "http://localhost:8000"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": None}, 403),
    ],
)
@pytest.mark.parametrize(
    "path", first_fast(["/console/login", "/console/logout", "/console/theme"])
)
def test_a_change_is_accepted_only_from_a_page_of_the_console(
    console: Console, path: str, headers: dict[str, str | None], status: int
) -> None:
    page = console.admin.post(path, {"token": ADMIN_TOKEN}, headers=headers)
    assert page.status == status
    if status == 403:
        assert "did not come from a page of this console" in page.text
        assert "Set-Cookie" not in page.response.headers


def test_a_cross_site_change_without_a_cookie_is_refused_too(console: Console) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert console.stranger().post("/console/logout", headers=headers).status == 403
    assert console.stranger().post("/console/nothing", headers=headers).status == 403


def test_behind_a_proxy_the_public_address_is_the_own_one(make_console: ConsoleMaker) -> None:
    console = make_console(public_url="https://models.example.com/ml")
    browser = console.stranger("http://models.example.com")
    headers = {"Sec-Fetch-Site": None, "Origin": "https://models.example.com"}
    form = {"token": ADMIN_TOKEN}
    assert browser.post("/console/login", form, headers=headers).status == 303


def test_a_link_of_another_site_is_opened_once_more_with_the_cookie(console: Console) -> None:
    """Browsers leave a SameSite=Strict cookie out of the first request, and send it then."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    first = console.stranger().get("/console/models?q=a", headers=link)
    assert first.status == 200
    assert {"http-equiv": "refresh", "content": "0"} in first.of("meta")
    assert console.admin.get("/console/models?q=a", headers=link).status == 200
    assert console.stranger().get("/console/models").status == 303  # the repeat: nobody signed in


def test_the_console_ignores_authorization_and_the_api_ignores_the_cookie(console: Console) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert console.stranger().get("/console/models", headers=headers).status == 303
    browser = console.admin
    assert browser.get("/console/models", headers={"Authorization": "Bearer x"}).status == 200
    assert browser.client.get("/models").status_code == 401


@pytest.mark.parametrize(
    "path", ["/console/models", "/console/login", "/console/nothing", "/console/models/nobody"]
)
def test_every_page_has_the_headers_and_is_not_stored(console: Console, path: str) -> None:
    headers = console.admin.get(path).response.headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Permissions-Policy"] == "camera=(), microphone=(), geolocation=()"
    assert headers["Cache-Control"] == "no-store"


def test_pages_load_only_files_of_the_console_which_browsers_keep(console: Console) -> None:
    page = console.admin.get("/console/models")
    loaded = [link["href"] for link in page.of("link")] + [s["src"] for s in page.of("script")]
    assert len(loaded) == 3 < len(assets()), "try.js is loaded by its page alone"
    for address in loaded:
        response = console.stranger().client.get(address)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Content-Security-Policy"] == POLICY
    assert not any("style" in attributes for _, attributes in page.elements)
    assert page.of("style") == []
    assert not any(name.startswith("on") for _, given in page.elements for name in given)


def test_a_file_of_another_release_is_not_kept(console: Console) -> None:
    response = console.stranger().client.get("/console/static/0000000000000000/console.css")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["nothing.css", "../app.py", "%2e%2e/app.py", "vendor/htmx"])
def test_nothing_else_is_served_as_a_file(console: Console, name: str) -> None:
    assert console.admin.get(f"/console/static/0/{name}").status == 404


def test_pages_and_files_are_compressed_for_whoever_accepts_it(console: Console) -> None:
    browser = console.admin
    css = browser.get("/console/models").of("link")[1]["href"]
    for path in ("/console/models", css):
        plain = browser.client.get(path)
        packed = browser.client.get(path, headers={"Accept-Encoding": "br, gzip"})
        refused = browser.client.get(path, headers={"Accept-Encoding": "gzip;q=0"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert len(gzip.decompress(packed.data)) == pytest.approx(len(plain.data), abs=200)
        assert "Content-Encoding" not in plain.headers
        assert "Content-Encoding" not in refused.headers


def test_errors_are_pages_that_say_what_to_do(console: Console) -> None:
    page = console.admin.get("/console/models/nobody")
    assert page.status == 404
    assert "There is no model" in page.text
    assert page.response.headers["X-Request-Id"] in page.text
    assert page.form("/console/models").method == "get"
    fragment = console.admin.fragment("/console/models/nobody")
    assert fragment.status == 404
    assert "main" not in [tag for tag, _ in fragment.elements]
    assert console.admin.post("/console/models").status == 404
    assert console.admin.get("/console/models?page=0").status == 400


def test_a_model_outside_the_token_does_not_exist(console: Console, housing: str) -> None:
    browser = console.person("predict", models=["other-*"])
    hidden, unknown = browser.get(f"/console/models/{housing}"), browser.get("/console/models/xyz")

    def words(page: Page) -> str:
        return page.text.replace(page.response.headers["X-Request-Id"], "")

    assert hidden.status == unknown.status == 404
    assert words(hidden).replace(housing, "xyz") == words(unknown)


def test_the_address_of_the_service_leads_browsers_to_the_console(console: Console) -> None:
    def answer(accept: str) -> tuple[int, str | None]:
        response = console.stranger().client.get("/", headers={"Accept": accept})
        return response.status_code, response.headers.get("Location")

    assert answer("text/html,application/xhtml+xml,*/*;q=0.8") == (303, "/console/")
    assert answer("*/*") == (200, None)
    assert answer("application/json") == (200, None)
