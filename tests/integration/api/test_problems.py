"""Every error is a problem (RFC 9457), and no response reveals internals of the server."""

import dataclasses
import re
import resource

import pytest

from api.problems import STATUS, slug_of, status_of
from api.services import attach
from registry.errors import IntakeUnavailable, RegistryError
from registry.storage.database import Database
from tests.integration.api.conftest import check_problem


def all_errors(base=RegistryError):
    for error in base.__subclasses__():
        yield error
        yield from all_errors(error)


ERRORS = sorted(set(all_errors()), key=lambda error: error.__name__)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_registry_error_has_a_status_a_title_and_a_slug(error):
    assert 400 <= status_of(error) <= 599
    assert error.title != RegistryError.title
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", slug_of(error))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_registry_error_matches_exactly_one_row_of_the_table(error):
    rows = [kind for kind in error.__mro__ if kind in STATUS]

    assert len(rows) == 1


def test_no_two_errors_share_a_slug():
    slugs = [slug_of(error) for error in ERRORS]
    assert len(slugs) == len(set(slugs))


def test_the_table_contains_only_existing_errors():
    assert set(STATUS) <= set(ERRORS)


def test_an_error_outside_the_table_has_no_status():
    with pytest.raises(KeyError):
        status_of(RegistryError)


def test_the_statuses_and_slugs_that_clients_rely_on():
    statuses = {slug_of(error): status_of(error) for error in ERRORS}
    promised = {
        "name-malformed": 400,
        "alias-malformed": 400,
        "reference-malformed": 400,
        "parameter-malformed": 400,
        "body-malformed": 400,
        "idempotency-key-malformed": 400,
        "unauthenticated": 401,
        "scope-missing": 403,
        "model-forbidden": 403,
        "model-not-found": 404,
        "version-not-found": 404,
        "alias-not-found": 404,
        "token-not-found": 404,
        "not-acceptable": 406,
        "name-taken": 409,
        "model-archived": 409,
        "version-not-ready": 409,
        "version-has-alias": 409,
        "expected-version-conflict": 409,
        "nothing-to-roll-back-to": 409,
        "version-not-loadable": 409,
        "idempotency-key-reused": 409,
        "too-large": 413,
        "format-unsupported": 415,
        "body-refused": 422,
        "metadata-refused": 422,
        "artifact-refused": 422,
        "input-refused": 422,
        "no-probabilities": 422,
        "no-scores": 422,
        "prediction-refused": 422,
        "prediction-timed-out": 422,
        "token-refused": 422,
        "database-busy": 503,
        "database-unavailable": 503,
        "storage-unavailable": 503,
        "intake-unavailable": 503,
        "blob-missing": 503,
        "blob-damaged": 503,
        "storage-full": 507,
    }
    assert {slug: statuses.get(slug) for slug in promised} == promised


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/models/a/predict/predict",
        "/models/a/1/nothing",
        "/models/a/b/c/d/e",
        "/models/a/policy/b",
        "/models/%2e%2e/%2e%2e/etc/passwd",
        "/%00",
        "/%ff",
        "/models//versions",
        "/docs/static/../api.py",
        "/docs/static/%2e%2e/app.py",
        "/docs/static/",
        "/docs/static/nothing.js",
        "/" + "x" * 10_000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_a_problem(admin, path, method):
    answer = admin.ask(method, path)
    if (method, answer.status_code) == ("POST", 405):
        assert path.startswith("/docs/static")
        check_problem(answer, 405, "method-not-allowed")
    else:
        check_problem(answer, 404, "not-found")


def test_two_leading_slashes_count_as_one(service):
    # Written as a URL, they would begin a host's name.
    twice = {"environ_overrides": {"PATH_INFO": "//models"}}
    assert service.admin.get("/", **twice).status_code == 200
    check_problem(service.stranger().get("/", **twice), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/models", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PUT", "/models/a", {"GET", "HEAD", "OPTIONS", "PATCH", "DELETE"}),
        ("GET", "/models/a/predict", {"OPTIONS", "POST"}),
        ("GET", "/models/a/1/predict", {"OPTIONS", "POST"}),
        ("GET", "/models/a/rollback", {"OPTIONS", "POST"}),
        ("PATCH", "/models/a/aliases", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/models/a/history", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/livez", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/models", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("post", "/models", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("options", "/models/a/predict", {"OPTIONS", "POST"}),
    ],
)
def test_an_unsupported_method_is_405_with_the_supported_ones(admin, method, path, allowed):
    answer = admin.ask(method, path)
    check_problem(answer, 405, "method-not-allowed")
    assert {item.strip() for item in answer.headers["Allow"].split(",")} == allowed


