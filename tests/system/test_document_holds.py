"""Schemathesis reads the OpenAPI document and sends what it allows, and what it does not.

Whatever comes in, the answer is one that the document declares, in the type and of the schema that
it declares, and never a fault of the server's own. Seeded: each run sends the same.
"""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
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
]
THERE = {"name": "fuzzed", "version": "1", "alias": "spare"}
"""What leads a request past the first 404."""

ASKED = {"GET /models/{name}/compare": {"versions": "1,spare"}}
"""Queries that lead past the first refusal, which nobody would make up."""

BEYOND = {
    "POST /models/{name}/versions": 422,
    "POST /models/{name}/predict": 422,
    "POST /models/{name}/{version}/predict": 422,
    "POST /models/{name}/rollback": 409,
    "DELETE /models/{name}/{version}": 409,
    "PUT /models/{name}/holdout": 400,
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


def test_every_answer_is_one_that_the_document_declares(house: Server) -> None:
    document = house.call("GET", "/openapi.json").json()
    found = schemathesis.openapi.from_dict(document).get_all_operations()
    operations = [operation.ok() for operation in found]
    assert len(operations) == sum(
        len(item.keys() - {"parameters"}) for item in document["paths"].values()
    )
    statuses: dict[str, set[int]] = {}
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {house.token}"
        # What archives the model comes last, after what removes parts of it.
        for operation in sorted(
            operations, key=lambda one: (one.method == "delete", -len(one.path))
        ):
            met = statuses[operation.label] = set()
            for mode in MODES:
                if mode is GenerationMode.POSITIVE or takes_anything(operation):
                    for known in known_parameters(house, operation):
                        strategy = operation.as_strategy(mode, path_parameters=known)
                        met |= send(house, session, strategy)
            if query := ASKED.get(operation.label):
                there = known_parameters(house, operation)[-1]
                strategy = operation.as_strategy(path_parameters=there, query=query)
                met |= send(house, session, strategy)
    # Or all of it could have been refused at the first look.
    for label, met in statuses.items():
        reached = BEYOND.get(label)
        assert any(status == reached or status < 300 for status in met), (label, met)


def known_parameters(house: Server, operation: Any) -> list[dict[str, str]]:
    """None, for the strategy to make all up; and those that name what is there."""
    named = {parameter.name for parameter in operation.path_parameters}
    if "token_id" in named:
        # Made up, it could be that of the admin, who asks.
        body = {"name": "spare", "scopes": ["predict"]}
        return [{"token_id": str(house.call("POST", "/tokens", json=body).json()["id"])}]
    there = {name: value for name, value in THERE.items() if name in named}
    return [{}, there] if there else [{}]


def send(house: Server, session: requests.Session, strategy: Any) -> set[int]:
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
        answer = case.call_and_validate(base_url=house.url, session=session, checks=CHECKS)
        met.add(answer.status_code)

    ask()
    return met


def takes_anything(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.headers or operation.path_parameters)
