"""Access control: every route and method of the app is tested."""

import os
import re
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from api.access import access_of
from tests.integration.api.conftest import (
    ADMIN_TOKEN,
    Caller,
    check_error_code,
    check_error_text,
    check_problem,
)
from tests.marks import first_fast

PUBLIC = {
    "/",
    "/livez",
    "/readyz",
    "/version",
    "/openapi.json",
    "/docs",
    "/docs/static/<path:filename>",
}
PUBLIC |= {"/v2/health/live", "/v2/health/ready", "/api/3.0/mlflow/server-info"}
PUBLIC |= {"/ping", "/models/<name>/ping"}
PUBLIC |= {f"/models/<name>/<version>/{probe}" for probe in ("ping", "health")}

ANY, PREDICT, UPLOAD, PROMOTE, ADMIN = None, "predict", "upload", "promote", "admin"

SCOPES = {
    ("GET", "/models"): ANY,
    ("POST", "/models"): UPLOAD,
    ("GET", "/models/<name>"): ANY,
    ("PATCH", "/models/<name>"): UPLOAD,
    ("DELETE", "/models/<name>"): ADMIN,
    ("POST", "/models/<name>/versions"): UPLOAD,
    ("GET", "/models/<name>/versions"): ANY,
    ("GET", "/models/<name>/<version>"): ANY,
    ("PATCH", "/models/<name>/<version>"): UPLOAD,
    ("DELETE", "/models/<name>/<version>"): ADMIN,
    ("GET", "/models/<name>/<version>/artifact"): ANY,
    ("GET", "/models/<name>/<version>/compiled"): ANY,
    ("GET", "/models/<name>/<version>/compiled/<form>"): ANY,
    ("GET", "/models/<name>/<version>/evaluation"): ANY,
    ("GET", "/models/<name>/<version>/card"): ANY,
    ("GET", "/models/<name>/<version>/plots/<plot>.svg"): ANY,
    ("POST", "/models/<name>/<version>/promote"): PROMOTE,
    ("POST", "/models/<name>/rollback"): PROMOTE,
    ("GET", "/models/<name>/aliases"): ANY,
    ("GET", "/models/<name>/aliases/<alias>"): ANY,
    ("PUT", "/models/<name>/aliases/<alias>"): PROMOTE,
    ("DELETE", "/models/<name>/aliases/<alias>"): PROMOTE,
    ("GET", "/models/<name>/aliases/<alias>/split"): ANY,
    ("PUT", "/models/<name>/aliases/<alias>/split"): PROMOTE,
    ("DELETE", "/models/<name>/aliases/<alias>/split"): PROMOTE,
    ("GET", "/models/<name>/compare"): ANY,
    ("GET", "/models/<name>/history"): ANY,
    ("GET", "/models/<name>/traffic"): ANY,
    ("GET", "/history"): ANY,
    ("POST", "/tokens/<token:token_id>/rotate"): ADMIN,
    ("GET", "/history/head"): ANY,
    ("POST", "/history/verify"): ADMIN,
    ("GET", "/models/<name>/policy"): ANY,
    ("PUT", "/models/<name>/policy"): PROMOTE,
    ("GET", "/models/<name>/holdout"): ANY,
    ("PUT", "/models/<name>/holdout"): PROMOTE,
    ("DELETE", "/models/<name>/holdout"): PROMOTE,
    ("POST", "/models/<name>/<version>/evaluate"): PROMOTE,
    ("GET", "/models/<name>/<version>/verdict"): ANY,
    ("POST", "/models/<name>/predict"): PREDICT,
    ("POST", "/models/<name>/<version>/predict"): PREDICT,
    ("POST", "/invocations"): PREDICT,
    ("POST", "/models/<name>/invocations"): PREDICT,
    ("POST", "/models/<name>/<version>/invocations"): PREDICT,
    ("GET", "/tokens"): ADMIN,
    ("POST", "/tokens"): ADMIN,
    ("GET", "/tokens/self"): ANY,
    ("DELETE", "/tokens/<token:token_id>"): ADMIN,
    ("GET", "/alerts"): ANY,
    ("GET", "/models/<name>/aliases/<alias>/rollout"): ANY,
    ("PUT", "/models/<name>/aliases/<alias>/rollout"): PROMOTE,
    ("DELETE", "/models/<name>/aliases/<alias>/rollout"): PROMOTE,
    ("POST", "/models/<name>/aliases/<alias>/rollout/pause"): PROMOTE,
    ("POST", "/models/<name>/aliases/<alias>/rollout/resume"): PROMOTE,
    ("POST", "/models/<name>/aliases/<alias>/rollout/abort"): PROMOTE,
    ("POST", "/models/<name>/aliases/<alias>/rollout/finish"): PROMOTE,
    ("GET", "/hosts"): ADMIN,
    ("DELETE", "/hosts/<host>"): ADMIN,
    ("GET", "/webhooks"): ADMIN,
    ("POST", "/webhooks"): ADMIN,
    ("GET", "/webhooks/<webhook_id>"): ADMIN,
    ("PATCH", "/webhooks/<webhook_id>"): ADMIN,
    ("DELETE", "/webhooks/<webhook_id>"): ADMIN,
    ("POST", "/webhooks/<webhook_id>/rotate"): ADMIN,
    ("POST", "/webhooks/<webhook_id>/test"): ADMIN,
    ("GET", "/webhooks/<webhook_id>/deliveries"): ADMIN,
    ("POST", "/webhooks/<webhook_id>/deliveries/<delivery_id>/retry"): ADMIN,
    ("GET", "/models/<name>/watch/alerts"): ANY,
    ("POST", "/alerts/<alert_id>/seen"): PROMOTE,
    ("GET", "/metrics"): ANY,
    ("GET", "/health"): ANY,
    ("GET", "/v2"): PREDICT,
    ("GET", "/v2/models"): PREDICT,
    ("GET", "/v2/models/<name>"): PREDICT,
    ("GET", "/v2/models/<name>/versions/<version>"): PREDICT,
    ("GET", "/v2/models/<name>/config"): PREDICT,
    ("GET", "/v2/models/<name>/versions/<version>/config"): PREDICT,
    ("GET", "/v2/models/<name>/ready"): PREDICT,
    ("GET", "/v2/models/<name>/versions/<version>/ready"): PREDICT,
    ("GET", "/v2/models/stats"): PREDICT,
    ("GET", "/v2/models/<name>/stats"): PREDICT,
    ("GET", "/v2/models/<name>/versions/<version>/stats"): PREDICT,
    ("POST", "/v2/models/<name>/infer"): PREDICT,
    ("POST", "/v2/models/<name>/versions/<version>/infer"): PREDICT,
    ("POST", "/v2/repository/index"): PREDICT,
    ("POST", "/v2/repository/models/<name>/load"): PREDICT,
    ("POST", "/v2/repository/models/<name>/unload"): PREDICT,
    ("GET", "/v2/systemsharedmemory/<path:call>"): PREDICT,
    ("POST", "/v2/systemsharedmemory/<path:call>"): PREDICT,
    ("GET", "/v2/cudasharedmemory/<path:call>"): PREDICT,
    ("POST", "/v2/cudasharedmemory/<path:call>"): PREDICT,
    ("GET", "/v2/trace/setting"): PREDICT,
    ("POST", "/v2/trace/setting"): PREDICT,
    ("GET", "/v2/models/<name>/trace/setting"): PREDICT,
    ("POST", "/v2/models/<name>/trace/setting"): PREDICT,
    ("GET", "/v2/logging"): PREDICT,
    ("POST", "/v2/logging"): PREDICT,
    ("GET", "/v1/models"): PREDICT,
}
for version in ("", "/versions/<version>", "/labels/<version>"):
    model = f"/v1/models/<name>{version}"
    SCOPES |= {("GET", model): PREDICT, ("GET", f"{model}/metadata"): PREDICT}
    SCOPES |= {("POST", f"{model}:{verb}"): PREDICT for verb in ("predict", "<verb:verb>")}
