"""Signing in and out: the cookie, where it is set, what ends a session, and what it allows."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from registry.storage.tables import SessionRow, utc_now
from tests.integration.api.conftest import ADMIN_TOKEN
from tests.integration.console.browser import Browser
from tests.integration.console.conftest import Console, ConsoleMaker
from tests.marks import first_fast

MODELS = "/console/models"


def set_cookie(response):
    """The one cookie that a response sets: its name, value and attributes."""
    (header,) = response.headers.getlist("Set-Cookie")
    pair, *attributes = header.split("; ")
    name, _, value = pair.partition("=")
    return name, value, {attribute.partition("=")[0].lower() for attribute in attributes}


def test_whoever_is_not_signed_in_is_led_to_the_form_and_back(console: Console) -> None:
    browser = console.stranger()
    asked = browser.get("/console/models?q=house&page=2")
    assert asked.status == 303
    form = browser.get(asked.location).form("/console/login")
    assert form.values["next"] == "/console/models?q=house&page=2"

    signed_in = browser.submit(form, token=ADMIN_TOKEN)

    assert (signed_in.status, signed_in.location) == (303, "/console/models?q=house&page=2")
    assert browser.get(MODELS).status == 200
    assert browser.get("/console").location == MODELS


def test_the_cookie_is_random_and_only_its_hash_is_stored(console: Console) -> None:
    response = console.stranger().sign_in(f" {ADMIN_TOKEN} ").response
    name, value, attributes = set_cookie(response)
    assert name == "hotswap"
    assert attributes == {"expires", "max-age", "httponly", "path", "samesite"}
    assert "SameSite=Strict" in response.headers["Set-Cookie"]
    assert "Path=/" in response.headers["Set-Cookie"].split("; ")
    assert len(value) == 43
    files = [path for path in console.service.data.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert value.encode() not in content
    assert ADMIN_TOKEN.encode() not in content


@pytest.mark.parametrize(
    ("settings", "origin", "name"),
    first_fast(
        [
            ({}, "http://127.0.0.1:8000", "hotswap"),
            ({}, "https://localhost", "__Host-hotswap"),
            ({"public_url": "https://m.example.com"}, "http://localhost", "__Host-hotswap"),
            ({"host": "10.0.0.7"}, "http://m.example.com", None),
            ({}, "http://[::1]:8000", "hotswap"),
            ({"public_url": "https://m.example.com"}, "http://m.example.com", "__Host-hotswap"),
            (
                {"host": "10.0.0.7", "public_url": "http://m.example.com"},
                "http://m.example.com",
                None,
            ),
            ({"host": "10.0.0.7", "public_url": "https://m.example.com"}, "http://10.0.0.7", None),
        ],
        4,
    ),
)
def test_the_cookie_is_secure_except_on_this_machine_and_nobody_signs_in_unencrypted(
    make_console: ConsoleMaker, settings: dict[str, str], origin: str, name: str | None
) -> None:
    browser = make_console(**settings).stranger(origin)
    page, signed_in = browser.get("/console/login"), browser.sign_in(ADMIN_TOKEN)
    if name is None:
        assert signed_in.status == 403
        assert "Set-Cookie" not in signed_in.response.headers
        assert "HOTSWAP_PUBLIC_URL=https://" in page.text
        assert page.forms == []
    else:
        found, _, attributes = set_cookie(signed_in.response)
        assert (found, "secure" in attributes) == (name, name.startswith("__Host-"))
        assert "domain" not in attributes


def test_a_wrong_token_is_refused_in_words(console: Console) -> None:
    page = console.stranger().sign_in("hsw_wrong")
    assert page.status == 401
    assert "The token is not valid: unknown, expired or revoked." in page.text
    assert "hsw_wrong" not in page.html
    assert "Set-Cookie" not in page.response.headers


def test_failed_attempts_share_the_limit_of_the_api(make_console: ConsoleMaker) -> None:
    console = make_console(auth_failures=3)
    browser = console.stranger()
    assert [browser.sign_in("hsw_wrong").status for _ in range(2)] == [401, 401]
    assert console.service.stranger().get("/models").status_code == 401
    guess = {"Authorization": "Bearer hsw_guess"}
    assert console.service.stranger().get("/models", headers=guess).status_code == 401

    slowed = browser.sign_in("hsw_wrong")

    assert slowed.status == 429
    assert int(slowed.response.headers["Retry-After"]) > 0
    assert "too many invalid tokens" in slowed.text
    assert browser.sign_in(ADMIN_TOKEN).status == 303  # a valid token is never locked out


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example",
        "//evil.example",
        "/models",
        "/console\\..\\evil",
        "/console/\nSet-Cookie: x=1",
        "/consolent",
        "console/models",
        "",
    ],
)
def test_signing_in_leads_only_to_pages_of_the_console(console: Console, following: str) -> None:
    assert console.stranger().sign_in(ADMIN_TOKEN, next=following).location == "/console/"


def test_signing_out_ends_the_session_and_empties_the_browser(console: Console) -> None:
    browser, other = console.admin, console.admin
    value = browser.cookie()

    left = browser.post("/console/logout")

    assert (left.status, left.location) == (303, "/console/login")
    assert left.response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert browser.cookie() is None
    assert browser.get(MODELS).status == 303
    browser.client.set_cookie("hotswap", value)  # who kept it has nothing of it
    assert browser.get(MODELS).status == 303
    assert other.get(MODELS).status == 200


def test_signing_out_everywhere_ends_all_sessions_of_the_token(console: Console) -> None:
    token = console.token("predict")["token"]
    browsers = [Browser(console.service.app, token) for _ in range(3)]
    other = console.person("predict")
    browsers[0].post("/console/logout", {"everywhere": "1"})
    assert [browser.get(MODELS).status for browser in browsers] == [303] * 3
    assert other.get(MODELS).status == 200


def test_each_sign_in_replaces_the_cookie(console: Console) -> None:
    browser = console.admin
    before = browser.cookie()
    browser.sign_in(ADMIN_TOKEN)
    assert browser.cookie() != before
    browser.client.set_cookie("hotswap", before)
    assert browser.get(MODELS).status == 303


def test_a_cookie_from_elsewhere_is_never_a_session(console: Console) -> None:
    for value in ("", "x", "a" * 43, ADMIN_TOKEN, "\N{SNOWMAN}", "'; DROP TABLE sessions; --"):
        browser = console.stranger()
        browser.client.set_cookie("hotswap", value)
        assert browser.get(MODELS).status == 303


def test_a_revoked_token_ends_its_sessions_at_once(console: Console) -> None:
    made = console.token("upload")
    browser = Browser(console.service.app, made["token"])
    assert browser.get(MODELS).status == 200
    assert console.service.admin.delete(f"/tokens/{made['id']}").status_code == 204
    assert browser.get(MODELS).status == 303


def test_an_expired_token_ends_its_sessions(make_console: ConsoleMaker) -> None:
    console = make_console()
    soon = datetime.now(UTC) + timedelta(seconds=2)
    made = console.token("upload", expires_at=soon.isoformat())
    browser = Browser(console.service.app, made["token"])
    with console.service.services.database.read() as session:
        (row,) = session.scalars(select(SessionRow).where(SessionRow.token_id == made["id"]))
    assert row.expires_at <= soon
    change(console, expires_at=utc_now() - timedelta(seconds=1))
    assert browser.get(MODELS).status == 303


def change(console: Console, **columns: datetime) -> None:
    """Store these times for all sessions."""
    with console.service.services.database.write() as session:
        session.execute(update(SessionRow).values(**columns))


def test_an_idle_session_ends_and_a_used_one_does_not(make_console: ConsoleMaker) -> None:
    console = make_console(console_hours=2)
    browser = console.admin
    change(console, seen_at=utc_now() - timedelta(minutes=100))
    assert browser.get(MODELS).status == 200
    change(console, expires_at=utc_now() + timedelta(hours=1))
    with console.service.services.database.read() as session:
        (row,) = session.scalars(select(SessionRow))
    assert utc_now() - row.seen_at < timedelta(minutes=5)

    change(console, seen_at=utc_now() - timedelta(minutes=121))
    assert browser.get(MODELS).status == 303


def test_no_hours_turn_signing_in_off(make_console: ConsoleMaker) -> None:
    browser = make_console(console_hours=0).stranger()
    page = browser.get("/console/login")
    assert "HOTSWAP_CONSOLE_HOURS is 0" in page.text
    assert page.forms == []
    assert browser.sign_in(ADMIN_TOKEN).status == 403


def test_a_form_that_arrives_too_late_keeps_what_was_typed(console: Console) -> None:
    browser = console.admin
    browser.post("/console/logout")
    typed = {"reason": "it <was> slow", "expected_version": "3"}

    late = browser.post("/console/theme?x=1", typed)
    assert late.status == 401
    assert "Your session has ended, and nothing was done." in late.text
    again = browser.submit(late.form("/console/login"), token=ADMIN_TOKEN)

    assert again.status == 200
    assert "Nothing was sent yet." in again.text
    assert "it <was> slow" in again.text
    form = again.form("/console/theme")
    assert (form.action, form.values) == ("/console/theme?x=1", typed)
    assert browser.submit(form).status == 303  # sent by hand, and accepted


def test_a_kept_form_is_sent_only_to_the_console(console: Console) -> None:
    page = console.stranger().sign_in(
        ADMIN_TOKEN, kept_path="https://evil.example/", **{"kept.a": "1"}
    )
    assert page.status == 303


def test_a_fragment_says_that_the_session_ended_and_keeps_the_page(console: Console) -> None:
    browser = console.admin
    browser.post("/console/logout")
    fragment = browser.fragment(MODELS)
    assert fragment.status == 401
    assert "Your session has ended." in fragment.text
    assert "html" not in [tag for tag, _ in fragment.elements]


def test_the_menu_shows_who_is_signed_in_and_for_how_long(console: Console) -> None:
    expires = datetime.now(UTC) + timedelta(days=30)
    made = {"models": ["house*"], "expires_at": expires.isoformat(), "name": "ann <ops>"}
    text = console.person("promote", "predict", **made).get(MODELS).text
    assert "Signed in with the token ann <ops>" in text
    assert "It may read, predict, promote" in text
    assert "Models house*" in text
    assert f"Expires {expires.day} {expires:%b}" in text


def test_a_theme_is_kept_in_a_cookie_and_set_by_the_server(console: Console) -> None:
    browser = console.admin
    assert "class" not in browser.get(MODELS).of("html")[0]
    chosen = browser.post("/console/theme", {"theme": "dark", "next": "/console/models?q=a"})
    assert chosen.location == "/console/models?q=a"
    assert browser.get(MODELS).of("html")[0]["class"] == "dark"
    browser.post("/console/theme", {"theme": '"><script>'})
    assert browser.get(MODELS).of("html")[0]["class"] == "dark"


def test_signing_in_counts_against_the_rate_of_the_token(make_console: ConsoleMaker) -> None:
    """Each sign-in writes to the database."""
    browser = make_console(rate_limit=1).stranger()
    answers = [browser.sign_in(ADMIN_TOKEN) for _ in range(4)]
    slowed = [page for page in answers if page.status == 429]
    assert slowed
    assert int(slowed[0].response.headers["Retry-After"]) > 0
    assert "Set-Cookie" not in slowed[0].response.headers


def test_requests_count_against_the_rate_of_the_token(make_console: ConsoleMaker) -> None:
    browser = make_console(rate_limit=1).admin
    statuses = [browser.get("/console/health-of-nothing").status for _ in range(4)]
    assert 429 in statuses