class Broken:
    """A fake blob store that raises an unexpected error."""

    def open(self, digest):
        raise RuntimeError(f"could not open /srv/secret/blobs/{digest}")


def test_an_unexpected_error_reveals_only_its_request_id(make_app, artifacts, caplog):
    service = make_app()
    service.admin.upload("m", artifacts["line-1"])
    attach(service.app, dataclasses.replace(service.services, blobs=Broken()))

    answer = service.admin.get("/models/m/1/artifact", headers={"X-Request-Id": "look-me-up"})

    problem = check_problem(answer, 500, "internal-error")
    assert problem["request_id"] == "look-me-up"
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "could not open /srv/secret" in caplog.text


@pytest.mark.sqlite
def test_a_database_that_cannot_be_opened_is_503(make_app, artifacts):
    service = make_app()
    service.admin.upload("m", artifacts["line-1"])
    service.services.database.dispose()
    for file in service.data.glob("registry.db*"):
        file.unlink()
    (service.data / "registry.db").mkdir()

    for path in ("/readyz", "/models"):
        answer = service.admin.get(path)
        check_problem(answer, 503, "database-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert str(service.data) not in answer.text
    assert service.admin.get("/livez").status_code == 200


@pytest.mark.sqlite
def test_a_locked_database_is_reported_as_busy(make_app):
    service = make_app()
    impatient = Database(service.services.settings.effective_database_url, busy_timeout=0.05)
    attach(service.app, dataclasses.replace(service.services, database=impatient))
    with service.services.database.write() as session:
        session.connection()
        answer = service.admin.post("/models", json={"name": "m"})
    check_problem(answer, 503, "database-busy")
    assert answer.headers["Retry-After"] == "1"
    assert service.admin.post("/models", json={"name": "m"}).status_code == 201
    impatient.dispose()


def test_running_out_of_file_descriptors_is_503(service):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    service.stranger().get("/docs/static/docs.js").close()  # imports what it takes
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        answer = service.stranger().get("/docs/static/docs.js")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    check_problem(answer, 503, "open-files-exhausted")
    assert answer.headers["Retry-After"] == "2"
    assert service.stranger().get("/docs/static/docs.js").status_code == 200


class NoIntake:
    """A fake intake whose process cannot be started."""

    def inspect(self, *_):
        raise IntakeUnavailable


def test_a_failed_start_of_the_inspection_process_is_503(make_app, artifacts):
    service = make_app()
    attach(service.app, dataclasses.replace(service.services, inspector=NoIntake()))
    answer = service.admin.upload("m", artifacts["line-1"])
    check_problem(answer, 503, "intake-unavailable")
    assert answer.headers["Retry-After"] == "10"
    assert service.stored() == set()
    assert service.admin.get("/models/m").status_code == 404


@pytest.mark.parametrize(
    "sent", ["a", "A-1._:/+=", "0" * 128, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "550e8400-e29b-41d4-a716"]
)
def test_a_valid_request_id_of_the_caller_is_returned(service, sent):
    for path in ("/livez", "/nothing", "/models"):
        answer = service.stranger().get(path, headers={"X-Request-Id": sent})
        assert answer.headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", [None, "", " ", "-a", "a b", 'a"b', "<b>", "0" * 129, "é", "a;b"])
def test_a_request_without_a_valid_id_gets_a_new_one(service, sent):
    headers = {} if sent is None else {"X-Request-Id": sent}
    ids = {
        service.stranger().get(path, headers=headers).headers["X-Request-Id"]
        for path in ("/livez", "/nothing", "/models")
    }
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", request_id) for request_id in ids)
