"""Schemathesis reads the OpenAPI document and sends what it allows, and what it does not.

Whatever comes in, the answer is one that the document declares, in the type and of the schema that
it declares, and never a fault of the server's own. What the document does not allow is refused, and
what it allows is refused only for what no document can say. Seeded: each run sends the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.system.models import iris_table, upload
from tests.system.real_server import BIN, Server, free_port, running

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
EXAMPLES = 4
"""Of each kind, for each operation."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]
UNKNOWN_QUERIES = "violates `additionalProperties`"
"""A query parameter that the document does not name is ignored, as OpenAPI leaves open."""

CURSORS = {"after", "page_token"}
"""Query parameters whose values come from earlier answers; nobody makes one up."""

MALFORMED = {400, 415, 422}
UNSAYABLE = {
    "input-refused": "the columns are the model's own",
    "split-refused": "the weights add up to 100, and the version of the alias has one",
    "plan-malformed": "how the steps and guards of a plan belong together",
    "rollout-refused": "the version that the alias points at",
    "webhook-refused": "the language of patterns",
    "address-refused": "where messages may be sent",
    "gate-refused": "metrics are those of the model's task",
    "artifact-refused": "the bytes of a model",
    "holdout-refused": "the bytes of a table",
    "format-unsupported": "the format of an artifact may be in its name",
    "path-malformed": "where files may be uploaded",
    "body-malformed": "the bytes of CSV, Arrow and Parquet",
    "no-scores": "whether the model detects outliers",
    "inputs-require-csv": "a parameter that needs a header",
    "token-refused": "the moment at which a token expires may have passed",
    "alias-malformed": "a word that is reserved",
    "search-malformed": "the language of filters",
    "alias-not-found": "400 for MLflow's clients, whatever the model has",
    "name-taken": "400 for MLflow's clients: the name is in use",
    "not-offered": "a call of another protocol that is always refused",
}
"""Why a body that the document allows may be refused nevertheless, by the type of the problem."""
ROW_HASHES = "The part training_rows is not a file"
"""The same, where other parts of the metadata have the same type of problem."""
THERE = {"name": "fuzzed", "version": "1", "alias": "spare"}
THERE |= {"form": "onnx", "plot": "roc", "call": "status", "verb": "classify"}
THERE |= {"path": "uploads/fuzzed/file", "host": "elsewhere"}
"""What leads a request past the first 404."""
IDENTIFIERS = ("token_id", "alert_id", "webhook_id", "delivery_id")

ASKED = {"GET /models/{name}/compare": {"versions": "1,spare"}}
"""Queries that lead past the first refusal, which nobody would make up."""

BEYOND = {
    "POST /models/{name}/versions": 422,
    "POST /models/{name}/predict": 422,
    "POST /models/{name}/{version}/predict": 422,
    "POST /models/{name}/rollback": 409,
    "GET /models/{name}/aliases/{alias}/split": 404,
    "PUT /models/{name}/aliases/{alias}/split": 422,
    "DELETE /models/{name}/aliases/{alias}/split": 404,
    "GET /models/{name}/aliases/{alias}/rollout": 404,
    "PUT /models/{name}/aliases/{alias}/rollout": 422,
    "DELETE /models/{name}/aliases/{alias}/rollout": 404,
    "POST /alerts/{alert_id}/seen": 404,
    "POST /webhooks": 422,
    "DELETE /hosts/{host}": 404,
    "DELETE /models/{name}/{version}": 409,
    "PUT /models/{name}/holdout": 400,
    "POST /invocations": 400,
    "POST /models/{name}/invocations": 400,
    "POST /models/{name}/{version}/invocations": 400,
    "POST /v2/models/{name}/infer": 400,
    "POST /v2/models/{name}/versions/{version}/infer": 400,
    "POST /v2/repository/models/{name}/unload": 400,
    "GET /v2/systemsharedmemory/{call}": 400,
    "POST /v2/systemsharedmemory/{call}": 400,
    "GET /v2/cudasharedmemory/{call}": 400,
    "POST /v2/cudasharedmemory/{call}": 400,
    "GET /v2/trace/setting": 400,
    "POST /v2/trace/setting": 400,
    "GET /v2/models/{name}/trace/setting": 400,
    "POST /v2/models/{name}/trace/setting": 400,
    "GET /v2/logging": 400,
    "POST /v2/logging": 400,
    "GET /models/{name}/{version}/plots/{plot}.svg": 404,
    "GET /api/2.0/mlflow-artifacts/artifacts/{path}": 404,
}
BEYOND |= {
    f"POST /v1/models/{{name}}{version}:{verb}": 400
    for version in ("", "/versions/{version}", "/labels/{version}")
    for verb in ("predict", "{verb}")
}
BEYOND |= {
    f"{call.partition(' ')[0]} /api/2.0/mlflow/{call.partition(' ')[2]}": 404
    for call in (
        "GET registered-models/get",
        "PATCH registered-models/update",
        "POST registered-models/rename",
        "DELETE registered-models/delete",
        "GET registered-models/get-latest-versions",
        "POST registered-models/get-latest-versions",
        "POST registered-models/set-tag",
        "DELETE registered-models/delete-tag",
        "POST registered-models/alias",
        "DELETE registered-models/alias",
        "GET registered-models/alias",
        "GET model-versions/get",
        "PATCH model-versions/update",
        "DELETE model-versions/delete",
        "GET model-versions/get-download-uri",
        "POST model-versions/create",
        "POST model-versions/set-tag",
        "DELETE model-versions/delete-tag",
        "POST model-versions/transition-stage",
    )
}
BEYOND |= {
    f"POST /models/{{name}}/aliases/{{alias}}/rollout/{move}": 404
    for move in ("abort", "finish", "pause", "resume")
}
BEYOND |= {
    f"{call.partition(' ')[0]} /webhooks/{{webhook_id}}{call.partition(' ')[2]}": 404
    for call in (
        "GET ",
        "PATCH ",
        "DELETE ",
        "POST /rotate",
        "POST /test",
        "GET /deliveries",
        "POST /deliveries/{delivery_id}/retry",
    )
}
"""What asks for a model, a table, its columns, its past or for a version that is not live, none of
which can be made up; and how far one comes."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model of three versions, two aliases and a holdout."""
    data = tmp_path_factory.mktemp("fuzzed") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "1"], data, free_port()) as server:
        for _ in range(3):
            upload(server, "fuzzed")
        for version, alias in ((1, "production"), (2, "spare")):
            body = {"alias": alias}
            server.call("POST", f"/models/fuzzed/{version}/promote", json=body).raise_for_status()
        server.call(
            "PUT",
            "/models/fuzzed/holdout?target=species",
            data=iris_table(),
            headers={"Content-Type": "text/csv"},
        ).raise_for_status()
        yield server


