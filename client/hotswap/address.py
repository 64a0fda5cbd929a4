"""The address of the service and the token, from the caller or from the environment."""

import os

DEFAULT = "http://127.0.0.1:8000"


def service_address(url: str | None, token: str | None) -> tuple[str, str | None]:
    """``url`` and ``token``, by default HOTSWAP_URL and HOTSWAP_TOKEN."""
    address = url or os.environ.get("HOTSWAP_URL") or DEFAULT
    return address, token or os.environ.get("HOTSWAP_TOKEN") or None
