"""Sends a request and reads its response; every failure becomes a ClientError."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from hotswap._version import __version__
from hotswap.early_reply import EarlyReplyAdapter
from hotswap.errors import (
    AddressMalformed,
    ClientError,
    ReplyNotUnderstood,
    ServiceUnreachable,
)
from hotswap.failed_sending import explain
from hotswap.multipart import FileBody
from hotswap.problems import problem_reply
from hotswap.retries import Retries, is_repeatable

CONNECT_SECONDS = 10.0
UPLOAD_STALL_SECONDS = 60.0
"""How long an upload may make no progress."""

USER_AGENT = f"hotswap-client/{__version__} {requests.utils.default_user_agent()}"

_GATEWAY_STATUSES = frozenset({502, 503, 504})
_EXCERPT = 120
_LARGE_BODY = 256 * 1024
"""A larger body may be refused by its length before it is sent completely."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response: its JSON (None without a body) and its headers."""

    url: str
    status: int
    content: Any
    headers: Mapping[str, str]

    def object(self, *keys: str) -> dict[str, Any]:
        """The JSON object of the response.

        Raises ReplyNotUnderstood if it is not an object with all of ``keys``.
        """
        if not isinstance(self.content, dict):
            raise ReplyNotUnderstood(self.url, self.status, "no JSON object")
        missing = [key for key in keys if key not in self.content]
        if missing:
            raise ReplyNotUnderstood(self.url, self.status, f"no {' and no '.join(missing)}")
        return self.content