MLFLOW = {
    ("POST", "registered-models/create"): UPLOAD,
    ("GET", "registered-models/get"): ANY,
    ("PATCH", "registered-models/update"): UPLOAD,
    ("POST", "registered-models/rename"): ANY,
    ("DELETE", "registered-models/delete"): ADMIN,
    ("GET", "registered-models/search"): ANY,
    ("GET", "registered-models/get-latest-versions"): ANY,
    ("POST", "registered-models/get-latest-versions"): ANY,
    ("POST", "registered-models/set-tag"): UPLOAD,
    ("DELETE", "registered-models/delete-tag"): UPLOAD,
    ("POST", "registered-models/alias"): PROMOTE,
    ("DELETE", "registered-models/alias"): PROMOTE,
    ("GET", "registered-models/alias"): ANY,
    ("POST", "model-versions/create"): UPLOAD,
    ("GET", "model-versions/get"): ANY,
    ("PATCH", "model-versions/update"): UPLOAD,
    ("DELETE", "model-versions/delete"): ADMIN,
    ("GET", "model-versions/get-download-uri"): ANY,
    ("GET", "model-versions/search"): ANY,
    ("POST", "model-versions/set-tag"): UPLOAD,
    ("DELETE", "model-versions/delete-tag"): UPLOAD,
    ("POST", "model-versions/transition-stage"): ANY,
}
SCOPES |= {(method, f"/api/2.0/mlflow/{call}"): scope for (method, call), scope in MLFLOW.items()}
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
SCOPES |= {
    ("GET", ARTIFACTS): ANY,
    ("GET", f"{ARTIFACTS}/<file:path>"): ANY,
    ("PUT", f"{ARTIFACTS}/<file:path>"): UPLOAD,
    ("DELETE", f"{ARTIFACTS}/<file:path>"): UPLOAD,
}
"""The scope of each route by the contract; a new route must be added here."""
INSTEAD = {("POST", "/models/<name>/<version>/evaluate"): "upload"}
"""What does as well."""


