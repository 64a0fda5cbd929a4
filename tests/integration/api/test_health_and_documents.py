"""Health, release, the OpenAPI document, and the page to try the API on."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest

from benchmarks.swap import constant_model
from registry.dates import parse_date
from registry.formats.reading import FORMATS
from registry.signature import COLUMN_TYPES, MAX_OUTPUTS
from tests.integration.api.conftest import check_problem
from tests.integration.api.test_access import INSTEAD, MLFLOW, PUBLIC, SCOPES

STATIC = "/docs/static/<path:filename>"


def test_health_and_release(service):
    stranger = service.stranger()
    assert stranger.get("/livez").json == {"status": "alive"}
    assert stranger.get("/readyz").json == {"status": "ready"}
    release = stranger.get("/version").json
    assert release["version"] == version("hotswap")
    assert set(release) == {"version", "schema"}


@pytest.fixture(scope="module")
def document(service):
    answer = service.stranger().get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json


JSON = "application/json"


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "put", "post", "delete", "patch", "head", "options"}:
                yield method.upper(), path, operation


def test_the_document_is_made_once_if_several_callers_read_it_first(make_app, document):
    service = make_app()
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda _: service.stranger().get("/openapi.json"), range(8))]

    assert [answer.status_code for answer in answers] == [200] * 8
    assert [answer.json for answer in answers] == [document] * 8


def test_the_document_is_valid_openapi_3_1(document):
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "Hotswap"
    assert document["info"]["version"] == version("hotswap")


def test_the_document_describes_every_route_and_no_others(document):
    routes = {(method, braced(rule)) for method, rule in SCOPES}
    routes |= {("GET", braced(rule)) for rule in PUBLIC - {STATIC}}
    assert {(method, path) for method, path, _ in operations(document)} == routes


def test_the_document_describes_engines(document):
    engine = document["components"]["schemas"]["Engine"]["properties"]

    assert {"trees", "linear", "onnx", "scikit-learn"} <= set(engine["name"]["enum"])
    assert "faster engine" in engine["reason"]["description"]


def test_the_document_describes_formats_types_and_sizes(document):
    """Wherever they occur: in an upload and in a version."""
    schemas = document["components"]["schemas"]
    declared = schemas["Metadata"]["properties"]
    signature = declared["signature"]["properties"]
    for format_ in (declared["format"], schemas["Artifact"]["properties"]["format"]):
        assert format_["enum"] == list(FORMATS)
        assert [name for name in FORMATS if f"`{name}`: " not in format_["description"]] == []
    for type_ in (
        signature["inputs"]["items"]["properties"]["type"],
        schemas["Column"]["properties"]["type"],
    ):
        assert type_["enum"] == list(COLUMN_TYPES)
        assert [name for name in COLUMN_TYPES if f"`{name}`: " not in type_["description"]] == []
        for text in re.findall(r"`(2026[^`]*)`", type_["description"]):
            assert parse_date(text) >= parse_date("2026-01-31")
    for output in (signature["output"], schemas["Output"]):
        size = output["properties"]["size"]
        assert (size["type"], size["minimum"], size["maximum"]) == ("integer", 1, MAX_OUTPUTS)
        assert "a list of such lists" in size["description"]


def braced(rule):
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def test_the_document_describes_required_scopes(document):
    documented = {
        (method, path): (operation.get("security"), operation.get("x-scope"))
        for method, path, operation in operations(document)
    }
    for (method, rule), scope in SCOPES.items():
        scopes = [one for one in (scope, INSTEAD.get((method, rule))) if one]
        required = [{"bearer": []}, {"basic": []}]
        required += [{}] if rule == "/health" else []  # a probe has no token
        assert documented[method, braced(rule)] == (required, " or ".join(scopes) or "any")
    for rule in PUBLIC - {STATIC}:
        assert documented["GET", braced(rule)] == (None, None)
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer"},
        "basic": {"type": "http", "scheme": "basic"},
    }


def test_answers_to_changes_are_described_with_the_hosts_that_may_not_know_them(document):
    described = {
        (method, path)
        for method, path, operation in operations(document)
        for answer in operation["responses"].values()
        if "X-Hotswap-Unconfirmed-Hosts" in answer.get("headers", {})
    }

    assert {
        ("POST", "/models/{name}/{version}/promote"),
        ("DELETE", "/models/{name}/aliases/{alias}"),
        ("DELETE", "/tokens/{token_id}"),
    } <= described
    assert ("GET", "/tokens") not in described
    assert ("POST", "/models/{name}/predict") not in described


def test_every_operation_has_a_summary_its_parameters_and_an_answer(document):
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        successes = [code for code in operation["responses"] if code.startswith("2")]
        assert successes, (method, path)
        shared = document["paths"][path].get("parameters", [])
        named = {
            parameter["name"]
            for parameter in shared + operation.get("parameters", [])
            if parameter["in"] == "path"
        }
        assert named == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_operation_that_takes_a_body_describes_it(document):
    bodies = {
        (method, path): operation["requestBody"]["content"]
        for method, path, operation in operations(document)
        if "requestBody" in operation
    }
    without_body = {("POST", "/history/verify"), ("POST", "/tokens/{token_id}/rotate")}
    without_body |= {("POST", "/alerts/{alert_id}/seen")}
    without_body |= {("POST", f"/webhooks/{{webhook_id}}/{verb}") for verb in ("rotate", "test")}
    without_body |= {("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/retry")}
    without_body |= {
        ("POST", f"/v2/{path}")
        for path in (
            "repository/models/{name}/unload",
            "systemsharedmemory/{call}",
            "cudasharedmemory/{call}",
            "trace/setting",
            "models/{name}/trace/setting",
            "logging",
        )
    }
    without_body |= {
        ("POST", f"/v1/models/{{name}}{version}:{{verb}}")
        for version in ("", "/versions/{version}", "/labels/{version}")
    }
    """Those of other protocols are refused, whatever comes with them."""
    changes = {
        (method, braced(rule)) for method, rule in SCOPES if method in {"POST", "PUT", "PATCH"}
    }
    changes |= {
        ("DELETE", f"/api/2.0/mlflow/{call}") for method, call in MLFLOW if method == "DELETE"
    }
    assert set(bodies) == changes - without_body
    for content in bodies.values():
        assert all(media["schema"] for media in content.values())
    assert set(bodies["POST", "/models/{name}/{version}/predict"]) == {
        "application/json",
        "text/csv",
        "application/x-www-form-urlencoded",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.parquet",
    }
    upload = bodies["POST", "/models/{name}/versions"]["multipart/form-data"]["schema"]
    assert set(upload["properties"]) == {"artifact", "metadata", "training_rows"}


def test_optional_bodies_are_not_marked_as_required(document):
    for path in ("/models/{name}/{version}/promote", "/models/{name}/rollback"):
        body = document["paths"][path]["post"]["requestBody"]
        assert body.get("required", False) is False


def test_every_error_is_described_as_a_problem(document):
    for method, path, operation in operations(document):
        assert "default" in operation["responses"], (method, path)
    default = document["components"]["responses"]["DEFAULT_ERROR"]
    assert set(default["content"]) == {"application/problem+json"}
    reference = default["content"]["application/problem+json"]["schema"]["$ref"]
    problem = resolve(document, reference)
    assert set(problem["properties"]) == {
        "type",
        "title",
        "status",
        "detail",
        "request_id",
        "gates",
        "errors",
        "seq",
    }


def resolve(document, reference):
    assert reference.startswith("#/")
    found = document
    for key in reference[2:].split("/"):
        found = found[key]
    return found


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_examples_have_the_fields_of_their_schemas(document):
    checked = 0
    for _, _, operation in operations(document):
        content = operation["responses"].get("200", {}).get("content", {}).get(JSON, {})
        if "example" in content and "$ref" in content.get("schema", {}):
            check_example(document, content["schema"], content["example"])
            checked += 1
    assert checked >= 2


def check_example(document, schema, example):
    if "$ref" in schema:
        schema = resolve(document, schema["$ref"])
    if isinstance(example, list):
        for one in example:
            check_example(document, schema["items"], one)
    elif isinstance(example, dict) and "properties" in schema:
        assert set(example) <= set(schema["properties"])
        for name, value in example.items():
            check_example(document, schema["properties"][name], value)


def test_every_reference_in_the_document_resolves(document):
    found = set(references(document))
    assert found
    for reference in found:
        assert isinstance(resolve(document, reference), dict)


def test_operation_ids_are_unique(document):
    ids = [
        operation["operationId"]
        for _, _, operation in operations(document)
        if "operationId" in operation
    ]
    assert len(ids) == len(set(ids))


def test_the_schema_of_a_version_matches_a_version(document, service, artifacts):
    version_ = service.admin.upload("documented", artifacts["line-1"]).json
    described = document["components"]["schemas"]["Version"]["properties"]
    assert set(described) == set(version_) | {"failure"}


def test_the_documentation_page_loads_everything_from_the_service(service):
    stranger = service.stranger()
    page = stranger.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    assert not re.search(r"https?://|//[a-z]", page.text)
    for address in loaded:
        assert address.startswith("/docs/static/")
        assert stranger.get(address).status_code == 200
    assert 'data-document="/openapi.json"' in page.text
    script = stranger.get("/docs/static/docs.js").text
    assert "http" not in script
    assert "url(http" not in stranger.get(
        "/docs/static/vendor/swagger-ui/swagger-ui.css"
    ).text.replace("url(http://www.w3.org/", "")


def test_the_document_has_the_patterns_of_names(document):
    patterns = {
        parameter["name"]: parameter["schema"]["pattern"]
        for item in document["paths"].values()
        for parameter in item.get("parameters", ())
    }
    named = {"name", "version", "alias", "token_id", "form", "plot", "call", "verb", "path"}
    named |= {"alert_id", "webhook_id", "delivery_id", "host"}
    assert set(patterns) == named
    assert re.search(patterns["name"], "Housing.v2")
    assert re.search(patterns["version"], "12")
    assert re.search(patterns["version"], "production")
    for pattern in patterns.values():
        assert not re.search(pattern, "../admin.token")
        assert not re.search(pattern, "")


def test_a_worker_that_starts_after_bytes_were_lost_is_ready_and_lists_the_missing_versions(
    make_app,
):
    first = make_app()
    for name, value in (("sound", 1.0), ("lost", 2.0)):
        held = first.stored()
        first.admin.upload(name, constant_model(value))
        assert first.admin.promote(name, 1).status_code == 200
    first.lose(first.stored() - held)

    restarted = make_app(data=first.data)

    deadline = time.monotonic() + 10
    while (ready := restarted.stranger().get("/readyz")).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ready.json == {
        "status": "ready",
        "unloadable": [{"model": "lost", "version": 1, "reason": "blob-missing"}],
    }
    row = {"x0": 1.0, "x1": 2.0}
    assert restarted.admin.post("/models/sound/predict", json=row).json["prediction"] == 1.0
    for _ in range(5):
        answer = restarted.admin.post("/models/lost/predict", json=row)
        check_problem(answer, 503, "blob-missing")
    named = 'hotswap_unloadable_versions{model="lost",version="1"} 1.0'
    while named not in restarted.admin.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert restarted.admin.upload("lost", constant_model(2.0)).status_code == 201

    assert restarted.admin.post("/models/lost/1/predict", json=row).json["prediction"] == 2.0
    assert restarted.stranger().get("/readyz").json == {"status": "ready"}
