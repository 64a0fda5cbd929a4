"""The service behind a registry URI of MLflow. Imports nothing of MLflow.

The calls are those of MLflow's REST API; the token is HOTSWAP_TOKEN, because MLFLOW_TRACKING_TOKEN
is that of the tracking server.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from hotswap import download
from hotswap.address import service_address
from hotswap.errors import AddressMalformed, ClientError, TokenMissing
from hotswap.multipart import FileBody
from hotswap.requested import json_body
from hotswap.retries import Retries
from hotswap.transport import Transport, path_of

SCHEME = "hotswap"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
"""The route of files; https://mlflow.org/docs/latest/api_reference/rest-api.html"""

ANSWER_SECONDS = 60.0
SLOW_SECONDS = 900.0
"""How long a change may take: a new version is inspected and compiled, a promoted one loaded."""


def address_of(uri: str) -> str:
    """The URL of the service for a registry URI.

    ``hotswap+http://host:8000`` and ``hotswap+https://host`` contain it, ``hotswap://host:8000`` is
    short for the first, and ``hotswap://`` means HOTSWAP_URL. Raises AddressMalformed.
    """
    scheme, _, rest = uri.partition(":")
    place = rest.removeprefix("//")
    if scheme == SCHEME:
        return f"http://{place}" if place else service_address(None, None)[0]
    if scheme not in {f"{SCHEME}+http", f"{SCHEME}+https"}:
        raise AddressMalformed(
            f"{uri!r} is not a valid registry URI: expected one such as "
            f"{SCHEME}+http://127.0.0.1:8000."
        )
    return f"{scheme.removeprefix(f'{SCHEME}+')}://{place}"


_registries: set[str] = set()
"""The addresses of the registries that the user has named in this process."""


class Service:
    """The service of a registry URI. May be shared between threads.

    Every method raises TokenMissing and what ``Transport.request`` raises.
    """

    def __init__(self, uri: str) -> None:
        """Raises AddressMalformed."""
        self.url = address_of(uri).rstrip("/")
        _registries.add(self.url)

    @classmethod
    def of_artifacts(cls, uri: str, registry_uri: str = "") -> "Service":
        """The service of an artifact URI, if it is ``registry_uri``, another registry that was
        named in this process, or HOTSWAP_URL. Raises AddressMalformed for any other.

        Artifact URIs also come from tracking servers, which could name a host of their own and so
        get the token.
        """
        url = address_of(uri).rstrip("/")
        known = {*_registries, service_address(None, None)[0].rstrip("/")}
        with suppress(AddressMalformed):  # a registry that is none of ours
            known.add(address_of(registry_uri).rstrip("/"))
        if url not in known:
            raise AddressMalformed(
                f"The token is not sent to {url}, which is not the address of the registry: set "
                "the registry URI, or HOTSWAP_URL, if it is."
            )
        return cls(uri)

    def call(self, method: str, path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that a call returns."""
        with closing(self._transport()) as transport:
            if method == "GET":
                return transport.request(method, path, query=arguments).object()
            reply = transport.request(
                method,
                path,
                body=json_body(arguments),
                headers={"Content-Type": "application/json"},
                patience=SLOW_SECONDS,
            )
            return reply.object()

    @contextmanager
    def staged(self, folder: Path) -> Iterator[str]:
        """Send the files of ``folder``; their path on the service, until the block ends."""
        path = f"/uploads/{uuid.uuid4().hex}"
        try:
            self._send(folder, path)
            yield path
        finally:
            # Where this fails, the service deletes them within a day.
            with suppress(ClientError), closing(self._transport()) as transport:
                transport.request("DELETE", ARTIFACTS + path)

    def files(self, path: str) -> list[dict[str, Any]]:
        """What is in the directory ``path``, as in MLflow's ``ListArtifacts``; [] for a file."""
        found = self.call("GET", ARTIFACTS, {"path": path}).get("files", [])
        return list(found)

    def fetch(self, path: str, to: Path) -> None:
        """Write the file ``path`` to ``to``. Raises OSError; ``to`` is then unchanged."""
        with closing(self._transport()) as transport:
            download.artifact(transport, ARTIFACTS + path_of(*path.split("/")), to)

    def _send(self, folder: Path, path: str) -> None:
        with closing(self._transport()) as transport:
            for file in sorted(found for found in folder.rglob("*") if found.is_file()):
                name = path_of(*file.relative_to(folder).parts)
                transport.upload(
                    ARTIFACTS + path + name, partial(FileBody, file), {}, SLOW_SECONDS, method="PUT"
                )

    def _transport(self) -> Transport:
        token = service_address(None, None)[1]
        if token is None:
            raise TokenMissing(self.url)
        return Transport(self.url, token, ANSWER_SECONDS, Retries())