def routes(app):
    """Every method and rule of the app, with a path to request."""
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods):
            yield method, shown(rule), path_of(rule.rule), rule.endpoint


def shown(rule):
    """The rule, without the converters that all protocols' references and names of models have."""
    return re.sub("<(version|segment):", "<", rule.rule)


def path_of(rule):
    values = {"name": "nobody", "version": "1", "alias": "nothing", "token_id": "999999"}
    values["verb"] = "explain"
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values.get(match[1], "x"), rule)


def protected(app):
    return [route for route in routes(app) if route[1] not in PUBLIC]


def test_the_public_routes_are_those_of_the_contract(service):
    public = {
        shown(rule)
        for rule in service.app.url_map.iter_rules()
        if access_of(service.app.view_functions[rule.endpoint]).public
    }
    assert public == PUBLIC


def test_every_route_requires_the_scope_of_the_contract(service):
    asked = {
        (method, rule): access_of(service.app.view_functions[endpoint]).scope
        for method, rule, _, endpoint in protected(service.app)
        if method not in {"HEAD", "OPTIONS"}
    }
    assert asked == SCOPES
    instead = {
        (method, rule): access_of(service.app.view_functions[endpoint]).instead
        for method, rule, _, endpoint in protected(service.app)
        if access_of(service.app.view_functions[endpoint]).instead and method != "OPTIONS"
    }
    assert instead == INSTEAD


def test_a_view_without_a_declared_scope_refuses_everybody(make_app):
    service = make_app()
    service.app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    answer = service.admin.get("/forgotten")
    check_problem(answer, 401, "unauthenticated")