class Transport:
    """Sends requests to one URL with one token."""

    def __init__(self, url: str, token: str | None, timeout: float, retries: Retries) -> None:
        self.url = _checked_url(url)
        self._auth = _BearerToken(_checked_token(token))
        self._timeout = timeout
        self._retries = retries
        self._session = self._new_session()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
        repeatable: bool | None = None,
    ) -> Reply:
        """Send a request and return its response; ``patience`` seconds extend the time-out.

        Retries apply if the request may be repeated, by its method, its headers or ``repeatable``.
        Raises ServiceUnreachable, ReplyNotUnderstood, ProblemReply, AddressMalformed.
        """
        request = requests.Request(
            method, self.url + path, params=query, data=body, headers=dict(headers or {})
        )
        return self._exchange(self._read, request, patience, repeatable)

    def text(self, path: str, media_type: str) -> str:
        """GET ``path`` as text of ``media_type``; raises as ``request`` does."""
        request = requests.Request("GET", self.url + path, headers={"Accept": media_type})
        return self._exchange(lambda response: self._read_text(response, media_type), request)

    def predicted(
        self, path: str, media_type: str, query: Mapping[str, Any], body: bytes, content_type: str
    ) -> tuple[int, str]:
        """POST rows to ``path``; the version that predicted them, and its reply as text of
        ``media_type``. Raises as ``request`` does."""
        headers = {"Accept": media_type, "Content-Type": content_type}
        request = requests.Request(
            "POST", self.url + path, params=query, data=body, headers=headers
        )

        def read(response: requests.Response) -> tuple[int, str]:
            text = self._read_text(response, media_type)
            version = response.headers.get("X-Model-Version", "")
            if not version.isdecimal():
                raise self._not_understood(response, "no version")
            return int(version), text

        return self._exchange(read, request, repeatable=True)

    def upload(
        self,
        path: str,
        open_body: Callable[[], FileBody],
        headers: Mapping[str, str],
        patience: float,
        *,
        method: str = "POST",
    ) -> Reply:
        """Send a body in blocks and return the response; each attempt opens the body again.

        Raises as ``request`` does, and ArtifactChanged.
        """

        def send() -> Reply:
            with open_body() as body:
                typed = {**headers, "Content-Type": body.content_type}
                # requests would send an empty iterator in chunks.
                data = body if len(body) else b""
                request = requests.Request(method, self.url + path, data=data, headers=typed)
                timeout = (UPLOAD_STALL_SECONDS, max(self._timeout, patience))
                return self._read(self._send_listening(request, timeout))

        return self.again(send, repeatable=is_repeatable(method, headers))

    def stream(self, path: str) -> requests.Response:
        """GET ``path`` once and return the unread response; raises as ``request`` does."""
        request = requests.Request("GET", self.url + path, headers={"Accept": "*/*"})
        timeout = (min(CONNECT_SECONDS, self._timeout), self._timeout)
        response = self._send(self._session, request, timeout, stream=True)
        if response.status_code != 200:
            with response:
                self._read(response)
        return response

    def again(self, send: Callable[[], Result], *, repeatable: bool = True) -> Result:
        """What ``send`` returns, called again after a temporary failure."""
        return self._retries.call(send, repeatable=repeatable)

    def failure(self, error: requests.RequestException) -> Exception:
        """The error to raise for ``error``, which occurred while sending or reading."""
        return explain(self.url, error)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        # Set as auth, because a ~/.netrc would replace a header.
        session.auth = self._auth
        session.headers["Accept"] = "application/json"
        session.headers["User-Agent"] = USER_AGENT
        return session

    def _exchange(
        self,
        read: Callable[[requests.Response], Result],
        request: requests.Request,
        patience: float = 0.0,
        repeatable: bool | None = None,
    ) -> Result:
        timeout = (min(CONNECT_SECONDS, self._timeout), max(self._timeout, patience))
        is_large = isinstance(request.data, bytes) and len(request.data) > _LARGE_BODY

        def send() -> Result:
            if is_large:
                return read(self._send_listening(request, timeout))
            return read(self._send(self._session, request, timeout))

        if repeatable is None:
            repeatable = is_repeatable(str(request.method), request.headers)
        return self.again(send, repeatable=repeatable)

    def _send_listening(
        self, request: requests.Request, timeout: tuple[float, float]
    ) -> requests.Response:
        # A new session, because an early response leaves the connection unusable.
        with self._new_session() as session:
            session.mount("http://", EarlyReplyAdapter())
            return self._send(session, request, timeout)

    def _send(
        self,
        session: requests.Session,
        request: requests.Request,
        timeout: tuple[float, float],
        *,
        stream: bool = False,
    ) -> requests.Response:
        try:
            prepared = session.prepare_request(request)
            settings = session.merge_environment_settings(prepared.url, {}, stream, None, None)
            # No redirects: they would turn a POST into a GET and forward the token.
            return session.send(prepared, timeout=timeout, allow_redirects=False, **settings)
        except requests.RequestException as error:
            raise self.failure(error) from error

    def _read(self, response: requests.Response) -> Reply:
        status = response.status_code
        if status == 304 and "If-None-Match" in response.request.headers:
            return Reply(response.url, status, None, response.headers)
        if 300 <= status < 400:
            where = response.headers.get("Location", "an unknown address")
            raise self._not_understood(response, f"it redirects to {where}; use that address")
        content = self._json(response) if response.content else None
        if status < 300:
            return Reply(response.url, status, content, response.headers)
        if isinstance(content, dict) and ("title" in content or "detail" in content):
            problem = {"request_id": response.headers.get("X-Request-Id"), **content}
            raise problem_reply(problem, status, _seconds(response.headers.get("Retry-After")))
        raise self._not_understood(response, f"no problem document, but {_excerpt(response)}")

    def _read_text(self, response: requests.Response, media_type: str) -> str:
        if response.status_code != 200:
            self._read(response)
        elif response.headers.get("Content-Type", "").partition(";")[0] == media_type:
            return response.content.decode("utf-8", "replace")
        raise self._not_understood(response, f"no {media_type}, but {_excerpt(response)}")

    def _json(self, response: requests.Response) -> Any:
        try:
            return json.loads(response.content)
        except ValueError:
            raise self._not_understood(response, f"no JSON, but {_excerpt(response)}") from None

    def _not_understood(self, response: requests.Response, why: str) -> ClientError:
        retry_after = _seconds(response.headers.get("Retry-After"))
        if response.status_code in _GATEWAY_STATUSES:
            # A proxy in front of the service could not reach it either.
            return ServiceUnreachable(
                self.url,
                f"a proxy in front of it answered {response.status_code} ({_excerpt(response)})",
                may_have_happened=True,
                retry_after=retry_after,
            )
        request_id = response.headers.get("X-Request-Id")
        return ReplyNotUnderstood(self.url, response.status_code, why, request_id, retry_after)


class _BearerToken(AuthBase):
    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def path_of(*segments: object) -> str:
    """The path of ``segments``, each quoted.

    Raises ValueError for a segment that would change the path: empty, ``.`` or ``..``.
    """
    for segment in segments:
        if str(segment) in {"", ".", ".."}:
            raise ValueError(f"{str(segment)!r} is not a valid name.")
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise AddressMalformed(
            f"{url!r} is not a valid address: expected one such as http://127.0.0.1:8000."
        )
    if parts.username is not None:
        raise AddressMalformed("The address must not contain a user or password: give a token.")
    return url.rstrip("/")


def _checked_token(token: str | None) -> str | None:
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise AddressMalformed("The token contains characters that no token has: copy it again.")
    return token or None


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After, which may also be a date."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _excerpt(response: requests.Response) -> str:
    if not response.content:
        return "an empty body"
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    text = " ".join(response.content[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    return f"{kind}: {text[:_EXCERPT]!r}"
