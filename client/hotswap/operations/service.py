"""The service, as the operations reach it."""

from typing import Any

from hotswap.parts import Limit
from hotswap.transport import Transport

JSON = "application/json"
SLOW_SECONDS = 900.0
"""How long an upload or a promotion may take: the model is inspected, compiled and warmed."""
Reference = int | str
"""A version number, an alias or ``latest``."""


class Service:
    """Predictions are sent in parts of at most ``limit``."""

    def __init__(self, transport: Transport, limit: Limit) -> None:
        self._transport = transport
        self._limit = limit
        self._reads_arrow = True  # until it answers otherwise: pyarrow is an extra of the service

    def _get(self, path: str, *keys: str) -> dict[str, Any]:
        return self._transport.request("GET", path).object(*keys)