def test_public_routes_ignore_missing_and_invalid_tokens(service):
    for caller in (service.stranger(), Caller(service.app, "garbage")):
        for path in ("/livez", "/readyz", "/version", "/openapi.json", "/docs"):
            assert caller.get(path).status_code == 200
        assert caller.get("/docs/static/docs.js").status_code == 200


def check(rule, answer, status, slug):
    """Check an error in the form of its route's protocol."""
    forms = {
        "/v[12]": check_error_text,
        "/api": check_error_code,
        ".*/invocations": check_error_code,
    }
    form = next((form for start, form in forms.items() if re.match(start, rule)), check_problem)
    return form(answer, status, slug)


def walk(service, caller, status, slug):
    walked = protected(service.app)
    assert len(walked) > len(SCOPES)
    for method, rule, path, _ in walked:
        # Without it and without a token, this is a probe.
        headers = {"Accept": "application/json"} if rule == "/health" else None
        answer = caller.ask(method, path, headers=headers)
        assert answer.status_code == status, (method, rule)
        if method != "HEAD":
            check(rule, answer, status, slug)
        if status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer", (method, rule)


def basic(user, password, encoding="utf-8"):
    return f"Basic {b64encode(f'{user}:{password}'.encode(encoding)).decode()}"


OTHER_HEADERS = [
    *("", "Bearer", "Bearer ", "Bearer garbage", "Bearer hsw_garbage", "Basic", ADMIN_TOKEN),
    *(f"Bearer {ADMIN_TOKEN[:-1]}", f"Basic {ADMIN_TOKEN}", basic(ADMIN_TOKEN, "")),
    f"Basic {b64encode(ADMIN_TOKEN.encode()).decode()}",
    f"Basic {b64encode(b':' + bytes([255])).decode()}",
    *(f"Bearer{ADMIN_TOKEN}", f"Bearer {'x' * 10_000}"),
]


@pytest.mark.parametrize(
    "header",
    first_fast(
        [
            None,
            basic("admin", "hsw_garbage"),
            f"Bearer {ADMIN_TOKEN}x",
            "Bearer \xe9\xff",
            *OTHER_HEADERS,
        ],
        2,
    ),
)
def test_every_route_requires_a_token(service, header):
    nobody = service.stranger()
    nobody.authorization = header
    walk(service, nobody, 401, "unauthenticated")


def test_every_route_refuses_a_revoked_token(service):
    made = service.admin.post("/tokens", json={"name": "x", "scopes": ["admin"]}).json
    service.admin.delete(f"/tokens/{made['id']}")
    walk(service, Caller(service.app, made["token"]), 401, "unauthenticated")


def test_every_route_refuses_an_expired_token(service):
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    holder = service.caller("admin", expires_at=soon.isoformat())
    assert holder.get("/tokens").status_code == 200
    while datetime.now(UTC) <= soon:
        time.sleep(0.02)
    walk(service, holder, 401, "unauthenticated")


@pytest.mark.parametrize("held", ["predict", "upload", "promote"])
def test_a_scope_allows_its_own_routes_and_no_others(service, held):
    holder = service.caller(held)
    for method, rule, path, endpoint in protected(service.app):
        if method == "OPTIONS":
            continue  # one answer for all methods of a path: their names
        access = access_of(service.app.view_functions[endpoint])
        scope = access.scope
        answer = holder.ask(method, path)
        if scope in (None, held) or access.instead == held:
            assert answer.status_code not in (401, 403), (method, rule)
        else:
            assert answer.status_code == 403, (method, rule)
            if method != "HEAD":
                problem = check(rule, answer, 403, "scope-missing")
                assert f"'{scope}'" in problem["detail"]


def test_the_scope_admin_includes_all_others(service):
    holder = service.caller("admin")
    for method, rule, path, _ in protected(service.app):
        assert holder.ask(method, path).status_code not in (401, 403), (method, rule)


