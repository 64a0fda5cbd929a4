"""Limits on failed authentications and on the requests of one token; hosts and headers."""

import pytest

from api.receiving import ARRIVAL, Arrival
from api.security_headers import SECURITY_HEADERS
from tests.integration.api.conftest import Caller, check_problem

PATHS = ["/models", "/models/m/predict", "/models/m/1/predict"]


def ask(caller, path, **options):
    if path == "/models":
        return caller.get(path, **options)
    return caller.post(path, json={"input": [4]}, **options)


@pytest.mark.parametrize("path", PATHS)
def test_failed_authentications_are_slowed(make_app, path):
    service = make_app(auth_failures=3)
    guesser = Caller(service.app, "hsw_guess")

    for _ in range(3):
        check_problem(ask(guesser, path), 401, "unauthenticated")
    answer = ask(guesser, path)

    check_problem(answer, 429, "too-many-failures")
    assert 1 <= int(answer.headers["Retry-After"]) <= 20
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("path", PATHS)
def test_failures_do_not_lock_out_a_valid_token_from_the_same_address(make_app, path):
    service = make_app(auth_failures=1)
    guesser = Caller(service.app, "hsw_guess")
    assert [ask(guesser, path).status_code for _ in range(3)] == [401, 429, 429]

    assert ask(service.admin, path).status_code in (200, 404)


def test_failures_are_counted_separately_for_each_address(make_app):
    service = make_app(auth_failures=1)
    guesser = Caller(service.app, "hsw_guess")
    ask(guesser, "/models")

    def status(address):
        return guesser.get("/models", environ_overrides={"REMOTE_ADDR": address}).status_code

    assert (status("127.0.0.1"), status("192.0.2.1")) == (429, 401)
    assert (status("2001:db8::1"), status("2001:db8::2"), status("2001:db8:0:1::1")) == (
        *(401, 429),
        401,
    )
    assert (status("::ffff:192.0.2.1"), status("::ffff:192.0.2.2")) == (429, 401)
    assert status("no address") == 401


def test_a_missing_token_is_always_answered_with_401(make_app):
    service = make_app(auth_failures=1)
    for _ in range(5):
        check_problem(service.stranger().get("/models"), 401, "unauthenticated")


@pytest.mark.parametrize("path", PATHS)
def test_requests_with_one_token_are_rate_limited(make_app, path):
    service = make_app(rate_limit=4)
    busy, other = service.caller("predict"), service.caller("predict")

    assert all(ask(busy, path).status_code != 429 for _ in range(4))
    # On a slow machine a place may have become free meanwhile, but not many.
    answers = [ask(busy, path) for _ in range(8)]
    slowed = [answer for answer in answers if answer.status_code == 429]

    assert slowed
    check_problem(slowed[0], 429, "rate-limited")
    assert slowed[0].headers["Retry-After"] == "1"
    assert ask(other, path).status_code != 429
    assert service.stranger().get("/livez").status_code == 200


def test_a_prediction_through_flask_counts_once(make_app):
    service = make_app(rate_limit=4)
    busy = service.caller("predict")
    service.app.wsgi_app = service.app.wsgi_app.inner
    assert [ask(busy, PATHS[1]).status_code for _ in range(4)] == [404] * 4
    assert 429 in [ask(busy, PATHS[1]).status_code for _ in range(8)]


@pytest.mark.parametrize("path", [*PATHS, "/version", "/nothing", "/docs"])
def test_a_rebound_host_name_gets_no_response(service, path):
    answer = ask(service.admin, path, headers={"Host": "evil.example"})
    check_problem(answer, 400, "host-refused")


def test_health_checks_accept_any_host_name(service):
    for path in ("/livez", "/readyz"):
        answer = service.stranger().get(path, headers={"Host": "10.0.0.7:8000"})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", [*PATHS, "/nothing", "/livez", "/openapi.json"])
def test_every_answer_carries_the_security_headers(service, path):
    headers = ask(service.admin, path).headers
    assert {name: headers[name] for name, _ in SECURITY_HEADERS} == dict(SECURITY_HEADERS)


def test_artifacts_may_be_cached_by_their_etag(service, unchanged):
    name, (digest, *_) = unchanged
    headers = service.admin.get(f"/models/{name}/1/artifact").headers
    assert headers["ETag"] == f'"{digest}"'
    assert headers.getlist("Cache-Control") == ["no-cache"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_documentation_page_may_load_only_its_own_scripts(service):
    policy = service.stranger().get("/docs").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none';" in policy
    assert "unsafe-eval" not in policy


class BrokenBody:
    """A body in chunks that breaks off before the first."""

    def begin_wait(self):
        pass

    def arrival(self, size):
        assert size == 0
        return Arrival.BROKEN


@pytest.mark.parametrize("path", ["/models/m/1/promote", "/models/m/rollback"])
def test_a_chunked_body_that_ends_at_once_is_not_treated_as_empty(service, path):
    broken = {ARRIVAL: BrokenBody(), "wsgi.input_terminated": True}
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", **broken}
    answer = service.admin.post(path, environ_overrides=environ)
    check_problem(answer, 400, "body-malformed")


def cached_after(service, requests):
    """The entries of the cache of admissions after these requests.

    The poll empties the cache after a change, so it may do so once more behind the last request:
    then they are sent again.
    """
    for _ in range(20):
        for caller, headers in requests:
            answer = ask(caller, PATHS[1], headers=headers)
            assert answer.status_code == 200, headers
        if entries := list(service.services.watch.admission_cache().versions):
            return entries
    return []


def test_anonymous_callers_share_one_cache_entry(make_app, artifacts):
    service = make_app(anonymous_predict=True)
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 1)
    callers = [Caller(service.app, f"made-up-{number}") for number in range(5)]

    assert cached_after(service, [(caller, {}) for caller in callers]) == [
        (None, "m", "production")
    ]


def test_different_spellings_of_one_token_share_a_cache_entry(make_app, artifacts):
    service = make_app()
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 1)
    usual = service.admin.authorization
    token = usual.removeprefix("Bearer ")
    spellings = [usual, f"bearer {token}", f"BEARER {token}", f"Bearer   {token}", f"{usual}  "]

    requests = [(service.admin, {"Authorization": spelling}) for spelling in [*spellings, usual]]

    assert cached_after(service, requests) == [(usual, "m", "production")]
