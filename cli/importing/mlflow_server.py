"""A running MLflow server, through its REST API.

Files come through the server too, which reads them from wherever they are stored. No address that
it names is ever requested, and redirects are not followed.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import requests
import urllib3
from requests.adapters import HTTPAdapter

from cli.exits import SAID_NO, UNREACHABLE, WRONG_USAGE
from cli.formatting import size
from cli.importing.mlflow import (
    MAX_VERSIONS,
    Message,
    mapping_of,
    text_of,
    too_many,
)
from cli.importing.sources import CannotCome, SourceFailed
from config import ClientSettings
from registry.errors import shown

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two parts of a response."""
MAX_JSON = 64 * 2**20
FIRST_WAIT = 0.5
"""Seconds before a call is repeated; each further wait is twice as long."""
_CHUNK = 2**20
_PAGES = {"registered-models/search": 100, "model-versions/search": 1_000}
_PASSING = frozenset({429, 502, 503, 504})


class MlflowServer:
    """The registry of the MLflow server at ``url``; files of at most ``most`` bytes."""

    def __init__(self, url: str, settings: ClientSettings, most: int) -> None:
        """Raises SourceFailed for an address that is none, or that has a password in it."""
        self.name = _checked(url)
        self._most = most
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"  # so that sizes are those on the wire
        if settings.mlflow_username:
            self._session.auth = (settings.mlflow_username, settings.mlflow_password)
        elif settings.mlflow_token:
            self._session.auth = _Bearer(settings.mlflow_token)
        again = urllib3.Retry(
            3,
            redirect=False,
            status_forcelist=_PASSING,
            backoff_factor=FIRST_WAIT,
            respect_retry_after_header=False,  # a server could make it wait for years
            raise_on_status=False,
        )
        self._session.mount("http://", HTTPAdapter(max_retries=again))
        self._session.mount("https://", HTTPAdapter(max_retries=again))

    def registered_models(self) -> Iterator[Message]:
        for message in self._pages("registered-models/search", {}, "registered_models"):
            aliases = mapping_of(message.get("aliases"), "alias", "version")
            yield {**message, "tags": _tags(message), "aliases": aliases}

    def model_versions(self, model: str) -> Iterator[Message]:
        query = {"filter": f"name='{model}'"}  # the grammar of names has no quotation marks
        for message in self._pages("model-versions/search", query, "model_versions"):
            if text_of(message, "name") != model:
                continue
            yield {**message, "tags": _tags(message)}

    def run_metrics(self, run_id: str) -> Iterable[Message]:
        run = self._call("runs/get", {"run_id": run_id}).get("run")
        return _metrics(run)

    def model_metrics(self, model_id: str) -> Iterable[Message]:
        return _metrics(self._call(f"logged-models/{model_id}", {}).get("model"))

    def read(self, version: Message, name: str, most: int) -> bytes:
        with self._file(version, name) as response:
            return b"".join(self._body(response, most))

    @contextmanager
    def artifact(self, version: Message, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="hotswap-import-") as folder:
            path = Path(folder, "artifact")
            with self._file(version, name) as response, path.open("wb") as file:
                self._copy(response, file)
            yield path

    def close(self) -> None:
        self._session.close()

    def _copy(self, response: requests.Response, file: BinaryIO) -> None:
        file.writelines(self._body(response, self._most))

    def _pages(self, call: str, query: dict[str, str], key: str) -> Iterator[Message]:
        token, count = "", 0
        while True:
            asked = {**query, "max_results": str(_PAGES[call])}
            try:
                page = self._call(call, {**asked, "page_token": token} if token else asked)
            except CannotCome as error:
                raise self._failed(str(error)) from error
            listed = page.get(key, [])
            if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
                raise self._failed(f"its answer to {call} has no list of {key}.")
            count += len(listed)
            if count > MAX_VERSIONS:
                raise too_many(self.name, key)
            yield from listed
            token = text_of(page, "next_page_token")
            if not token:
                return
            if not listed:
                raise self._failed(f"a page of {call} is empty, and says that more follow.")

    def _call(self, call: str, query: dict[str, str]) -> dict[str, Any]:
        """The object that a call answers. Raises CannotCome where what it names is not there."""
        with self._get(f"/api/2.0/mlflow/{call}", query) as response:
            content = b"".join(self._body(response, MAX_JSON))
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._failed(f"its answer to {call} is no JSON object; is it an MLflow server?")
        return answer

    @contextmanager
    def _file(self, version: Message, name: str) -> Iterator[requests.Response]:
        query = {"name": version["name"], "version": text_of(version, "version"), "path": name}
        try:
            with self._get("/model-versions/get-artifact", query) as response:
                yield response
        except CannotCome as error:
            raise CannotCome(f"The file {name} cannot be read: {error}") from error

    @contextmanager
    def _get(self, path: str, query: dict[str, str]) -> Iterator[requests.Response]:
        try:
            response = self._session.get(
                self.name + path, params=query, stream=True, allow_redirects=False, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            raise SourceFailed(f"{self.name} cannot be reached: {error}", UNREACHABLE) from error
        with response:
            self._check(response)
            yield response

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if 300 <= status < 400:
            where = shown(response.headers.get("Location", ""), 200)
            raise self._failed(f"it redirects to {where}, which is not followed: use that address.")
        if status in {401, 403}:
            raise SourceFailed(
                f"{self.name} answered {status}.",
                SAID_NO,
                advice="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
                "MLFLOW_TRACKING_TOKEN.",
            )
        said = self._message(response)
        if status in _PASSING:
            raise SourceFailed(f"{self.name} answered {status}: {said}", UNREACHABLE)
        raise CannotCome(said)

    def _message(self, response: requests.Response) -> str:
        try:
            problem = json.loads(b"".join(self._body(response, 2**16)))
        except (ValueError, RecursionError, CannotCome):
            problem = None
        message = text_of(problem, "message") if isinstance(problem, dict) else ""
        return f"MLflow answered {response.status_code}: {shown(message, 300)}."

    def _body(self, response: requests.Response, most: int) -> Iterator[bytes]:
        """The parts of a body of at most ``most`` bytes."""
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._failed("it compresses an answer although it was told not to.")
        count = 0
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=False):
                count += len(chunk)
                if count > most:
                    raise CannotCome(f"It has more than {size(most)}, see --max-mb.")
                yield chunk
        except urllib3.exceptions.HTTPError as error:
            raise SourceFailed(f"{self.name} broke off: {error}", UNREACHABLE) from error

    def _failed(self, why: str) -> SourceFailed:
        return SourceFailed(f"{self.name} cannot be read: {why}", SAID_NO)


def _checked(url: str) -> str:
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        parts = urllib3.util.Url()
    if not parts.host or parts.query or parts.fragment:
        raise SourceFailed(f"{shown(url)} is no address of a server.", WRONG_USAGE)
    if parts.auth:
        raise SourceFailed(
            "The address must not contain a user or a password.",
            WRONG_USAGE,
            advice="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        )
    return url.rstrip("/")


def _tags(message: Message) -> dict[str, str]:
    return mapping_of(message.get("tags"), "key", "value")


def _metrics(of: object) -> list[Message]:
    """The metrics in a run or a logged model."""
    data = of.get("data") if isinstance(of, dict) else None
    metrics = data.get("metrics") if isinstance(data, dict) else None
    return [each for each in metrics if isinstance(each, dict)] if isinstance(metrics, list) else []


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