@pytest.mark.slow  # the tests of each route in integration/api have what is sent most
def test_every_response_matches_the_openapi_document(house: Server) -> None:
    document = house.call("GET", "/openapi.json").json()
    found = schemathesis.openapi.from_dict(document).get_all_operations()
    operations = [operation.ok() for operation in found]
    assert len(operations) == sum(
        len(item.keys() - {"parameters"}) for item in document["paths"].values()
    )
    statuses: dict[str, set[int]] = {}
    caller = house.call("POST", "/tokens", json={"name": "caller", "scopes": ["admin"]}).json()
    kept = {caller["id"], house.call("GET", "/tokens/self").json()["id"]}
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {caller['token']}"
        # What archives the model comes last, after what removes parts of it.
        for operation in sorted(
            operations, key=lambda one: (one.method == "delete", -len(one.path))
        ):
            met = statuses[operation.label] = set()
            for mode in MODES:
                if mode is GenerationMode.POSITIVE or takes_anything(operation):
                    for known in known_parameters(house, operation, mode):
                        strategy = operation.as_strategy(mode, path_parameters=known)
                        if "token_id" in parameters_of(operation):
                            strategy = strategy.filter(names_none_of(kept))
                        met |= send(house, session, strategy, mode)
            if query := ASKED.get(operation.label):
                there = known_parameters(house, operation)[-1]
                strategy = operation.as_strategy(path_parameters=there, query=query)
                met |= send(house, session, strategy, GenerationMode.POSITIVE)
    # Or all of it could have been refused at the first look.
    for label, met in statuses.items():
        reached = BEYOND.get(label)
        assert any(status == reached or status < 300 for status in met), (label, met)


def known_parameters(
    house: Server, operation: Any, mode: GenerationMode = GenerationMode.POSITIVE
) -> list[dict[str, str]]:
    """None, for the strategy to make all up; and those that name what is there, unless nothing
    else could be wrong with the request."""
    named = parameters_of(operation)
    has_more = takes_anything(operation, beside_path=True) or "security" in operation.definition.raw
    if mode is GenerationMode.NEGATIVE and not has_more:
        return [{}]
    if "token_id" in named:
        body = {"name": "spare", "scopes": ["predict"]}
        return [{}, {"token_id": str(house.call("POST", "/tokens", json=body).json()["id"])}]
    there = {name: value for name, value in THERE.items() if name in named}
    return [{}, there] if there else [{}]


def parameters_of(operation: Any) -> set[str]:
    return {parameter.name for parameter in operation.path_parameters}


def names_none_of(tokens: set[int]) -> Callable[[Any], bool]:
    """Whether a case leaves the tokens alone by which the tests ask."""
    kept = {str(token) for token in tokens}
    return lambda case: case.path_parameters.get("token_id", "").lstrip("0") not in kept


def send(house: Server, session: requests.Session, strategy: Any, mode: GenerationMode) -> set[int]:
    """Send examples of ``strategy``, hold each answer against the document; the statuses met."""
    met = set()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(strategy)
    def ask(case: Any) -> None:
        answer = case.call(base_url=house.url, session=session)
        case.validate_response(answer, checks=CHECKS)
        if mode is GenerationMode.NEGATIVE:
            check_refusal(case, answer)
        elif answer.status_code in MALFORMED and CURSORS.isdisjoint(case.query or {}):
            slug = answer.json()["type"].rpartition("/")[2]
            is_known = slug in UNSAYABLE or ROW_HASHES in answer.json()["detail"]
            assert is_known, (case.as_curl_command(), answer.json())
        met.add(answer.status_code)

    ask()
    return met


def check_refusal(case: Any, answer: Any) -> None:
    """What the document does not allow is refused, but for queries that it does not name."""
    try:
        case.validate_response(answer, checks=[negative_data_rejection])
    except FailureGroup as group:
        unexpected = [one for one in group.exceptions if UNKNOWN_QUERIES not in str(one)]
        assert not unexpected, unexpected


def test_options_returns_the_documented_methods(server: Server) -> None:
    document = server.call("GET", "/openapi.json").json()
    for path, item in document["paths"].items():
        named = path.format(**THERE, **dict.fromkeys(IDENTIFIERS, "1"))
        answer = server.call("OPTIONS", named)
        allowed = {method.strip() for method in answer.headers["Allow"].split(",")}
        assert allowed - {"HEAD", "OPTIONS"} == {
            method.upper() for method in item.keys() - {"parameters"}
        }, named


def takes_anything(operation: Any, *, beside_path: bool = False) -> bool:
    in_path = () if beside_path else operation.path_parameters
    return bool(operation.body or operation.query or operation.headers or in_path)
