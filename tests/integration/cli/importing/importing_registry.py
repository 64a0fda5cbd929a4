"""The fake registry as an import uses it: models of their own, and numbers that uploads require."""

from typing import Any

from tests.integration.cli.fake_registry import HANG_UP, FakeRegistry
from tests.integration.cli.fake_service import Answer, ReceivedRequest, multipart, problem


class ImportingRegistry(FakeRegistry):
    """``refusals`` are by the bytes of an artifact: what an upload of them is answered.

    From the request with the number ``dies_at`` on, none is answered; ``done``: whether what that
    one asked was done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scopes = ["admin", "promote"]
        self.described: dict[str, dict[str, Any]] = {}
        self.refusals: dict[bytes, list[Answer]] = {}
        self.dies_at: int | None = None

    def answer(self, received: ReceivedRequest) -> Answer:
        if self.dies_at is None or len(self.requests) + 1 < self.dies_at:
            return super().answer(received)
        if self.done and len(self.requests) + 1 == self.dies_at:
            super().answer(received)
        else:
            self.requests.append(received)
        return HANG_UP

    @property
    def _routes(self) -> dict[str, Any]:
        return {**super()._routes, "POST /models": self._create_model}

    def _create_model(self, received: ReceivedRequest) -> Answer:
        name = received.json["name"]
        if name in self.versions:
            return problem(409, "name-taken", f"There is a model '{name}'.")
        self.versions[name] = []
        self.described[name] = {
            "description": received.json["description"],
            "tags": received.json.get("tags", {}),
        }
        return Answer(201, self._model(name))

    def _model(self, name: str) -> dict[str, Any]:
        numbers = [version["version"] for version in self.versions[name]]
        last = max(numbers, default=None)
        return {**super()._model(name), "last_version": last, **self.described.get(name, {})}

    def add_version(self, name: str, **fields: Any) -> dict[str, Any]:
        last = max((version["version"] for version in self.versions.get(name, ())), default=0)
        return super().add_version(name, **{"version": last + 1, "lineage": {}, **fields})

    def _upload(self, received: ReceivedRequest, name: str) -> Answer:
        if waiting := self.refusals.get(multipart(received)["artifact"][1]):
            return waiting.pop(0)
        return super()._upload(received, name)
