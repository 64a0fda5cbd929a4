"""The service behind a proxy: limits count clients, and links lead through the proxy."""

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.integration.api.conftest import END, FORM, Caller, Service, check_problem, part

PATHS = ["/models", "/models/m/predict", "/models/m/1/predict"]
PROXY = "10.0.0.1"
OTHER = "192.0.2.200"


@pytest.fixture(scope="module")
def proxied(module_app, artifacts):
    """A service behind a proxy, with the model ``m`` in production."""
    service = module_app(
        trusted_proxies="10.0.0.0/8", auth_failures=2, allowed_hosts="models.example.com"
    )
    service.admin.upload("m", artifacts["line-2"], {"input_example": {"x0": 1.0}})
    service.admin.promote("m", 1)
    return service


def through(service: Service, token: str | None, client: str, peer: str = PROXY, **headers: str):
    """A function that requests a path as ``client`` from the proxy at ``peer``."""
    caller = Caller(service.app, token)
    fields = {"X-Forwarded-For": client, **headers}

    def ask(path, method="GET", **options):
        return caller.ask(
            method, path, headers=fields, environ_overrides={"REMOTE_ADDR": peer}, **options
        )

    return ask


@pytest.mark.parametrize("path", PATHS)
def test_failed_authentications_are_counted_by_the_client_s_address(make_app, path):
    service = make_app(trusted_proxies="1", auth_failures=2)
    method = "GET" if path == "/models" else "POST"

    def status(client):
        return through(service, "hsw_guess", client)(path, method).status_code

    assert [status("192.0.2.1") for _ in range(3)] == [401, 401, 429]
    assert status("192.0.2.2") == 401
    # What the client says of itself comes first, and changes nothing.
    assert status("198.51.100.1, 192.0.2.1") == 429
    assert status('"198.51.100.1, 192.0.2.1') == 429


@pytest.mark.parametrize("path", PATHS)
def test_a_caller_that_is_not_a_proxy_cannot_choose_its_address(proxied, path):
    method = "GET" if path == "/models" else "POST"
    peer = f"203.0.113.{PATHS.index(path)}"

    statuses = [
        through(proxied, "hsw_guess", f"192.0.2.{number}", peer)(path, method).status_code
        for number in range(4)
    ]

    assert statuses == [401, 401, 429, 429]


@pytest.mark.parametrize("path", PATHS)
def test_a_forwarded_host_that_is_not_allowed_is_refused_with_the_name_of_the_setting(
    proxied, path
):
    method = "GET" if path == "/models" else "POST"
    ask = through(proxied, None, OTHER, **{"X-Forwarded-Host": "other.example.com"})

    problem = check_problem(ask(path, method), 400, "host-refused")

    assert "other.example.com" in problem["detail"]
    assert "HOTSWAP_ALLOWED_HOSTS" in problem["detail"]


def test_the_host_of_the_public_url_is_allowed(make_app):
    service = make_app(public_url="https://models.example.com/ml")

    def status(host):
        return service.stranger().get("/version", headers={"Host": host}).status_code

    assert (status("models.example.com"), status("other.example.com")) == (200, 400)


@pytest.fixture(scope="module", params=["forwarded", "server"])
def below_prefix(request, proxied):
    """Requests the service at https://models.example.com/ml, as admin: through a proxy that removes
    the prefix and sends it in a field, and from a server that sets SCRIPT_NAME."""
    fields = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "models.example.com"}
    environ = {"REMOTE_ADDR": PROXY}
    if request.param == "forwarded":
        fields["X-Forwarded-Prefix"] = "/ml"
    else:
        environ["SCRIPT_NAME"] = "/ml"

    def ask(path, method="GET", **options):
        return proxied.admin.ask(method, path, headers=fields, environ_overrides=environ, **options)

    return ask


def test_location_headers_include_the_prefix(below_prefix, artifacts, fresh_name):
    made = below_prefix("/models", "POST", json={"name": fresh_name})
    form = part('; name="artifact"; filename="model.skops"', artifacts["line-2"]) + END
    uploaded = below_prefix(f"/models/{fresh_name}/versions", "POST", data=form, content_type=FORM)

    assert made.headers["Location"] == f"/ml/models/{fresh_name}"
    assert uploaded.headers["Location"] == f"/ml/models/{fresh_name}/1"


def test_the_openapi_document_includes_the_prefix(below_prefix):
    document = below_prefix("/openapi.json").json

    assert document["servers"] == [{"url": "/ml"}]
    assert "/models/{name}/predict" in document["paths"]


def test_the_documentation_page_works_below_the_prefix(below_prefix):
    page = below_prefix("/docs").text
    loaded = [part.partition('"')[0] for part in page.split('="')[1:]]
    addresses = [address for address in loaded if address.startswith("/")]

    assert len(addresses) == 4
    assert "/ml/openapi.json" in addresses
    for address in addresses:
        assert address.startswith("/ml/")
        assert below_prefix(address.removeprefix("/ml")).status_code == 200


def test_a_card_shows_how_to_call_the_service_through_the_proxy(below_prefix):
    card = below_prefix("/models/m/1/card").text

    assert "https://models.example.com/ml/models/m/1/predict" in card


def test_predictions_work_below_the_prefix(below_prefix):
    for path in PATHS[1:]:
        answer = below_prefix(path, "POST", json={"input": [4]})
        assert answer.status_code == 200, answer.text


def test_problem_types_do_not_include_the_prefix(below_prefix):
    """It is compared, not opened (RFC 9457, section 3.1.1)."""
    check_problem(below_prefix("/models/nobody"), 404, "model-not-found")


def test_links_use_the_public_url(make_app, artifacts):
    service = make_app(public_url="https://models.example.com/ml")
    service.admin.upload("m", artifacts["line-2"], {"input_example": {"x0": 1.0}})

    card = service.admin.get("/models/m/1/card").text
    release = service.stranger().get("/version").json

    assert "https://models.example.com/ml/models/m/1/predict" in card
    assert release["public_url"] == "https://models.example.com/ml"


def test_fast_path_and_flask_see_the_same_forwarded_request(proxied):
    """The fast path and Flask answer the same bytes behind a proxy."""
    for fields in (
        {"X-Forwarded-For": OTHER},
        {"X-Forwarded-For": "\x00", "X-Forwarded-Host": "models.example.com"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Host": "a b"},
        {"X-Forwarded-Prefix": "//evil.example", "X-Forwarded-Proto": "javascript"},
    ):
        answers = []
        layer = proxied.app.wsgi_app
        fast = layer.inner
        for endpoint in (fast, fast.inner):
            layer.inner = endpoint
            builder = EnvironBuilder(
                PATHS[1],
                method="POST",
                headers={"X-Request-Id": "1", **fields},
                environ_overrides={"REMOTE_ADDR": PROXY},
            )
            chunks, status, headers = run_wsgi_app(layer, builder.get_environ(), buffered=True)
            answers.append((b"".join(chunks), status, list(headers)))
        layer.inner = fast
        assert answers[0] == answers[1]
        assert not answers[0][1].startswith("5")
