"""A real app on a real data directory, callers with tokens, and small models to upload.

One app and one inspector serve all tests of a pytest process; each test works on model names
of its own (``fresh_name``), so nothing has to be reset. Tests that need other settings, or that
break something, make an app of their own with ``make_app``. Every app begins with a copy of a
migrated database.
"""

import dataclasses
import hashlib
import io
import itertools
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import skops.io
from flask import Flask
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from api.app import create_app
from api.services import Services, attach
from config import Settings
from registry.confinement.limits import Limits
from registry.confinement.spawner import Confined, Spawner
from registry.formats.reading import Format
from registry.intake.inspector import Inspection, Inspector
from registry.signature import Signature
from tests.integration.api.estimators import Trained, train_all
from tests.postgresql import Databases

ADMIN_TOKEN = "hsw_the-admin-token-of-the-tests"

FORM = "multipart/form-data; boundary=frontier"
END = b"--frontier--\r\n"

_counter = itertools.count(1)


def part(disposition: str, content: bytes) -> bytes:
    """A part of a form of the type ``FORM``, which ``END`` ends."""
    head = f"--frontier\r\nContent-Disposition: form-data{disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


class WatchedStream(io.RawIOBase):
    """Gives ``content`` and then zeros up to ``size``; counts what was taken, and calls ``watch``
    at each taking."""

    def __init__(
        self, content: bytes, size: int = 0, watch: Callable[[], object] = lambda: None
    ) -> None:
        self._content = io.BytesIO(content)
        self._zeros = max(0, size - len(content))
        self._watch = watch
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._watch()
        chunk = self._content.read(len(buffer))
        if not chunk:
            chunk = bytes(min(len(buffer), self._zeros))
            self._zeros -= len(chunk)
        buffer[: len(chunk)] = chunk
        self.taken += len(chunk)
        return len(chunk)


