"""A fake service that also implements keys, expectations, gates, history and rights.

It hangs up where a test wants it to, before or after it has done what was asked.
"""

import hashlib
import json
from typing import Any

from tests.integration.cli.fake_service import (
    Answer,
    FakeService,
    ReceivedRequest,
    multipart,
    problem,
)

HANG_UP = Answer(0)


class FakeRegistry(FakeService):
    """``gates`` are those of every model's policy: a metric that must not be above the champion's.

    ``hang_up_at`` is the number of the request that gets no answer, ``done`` whether what it asked
    was done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scopes = ["upload", "promote"]
        self.actor = "ci"
        self.gated: list[str] = []
        self.hang_up_at: int | None = None
        self.done = True
        self._last_words: tuple[str, str] | None = None
        self._dead = False
        self.between: dict[tuple[str, str], Any] = {}
        self._keys: dict[str, tuple[str, Answer]] = {}

    def answer(self, received: ReceivedRequest) -> Answer:
        if self._dead:
            return HANG_UP
        self._dead = (received.method, received.path) == self._last_words
        if self.hang_up_at == len(self.requests) + 1:
            if self.done:
                super().answer(received)
            else:
                self.requests.append(received)
            return HANG_UP
        return super().answer(received)

    def dies_after(self, method: str, path: str) -> None:
        """Answer ``method`` to ``path``, and nothing from then on."""
        self._last_words = method, path

    def forget_keys(self) -> None:
        """What happens after a day."""
        self._keys.clear()

    def _show_own_token(self, _: ReceivedRequest) -> Answer:
        token = {"id": 1, "name": self.actor, "scopes": self.scopes, "models": None}
        return Answer(200, token)

    def _show_model(self, received: ReceivedRequest, name: str) -> Answer:
        if name not in self.versions:
            return problem(404, "model-not-found", f"There is no model '{name}'.")
        return super()._show_model(received, name)

    def _list_versions(self, received: ReceivedRequest, name: str) -> Answer:
        if name not in self.versions:
            return problem(404, "model-not-found", f"There is no model '{name}'.")
        return super()._list_versions(received, name)

    def _upload(self, received: ReceivedRequest, name: str) -> Answer:
        parts = multipart(received)
        artifact = parts["artifact"][1]
        metadata = json.loads(parts["metadata"][1])
        body = hashlib.sha256(artifact + json.dumps(metadata, sort_keys=True).encode()).hexdigest()
        if (known := self._recalled(received, body)) is not None:
            return known
        if happening := self.between.pop(("POST", "upload"), None):
            happening()
            if (known := self._recalled(received, body)) is not None:
                return known
        digest = hashlib.sha256(artifact).hexdigest()
        if received.query.get("reuse") == ["true"]:
            for version in self.versions.get(name, ()):
                if version["artifact"].get("sha256") == digest and _said(version) == _said(
                    metadata
                ):
                    return Answer(201, version, {"Idempotent-Replayed": "true"})
        described = {"sha256": digest, "size": len(artifact)}
        version = self.add_version(name, **metadata, artifact=described, created_by=self.actor)
        self._event("registered", to_version=version["version"])
        return self._remember(received, body, Answer(201, version))

    def _promote(self, received: ReceivedRequest, name: str, number: str) -> Answer:
        if "promote" not in self.scopes:
            return problem(403, "scope-missing", "The token lacks the scope 'promote'.")
        if (known := self._recalled(received, received.body.decode())) is not None:
            return known
        if happening := self.between.pop(("POST", "promote"), None):
            happening()
        alias = received.json.get("alias", "production")
        live = self.aliases.get(name, {}).get(alias)
        expected = received.json.get("expected_version", "anything")
        if expected not in {"anything", live}:
            return problem(409, "expected-version-conflict", f"The alias points at {live}.")
        gates = self._outcomes(name, int(number), live, received.json.get("gates", []))
        if not all(gate["passed"] for gate in gates):
            return problem(409, "gate-failed", "A gate does not hold.", gates=gates)
        moved = self._moved(name, alias, int(number))
        if live != int(number):
            more = {"alias": alias, "from_version": live, "to_version": int(number)}
            self._event("promoted", **more, details={"gates": gates})
        answer = Answer(200, {**moved.content, "gates": gates})
        return self._remember(received, received.body.decode(), answer)

    def _outcomes(
        self, name: str, number: int, live: int | None, more: list[str]
    ) -> list[dict[str, Any]]:
        """Gates of the one form ``METRIC <= champion``, by what the uploader claimed."""
        found = []
        for text in [*self.gated, *more]:
            metric = text.partition(" ")[0]
            candidate = self.versions[name][number - 1]["metrics"][metric]
            champion = None if live is None else self.versions[name][live - 1]["metrics"][metric]
            passed = champion is None or candidate <= champion
            found.append(
                {"gate": text, "passed": passed, "candidate": candidate, "champion": champion}
            )
        return found

    def roll_back(self, name: str, number: int) -> None:
        """Another caller makes another version live."""
        live = self.aliases[name]["production"]
        self.aliases[name]["production"] = number
        self._event("rolled_back", alias="production", from_version=live, to_version=number)

    def _event(self, kind: str, **more: Any) -> None:
        event = {"seq": len(self.events) + 1, "at": "2026-11-21T06:00:00Z", "type": kind}
        self.events.append({**event, "actor": self.actor, "reason": None, **more})

    def promotions(self) -> list[int]:
        """The versions that were promoted, one for each event."""
        return [event["to_version"] for event in self.events if event["type"] == "promoted"]

    def _recalled(self, received: ReceivedRequest, body: str) -> Answer | None:
        known = self._keys.get(received.headers["Idempotency-Key"])
        if known is None:
            return None
        if known[0] != body:
            return problem(409, "idempotency-key-reused", "The key stood for another request.")
        return Answer(known[1].status, known[1].content, {"Idempotent-Replayed": "true"})

    def _remember(self, received: ReceivedRequest, body: str, answer: Answer) -> Answer:
        self._keys[received.headers["Idempotency-Key"]] = body, answer
        return answer


def _said(version: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a version of the same bytes the same, as the service has it."""
    lineage = {**version.get("lineage", {}), "parent_version": None}
    return version.get("metrics"), version.get("signature"), lineage
