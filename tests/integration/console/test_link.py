"""The link that ``hotswap serve`` prints: it signs in once, on the machine of the service."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from console.assets import assets
from registry.storage.sign_in_codes import SignInCodes
from registry.storage.tables import utc_now
from registry.tokens import token_digest
from tests.integration.api.conftest import ADMIN_TOKEN
from tests.integration.console.browser import Browser, Page
from tests.integration.console.conftest import Console, ConsoleMaker
from tests.marks import first_fast

LINK = "/console/link"
HERE = {"Origin": "http://localhost"}


def code_of(console: Console, token: str = ADMIN_TOKEN, age: timedelta = timedelta(0)) -> str:
    """A code that the service made for the token ``age`` ago."""
    return SignInCodes(console.service.data / "run").make(token_digest(token), utc_now() - age)


def send(browser: Browser, code: str, **options: object) -> Page:
    """What the script of the page does with the code of its address."""
    page = browser.get(LINK)
    headers = {**HERE, **options.pop("headers", {})}
    assert page.form(LINK).values == {"code": ""}
    return browser.post(LINK, {"code": code}, headers=headers, **options)


def is_refused(page: Page, words: str) -> bool:
    """Whether the page signs nobody in, says why, and offers to sign in with a token."""
    has_form = any(form.action == "/console/login" for form in page.forms)
    return (
        page.status == 403
        and words in page.text
        and has_form
        and "Set-Cookie" not in page.response.headers
    )


def test_a_link_signs_in_once_and_leads_to_the_models(console: Console) -> None:
    browser, code = console.stranger(), code_of(console)

    signed_in = send(browser, code)

    assert (signed_in.status, signed_in.location) == (303, "/console/models")
    assert browser.get(signed_in.location).status == 200
    assert "It may everything" in browser.get(signed_in.location).text
    assert is_refused(send(console.stranger(), code), "it was used already")


def test_a_used_link_leads_on_where_it_has_signed_in(console: Console) -> None:
    browser, code = console.stranger(), code_of(console)
    assert send(browser, code).status == send(browser, code).status == 303


def test_what_only_fetches_the_link_does_not_use_it(console: Console) -> None:
    """The code is in the fragment, which is not sent; only the form of the page uses it."""
    code = code_of(console)
    for method in ("HEAD", "GET"):
        fetched = console.stranger().client.open(
            LINK, method=method, headers={"Sec-Purpose": "prefetch;prerender"}
        )
        assert fetched.status_code == 200
        assert fetched.headers["Cache-Control"] == "no-store"
    (script,) = [one for one in console.stranger().get(LINK).of("script") if "link" in one["src"]]
    assert script["src"].endswith("/link.js")
    text = assets()["link.js"].content.decode()
    assert text.index("history.replaceState") < text.index("requestSubmit")
    assert send(console.stranger(), code).status == 303


def test_a_link_expires_after_ten_minutes(console: Console) -> None:
    late = code_of(console, age=timedelta(minutes=10))
    assert is_refused(send(console.stranger(), late), "is older than ten minutes")
    in_time = code_of(console, age=timedelta(minutes=9))
    assert send(console.stranger(), in_time).status == 303


@pytest.mark.parametrize("code", ["", "x", "a" * 43, "../../admin.token", "\N{SNOWMAN}" * 60])
def test_other_codes_sign_nobody_in(console: Console, code: str) -> None:
    assert is_refused(send(console.stranger(), code), "Each start prints a new one")


def test_a_link_of_a_revoked_token_signs_nobody_in(console: Console) -> None:
    made = console.token("admin")
    code = code_of(console, made["token"])
    assert console.service.admin.delete(f"/tokens/{made['id']}").status_code == 204
    assert is_refused(send(console.stranger(), code), "sign in with a token")


@pytest.mark.parametrize(
    "request_",
    [
        {"environ_overrides": {"REMOTE_ADDR": "10.0.0.9"}},
        {"environ_overrides": {"REMOTE_ADDR": ""}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"X-Real-IP": "10.0.0.9"}},
        {"headers": {"Forwarded": "for=10.0.0.9"}},
        {"headers": {"Via": "1.1 proxy"}},
        {"headers": {"Origin": "http://models.example.com"}},
        {"headers": {"Origin": "null"}},
        {"headers": {"Origin": None}},
    ],
    ids=str,
)
def test_a_link_is_refused_from_elsewhere_and_stays_good(
    console: Console, request_: dict[str, dict[str, str]]
) -> None:
    code = code_of(console)
    refused = send(console.stranger(), code, **request_)
    assert is_refused(refused, "work only in a browser on the machine")
    peers = [{"REMOTE_ADDR": "::1"}, {"REMOTE_ADDR": "::ffff:127.0.0.1"}]
    answers = [send(console.stranger(), code, environ_overrides=peer) for peer in peers]
    assert [answer.status for answer in answers] == [303, 403]


@pytest.mark.parametrize(
    ("settings", "origin"),
    first_fast(
        [
            ({"public_url": "https://m.example.com"}, "http://localhost"),
            ({"trusted_proxies": "127.0.0.1"}, "http://localhost"),
            ({"host": "10.0.0.7"}, "http://localhost"),
            ({"console_hours": 0}, "http://localhost"),
            ({"host": "0.0.0.0"}, "http://m.example.com"),  # noqa: S104 - nothing listens
            ({}, "https://localhost"),
        ],
        3,
    ),
    ids=str,
)
def test_where_others_may_reach_the_service_no_link_signs_in(
    make_console: ConsoleMaker, settings: dict[str, object], origin: str
) -> None:
    console = make_console(**settings)
    browser = console.stranger(origin)
    page = browser.get(LINK)
    sent = browser.post(LINK, {"code": code_of(console)}, headers={"Origin": origin})
    for answer in (page, sent):
        assert answer.status == 403
        assert "Set-Cookie" not in answer.response.headers
        assert "work only in a browser on the machine" in answer.text


def test_a_page_of_another_site_cannot_send_a_code(console: Console) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert send(console.stranger(), code_of(console), headers=headers).status == 403


def test_of_many_browsers_that_send_the_same_code_one_is_signed_in(console: Console) -> None:
    code = code_of(console)
    browsers = [console.stranger() for _ in range(8)]

    def follow(browser: Browser) -> int:
        return browser.post(LINK, {"code": code}, headers=HERE).status

    with ThreadPoolExecutor(len(browsers)) as threads:
        statuses = sorted(threads.map(follow, browsers))

    assert statuses == [303] + [403] * 7


def test_only_the_hash_of_a_code_is_stored_and_a_start_forgets_it(console: Console) -> None:
    code = code_of(console)
    files = [path for path in console.service.data.rglob("*") if path.is_file()]
    assert not any(code.encode() in path.read_bytes() for path in files)
    assert not any(code in path.name for path in files)

    SignInCodes(console.service.data / "run").clear()

    assert is_refused(send(console.stranger(), code), "the service was started again")
