"""A small fake service that implements the contract over real HTTP, and records requests.

It keeps models, versions and aliases in memory. ``script`` makes it answer the next request for a
path in another way, for faults that the real service never has.
"""

import email.policy
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SIGNATURE = {
    "inputs": [
        {"name": "rooms", "type": "number", "nullable": True},
        {"name": "floors", "type": "integer", "nullable": False},
        {"name": "zip", "type": "string", "nullable": False},
        {"name": "new", "type": "boolean", "nullable": False},
    ],
    "output": {"name": "price", "type": "number"},
}
ARTIFACT = bytes(range(256)) * 5000
HSW = "hsw_right"


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it was received."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is sent back; a dict or list as JSON, bytes as they are. Status 0 hangs up instead."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeService:
    """The state of the fake and what a test may look at."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.aliases: dict[str, dict[str, int]] = {}
        self.events: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []
        self.url = ""
        self.public_url: str | None = None
        self._scripted: dict[tuple[str, str], Answer] = {}
        self._next: dict[tuple[str, str], list[Answer]] = {}

    def script(self, method: str, path: str, answer: Answer) -> None:
        """Answer every ``method`` to ``path`` so from now on."""
        self._scripted[method, path] = answer

    def script_next(self, method: str, path: str, answer: Answer, times: int = 1) -> None:
        """Answer the next ``times`` requests of ``method`` to ``path`` so, and then as before."""
        self._next.setdefault((method, path), []).extend([answer] * times)

    def add_version(self, name: str, **fields: Any) -> dict[str, Any]:
        """Register a version as if it had been uploaded."""
        versions = self.versions.setdefault(name, [])
        version: dict[str, Any] = {
            "model": name,
            "version": len(versions) + 1,
            "status": "ready",
            "kind": "forest",
            "task": "regression",
            "aliases": [],
            "description": "",
            "tags": {},
            "metrics": {"rmse": 48211.7, "r2": 0.82},
            "params": {"n_estimators": 100},
            "signature": deepcopy(SIGNATURE),
            "artifact": {"format": "skops", "sha256": "ab" * 32, "size": 11507123},
            "created_at": "2026-11-21T06:00:00Z",
            "created_by": "ci",
            **fields,
        }
        versions.append(version)
        return version

    def of(self, method: str, path: str) -> list[ReceivedRequest]:
        """The requests that came for ``path``."""
        return [
            received
            for received in self.requests
            if (received.method, received.path) == (method, path)
        ]

    def answer(self, received: ReceivedRequest) -> Answer:
        """The response to ``received``."""
        self.requests.append(received)
        if waiting := self._next.get((received.method, received.path)):
            return waiting.pop(0)
        if scripted := self._scripted.get((received.method, received.path)):
            return scripted
        if received.headers.get("Authorization") != f"Bearer {HSW}":
            return problem(401, "unauthenticated", "A token is required.")
        for route, handler in self._routes.items():
            if match := re.fullmatch(route, f"{received.method} {received.path}"):
                return handler(received, *map(unquote, match.groups()))
        return problem(404, "not-found", f"There is nothing at {received.path}.")

    @property
    def _routes(self) -> dict[str, Callable[..., Answer]]:
        part = "/([^/]+)"
        return {
            "GET /models": self._list_models,
            f"GET /models{part}": self._show_model,
            f"GET /models{part}/versions": self._list_versions,
            f"POST /models{part}/versions": self._upload,
            f"GET /models{part}/history": self._list_history,
            "GET /history": lambda received: self._list_history(received, ""),
            f"POST /models{part}/rollback": self._rollback,
            f"POST /models{part}/predict": self._predict,
            f"POST /models{part}{part}/predict": self._predict,
            f"POST /models{part}{part}/promote": self._promote,
            f"POST /models{part}{part}/evaluate": self._evaluate,
            f"GET /models{part}{part}/evaluation": self._show_evaluation,
            f"GET /models{part}{part}": self._show_version,
            "GET /version": self._show_release,
            "GET /tokens/self": self._show_own_token,
            "GET /tokens": self._list_tokens,
            "POST /tokens": self._create_token,
            f"DELETE /tokens{part}": self._revoke_token,
        }

    def _show_release(self, _: ReceivedRequest) -> Answer:
        public = {"public_url": self.public_url} if self.public_url else {}
        return Answer(200, {"version": "0.1.0", "schema": "0001", **public})

    def _list_models(self, received: ReceivedRequest) -> Answer:
        return _page([self._model(name) for name in self.versions], received)

    def _show_model(self, _: ReceivedRequest, name: str) -> Answer:
        return Answer(200, self._model(name))

    def _list_versions(self, received: ReceivedRequest, name: str) -> Answer:
        return _page(self.versions[name][::-1], received)

    def _show_version(self, _: ReceivedRequest, name: str, reference: str) -> Answer:
        version = self._find(name, reference)
        return Answer(200, version) if version else _no_version(name)

    def _list_history(self, received: ReceivedRequest, _: str) -> Answer:
        return _page(self.events[::-1], received)

    def _model(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "description": "",
            "tags": {},
            "aliases": self.aliases.get(name, {}),
            "status": "active",
            "last_version": len(self.versions[name]),
            "generation": 1,
            "created_at": "2026-11-21T06:00:00Z",
            "created_by": "ci",
        }

    def _find(self, name: str, reference: str) -> dict[str, Any] | None:
        number = self.aliases.get(name, {}).get(reference, reference)
        for version in self.versions.get(name, []):
            if str(version["version"]) == str(number):
                return version
        return None

    def _upload(self, received: ReceivedRequest, name: str) -> Answer:
        parts = multipart(received)
        metadata = json.loads(parts["metadata"][1])
        return Answer(201, self.add_version(name, **metadata))

    def _promote(self, received: ReceivedRequest, name: str, number: str) -> Answer:
        return self._moved(name, received.json.get("alias", "production"), int(number))

    def _evaluate(self, _: ReceivedRequest, name: str, reference: str) -> Answer:
        version = self._find(name, reference)
        if version is None:
            return _no_version(name)
        candidate = {"version": version["version"], "metrics": {}, "measured_on": None}
        report = {"passed": True, "candidate": candidate, "champion": None, "gates": []}
        return Answer(200, report)

    def _show_evaluation(self, _: ReceivedRequest, name: str, reference: str) -> Answer:
        version = self._find(name, reference)
        return Answer(200, version.get("evaluation", {})) if version else _no_version(name)

    def _show_own_token(self, _: ReceivedRequest) -> Answer:
        return Answer(200, {"id": 1, "name": "ci", "scopes": ["admin"], "models": None})

    def _rollback(self, received: ReceivedRequest, name: str) -> Answer:
        return self._moved(name, "production", received.json.get("to_version", 1))

    def _moved(self, name: str, alias: str, number: int) -> Answer:
        if self._find(name, str(number)) is None:
            return _no_version(name)
        previous = self.aliases.setdefault(name, {}).get(alias)
        self.aliases[name][alias] = number
        content = {
            "model": name,
            "alias": alias,
            "version": number,
            "previous_version": previous,
            "generation": 17,
            "gates": [],
        }
        return Answer(200, content)

    def _predict(
        self, received: ReceivedRequest, name: str, reference: str = "production"
    ) -> Answer:
        version = self._find(name, reference)
        if version is None:
            return _no_version(name)
        answer: dict[str, Any] = {"model": name, "version": version["version"]}
        chances = {"cheap": 0.25, "dear": 0.75}
        many = (
            received.headers["Content-Type"] != "application/json" or b"instances" in received.body
        )
        if many:
            answer["predictions"] = [1.5, 2.5]
        else:
            answer["prediction"] = 452600.0
        if received.query.get("probabilities") == ["true"]:
            answer["probabilities"] = [chances, chances] if many else chances
        if received.query.get("scores") == ["true"]:
            answer |= {"scores": [0.5, -0.25]} if many else {"score": -0.25}
        return Answer(200, answer)

    def _list_tokens(self, received: ReceivedRequest) -> Answer:
        return _page(self.tokens, received)

    def _create_token(self, received: ReceivedRequest) -> Answer:
        token = {"id": 7, "models": None, "expires_at": None, **received.json}
        self.tokens.append(token)
        return Answer(201, {**token, "token": "hsw_new"})

    def _revoke_token(self, _: ReceivedRequest, token_id: str) -> Answer:
        self.tokens = [token for token in self.tokens if str(token["id"]) != token_id]
        return Answer(204)


def problem(status: int, slug: str, detail: str, **more: Any) -> Answer:
    """A problem document as the contract has it."""
    content = {
        "type": f"/problems/{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "request_id": "req-1",
        **more,
    }
    return Answer(status, content, {"Content-Type": "application/problem+json"})


def _no_version(name: str) -> Answer:
    return problem(404, "version-not-found", f"Model '{name}' has no such version.")


def multipart(received: ReceivedRequest) -> dict[str, tuple[str | None, bytes]]:
    """The parts of an upload: name -> (filename, bytes), read by the standard library's parser."""
    head = f"Content-Type: {received.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + received.body, policy=email.policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename(),
            bytes(part.get_content()),
        )
        for part in message.iter_parts()
    }


def _page(items: list[Any], received: ReceivedRequest) -> Answer:
    """The cursor is the place in the list; a real service's names an item."""
    begin = int(received.query.get("after", ["0"])[0])
    end = begin + int(received.query.get("page_size", ["50"])[0])
    page = {"items": items[begin:end], "page": 1, "page_size": end - begin, "total": len(items)}
    return Answer(200, page | ({"next": str(end)} if end < len(items) else {}))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits 40 ms for the acknowledgement of its headers
    service: FakeService

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        received = ReceivedRequest(
            self.command, parts.path, parse_qs(parts.query), self.headers, body
        )
        answer = self.service.answer(received)
        if not answer.status:
            self.close_connection = True
            return
        raw = answer.content if isinstance(answer.content, bytes) else b""
        if not raw and answer.content is not None:
            raw = json.dumps(answer.content).encode()
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    # The names that http.server calls.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Print nothing: the requests are in ``requests``."""


@contextmanager
def running(kind: type[FakeService] = FakeService) -> Iterator[FakeService]:
    """A fake service on a free port, until the block ends."""
    service = kind()
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