def test_a_limited_token_cannot_use_other_models(service):
    holder = service.caller("admin", models=["mine-*", "nobod"])
    for method, rule, path, _ in protected(service.app):
        if "<name>" not in rule:
            continue
        answer = holder.ask(method, path)
        assert answer.status_code == 403, (method, rule)
        if method != "HEAD":
            check(rule, answer, 403, "model-forbidden")
    check_problem(holder.post("/models", json={"name": "other"}), 403, "model-forbidden")


@pytest.mark.parametrize("pattern", ["nobody", "no*", "NO?ODY", "*"])
def test_a_limited_token_can_use_the_models_of_its_patterns(service, pattern):
    holder = service.caller("predict", models=["x", pattern])
    check_problem(holder.get("/models/nobody"), 404, "model-not-found")


def test_the_authorization_scheme_is_case_insensitive(service):
    for scheme in ("bearer", "BEARER", "Bearer  "):
        headers = {"Authorization": f"{scheme} {ADMIN_TOKEN}"}
        assert service.stranger().get("/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("user", "encoding"),
    [("", "utf-8"), ("anything", "utf-8"), ("é", "utf-8"), ("é", "iso-8859-1")],
)
@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_the_password_of_basic_authentication_is_the_token(
    service, user, encoding, scheme, unchanged
):
    name, _ = unchanged
    holder = service.caller("predict")
    token = holder.authorization.removeprefix("Bearer ")
    holder.authorization = basic(user, token, encoding).replace("Basic", scheme)
    assert holder.get("/models").status_code == 200
    assert holder.get("/tokens/self").json["scopes"] == ["predict"]
    assert holder.post(f"/models/{name}/1/predict", json={"input": [4]}).status_code == 200
    check_problem(holder.get("/tokens"), 403, "scope-missing")


ANONYMOUS = {"/v2", "/invocations", "/health"} | {
    f"/models/<name>{version}/{call}"
    for version in ("", "/<version>")
    for call in ("predict", "invocations")
}
ANONYMOUS |= {
    f"/v2/models/<name>{version}{call}"
    for version in ("", "/versions/<version>")
    for call in ("", "/config", "/ready", "/infer")
}
ANONYMOUS |= {
    f"/v1/models/<name>{version}{call}"
    for version in ("", "/versions/<version>", "/labels/<version>")
    for call in ("", ":predict")
}


def test_anonymous_access_allows_only_predictions_and_what_their_clients_ask_first(
    make_app, artifacts
):
    service = make_app(anonymous_predict=True)
    service.admin.upload("m", artifacts["line-2"])
    service.admin.promote("m", 1)
    for caller in (service.stranger(), Caller(service.app, "garbage")):
        for path in ("/models/m/predict", "/models/m/1/predict"):
            answer = caller.post(path, json={"input": [4]})
            assert (answer.status_code, answer.json["version"]) == (200, 1)
    opened = {
        rule
        for method, rule, path, _ in protected(service.app)
        if service.stranger().ask(method, path).status_code != 401
    }
    assert opened == ANONYMOUS


def test_an_unknown_path_is_404_with_and_without_a_token(service):
    check_problem(service.stranger().get("/nothing"), 404, "not-found")


@pytest.mark.sqlite
def test_the_configured_admin_token_is_not_written_to_disk(make_app):
    service = make_app()
    files = [path for path in service.data.rglob("*") if path.is_file()]
    assert any(file.name == "registry.db" for file in files)
    assert not [file for file in files if ADMIN_TOKEN.encode() in file.read_bytes()]


@pytest.mark.sqlite
def test_what_a_service_stores_is_closed_to_other_users(make_app, artifacts):
    umask = os.umask(0)
    try:
        service = make_app()
        service.admin.upload("m", artifacts["line-2"])
        service.admin.promote("m", 1)
        stored = [service.data, *service.data.rglob("*")]
        assert {"registry.db-wal", "registry.db-shm", "counter"} <= {path.name for path in stored}
        assert any(path.suffix == ".sock" for path in stored)
        assert [path for path in stored if path.stat().st_mode & 0o077] == []
    finally:
        os.umask(umask)