class Caller:
    """A caller that sends requests with a token, or without one."""

    def __init__(self, app: Flask, token: str | None = None) -> None:
        self.app = app
        self.authorization = None if token is None else f"Bearer {token}"
        self._client = app.test_client(use_cookies=False)

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", None) or {})
        if self.authorization is not None:
            headers.setdefault("Authorization", self.authorization)
        # Buffered: the body is read and the response closed, as a server would.
        return self._client.open(path, method=method, headers=headers, buffered=True, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.ask("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.ask("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.ask("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.ask("DELETE", path, **options)

    def upload(
        self,
        name: str,
        artifact: bytes,
        metadata: Any = None,
        *,
        filename: str = "model.skops",
        headers: dict[str, str] | None = None,
        reuse: bool = False,
        training_rows: bytes | None = None,
    ) -> TestResponse:
        body = part(f'; name="artifact"; filename="{filename}"', artifact)
        if metadata is not None:
            body += part('; name="metadata"', json.dumps(metadata).encode())
        if training_rows is not None:
            body += part('; name="training_rows"; filename="rows"', training_rows)
        path = f"/models/{name}/versions{'?reuse=true' if reuse else ''}"
        return self.post(path, data=body + END, content_type=FORM, headers=headers)

    def stream(
        self, path: str, stream: io.RawIOBase, content_type: str, length: int | None = None
    ) -> TestResponse:
        """POST what ``stream`` gives; without ``length`` in chunks, as servers hand them on."""
        environ: dict[str, Any] = {"wsgi.input": stream, "wsgi.input_terminated": True}
        environ["CONTENT_TYPE"] = content_type
        environ["CONTENT_LENGTH"] = "" if length is None else str(length)
        if length is None:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        return self.post(path, environ_overrides=environ)

    def promote(self, name: str, version: int | str, **body: Any) -> TestResponse:
        return self.post(f"/models/{name}/{version}/promote", json=body)


@dataclasses.dataclass(frozen=True)
class Service:
    """An app, what it works with, and its administrator."""

    app: Flask
    services: Services
    admin: Caller
    close: Callable[[], None]

    @property
    def data(self) -> Path:
        return self.services.settings.data

    def caller(self, *scopes: str, **limits: Any) -> Caller:
        """A caller with a new token of these scopes."""
        answer = self.admin.post(
            "/tokens", json={"name": "-".join(scopes), "scopes": list(scopes), **limits}
        )
        assert answer.status_code == 201, answer.text
        return Caller(self.app, answer.json["token"])

    def stranger(self) -> Caller:
        """A caller without a token."""
        return Caller(self.app)

    def stored(self) -> set[str]:
        """Every file of the blob store, by its path in it."""
        root = self.data / "blobs"
        found = (f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names)
        return {path.removeprefix(f"{root}/") for path in found}

    def lose(self, blobs: set[str]) -> None:
        """Delete files of the blob store, as a careless operator would."""
        for path in blobs:
            (self.data / "blobs" / path).unlink()


AppMaker = Callable[..., Service]


class RememberingInspector(Inspector):
    """Inspects each artifact once: most tests upload the same few small models."""

    def __init__(self, spawner: Spawner) -> None:
        super().__init__(spawner=spawner)
        self.spawner = spawner
        self._known: dict[bytes, tuple[Inspection, Signature]] = {}

    def inspect(
        self, path: Path, format_: Format, declared: Mapping[str, Any]
    ) -> tuple[Inspection, Signature]:
        asked = json.dumps([format_, declared]).encode() + path.read_bytes()
        if (known := self._known.get(asked)) is None:
            known = self._known[asked] = super().inspect(path, format_, declared)
        return known


class SharedSpawner(Spawner):
    """Starts processes with that of the session, and does not close it: its zygote, which imports
    for three seconds, serves all apps."""

    def __init__(self, spawner: Spawner) -> None:
        super().__init__()
        self._shared = spawner

    def spawn(self, entry: str, limits: Limits, files: Iterable[int] = ()) -> Confined:
        return self._shared.spawn(entry, limits, files)

    def missing(self) -> tuple[str, ...]:
        return self._shared.missing()


@pytest.fixture(scope="session")
def inspector(spawner: Spawner) -> RememberingInspector:
    """One inspector for all apps."""
    return RememberingInspector(spawner)


def _service(settings: Settings, inspector: RememberingInspector, databases: Databases) -> Service:
    if not settings.database_url and (url := databases.url(settings.data)):
        # No renewer runs beside these apps, so that a lease would be over after a while.
        settings = dataclasses.replace(settings, database_url=url, lease_seconds=0)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    app = create_app(settings, SharedSpawner(inspector.spawner))
    # The app sends logs to the standard error of the moment, which pytest closes after the test.
    root.handlers[:] = handlers
    root.setLevel(level)
    own = app.extensions["hotswap"]
    services = dataclasses.replace(own, inspector=inspector)
    attach(app, services)

    # What closes is what the app was made with: the inspector belongs to all.
    def close() -> None:
        own.close()
        app.extensions["hotswap-telemetry"].close()

    return Service(app, services, Caller(app, settings.admin_token), close)


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory, inspector: RememberingInspector, databases: Databases
) -> Iterator[Service]:
    """The app that most tests share."""
    settings = Settings(
        data=tmp_path_factory.mktemp("service"),
        admin_token=ADMIN_TOKEN,
        auth_failures=0,
        watch=False,
    )
    service = _service(settings, inspector, databases)
    yield service
    service.close()


@pytest.fixture
def make_app(
    tmp_path: Path, inspector: RememberingInspector, databases: Databases
) -> Iterator[AppMaker]:
    """Makes an app of this test's own, with the settings that are given."""
    with _making_apps(tmp_path, inspector, databases) as make:
        yield make


@pytest.fixture(scope="module")
def module_app(
    tmp_path_factory: pytest.TempPathFactory, inspector: RememberingInspector, databases: Databases
) -> Iterator[AppMaker]:
    """Makes an app for all tests of a file."""
    with _making_apps(tmp_path_factory.mktemp("apps"), inspector, databases) as make:
        yield make


@contextmanager
def _making_apps(
    folder: Path, inspector: RememberingInspector, databases: Databases
) -> Iterator[AppMaker]:
    made: list[Service] = []

    def make(**settings: Any) -> Service:
        # No keeper runs beside these apps, which is a fault after a minute.
        given = {"admin_token": ADMIN_TOKEN, "auth_failures": 0, "watch": False, **settings}
        given.setdefault("data", folder / f"data-{len(made)}")
        made.append(_service(Settings(**given), inspector, databases))
        return made[-1]

    yield make
    for service in made:
        service.close()
    for service in made:  # several may share one
        databases.drop(service.data)


@pytest.fixture(scope="module")
def house(module_app: AppMaker, artifacts: dict[str, bytes]) -> Service:
    """For the protocols of other systems: two models with a version in production, one of them with
    another alias, and one without an alias, of whose versions one is archived."""
    service = module_app(max_predict_mb=1, invocations_model="iris/next")
    for name in ("iris", "housing"):
        service.admin.upload(name, artifacts["iris-names" if name == "iris" else name])
        service.admin.promote(name, 1)
    service.admin.upload("iris", artifacts["iris-names"])
    service.admin.promote("iris", 2, alias="next")
    service.admin.upload("spare", artifacts["plane"])
    service.admin.upload("spare", artifacts["plane"])
    service.admin.delete("/models/spare/2")
    return service


@pytest.fixture(scope="module")
def client(house: Service) -> Caller:
    """A caller of ``house`` that may predict."""
    return house.caller("predict")


@pytest.fixture
def admin(service: Service) -> Caller:
    return service.admin


@pytest.fixture
def fresh_name() -> str:
    """A model name that no other test uses."""
    return new_name()


def new_name() -> str:
    return f"model-{next(_counter)}"


@pytest.fixture(scope="session")
def trained() -> dict[str, Trained]:
    """The fitted models by what they are for; see ``estimators``."""
    return train_all()


@pytest.fixture(scope="session")
def artifacts(trained: dict[str, Trained]) -> dict[str, bytes]:
    """The skops file of each of ``trained``."""
    return {key: skops.io.dumps(one.model) for key, one in trained.items()}


@pytest.fixture
def uploaded(
    service: Service, fresh_name: str, artifacts: dict[str, bytes]
) -> tuple[str, list[str]]:
    """A model with three ready versions and no alias: its name and their SHA-256."""
    return fresh_name, upload_lines(service.admin, fresh_name, artifacts)


@pytest.fixture(scope="session")
def unchanged(service: Service, artifacts: dict[str, bytes]) -> tuple[str, list[str]]:
    """As ``uploaded``, but one for all tests whose requests are refused or only read it."""
    name = new_name()
    return name, upload_lines(service.admin, name, artifacts)


def upload_lines(admin: Caller, name: str, artifacts: dict[str, bytes]) -> list[str]:
    """Upload three versions of the model ``name``; their SHA-256."""
    digests = []
    for number in (1, 2, 3):
        artifact = artifacts[f"line-{number}"]
        answer = admin.upload(name, artifact, {"metrics": {"rmse": 10.0 - number}})
        assert answer.status_code == 201, answer.text
        digests.append(hashlib.sha256(artifact).hexdigest())
    return digests


def near(expected: Any) -> Any:
    """Equal to ``expected``, but for the shares of a compiled forest, which are kept as float32."""
    if isinstance(expected, list) and expected and isinstance(expected[0], dict):
        return [pytest.approx(row, abs=1e-6) for row in expected]
    return expected


def check_problem(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """Check ``answer`` against the contract of problems, and return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert body["type"] == f"/problems/{slug}"
    assert body["status"] == status
    assert set(body) - {"errors", "gates", "seq"} == {
        "type",
        "title",
        "status",
        "detail",
        "request_id",
    }
    assert all(isinstance(body[key], str) and body[key] for key in ("title", "detail"))
    assert body["request_id"] == answer.headers["X-Request-Id"]
    for fault in body.get("errors", ()):
        assert set(fault) == {"at", "message"}
        assert all(isinstance(text, str) and text for text in fault.values())
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    return body


def check_fast_path(
    service: Service, path: str, body: Any, content_type: str | None = None, **headers: str
) -> None:
    """Check that the fast path answers a POST as the Flask route does, byte for byte."""

    def ask(application: Any) -> tuple[bytes, str, list[tuple[str, str]]]:
        environ = EnvironBuilder(
            path,
            method="POST",
            headers={
                "Authorization": service.admin.authorization or "",
                "X-Request-Id": "the-same",
                **headers,
            },
            content_type=content_type,
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        ).get_environ()
        chunks, status, answered = run_wsgi_app(application, environ, buffered=True)
        return b"".join(chunks), status, list(answered)

    fast: Any = service.app.wsgi_app
    assert ask(fast) == ask(fast.inner)


def check_error_text(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """Check ``answer`` against what clients of the Open Inference Protocol read of an error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json
    assert body["type"] == f"/problems/{slug}"
    assert body["error"] == body["detail"]
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    return body


def check_error_code(answer: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """Check ``answer`` against what MLflow's clients read of an error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json
    assert re.fullmatch("[A-Z_]+", body["error_code"])
    assert body["type"] == f"/problems/{slug}"
    assert body["message"] == body["detail"]
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    return body


def places(answer: TestResponse) -> list[str]:
    """The locations of the faults of a problem."""
    return [fault["at"] for fault in answer.json.get("errors", ())]
