"""Sends one request and reads one answer; everything that can go wrong becomes a ClientError."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from client.early_reply import EarlyReplyAdapter
from client.errors import (
    AddressMalformed,
    ClientError,
    ReplyNotUnderstood,
    ServiceUnreachable,
)
from client.failed_sending import explain
from client.multipart import UploadBody
from client.problems import problem_reply
from client.retries import Retries, is_repeatable

CONNECT_SECONDS = 10.0
UPLOAD_STALL_SECONDS = 60.0
"""How long the service may refuse to take more bytes of an upload."""

_GATEWAY_STATUSES = frozenset({502, 503, 504})
_EXCERPT = 120
_LARGE_BODY = 256 * 1024
"""Past this a body may be refused by its length before it is sent whole."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is no error: its JSON (None where it has no body) and its headers."""

    url: str
    status: int
    content: Any
    headers: Mapping[str, str]

    def object(self, *keys: str) -> dict[str, Any]:
        """The JSON object that the answer is.

        Raises ReplyNotUnderstood where it is none, or has not all of ``keys``.
        """
        if not isinstance(self.content, dict):
            raise ReplyNotUnderstood(self.url, self.status, "no JSON object")
        missing = [key for key in keys if key not in self.content]
        if missing:
            raise ReplyNotUnderstood(self.url, self.status, f"no {' and no '.join(missing)}")
        return self.content


class Transport:
    """The service at one URL, spoken to with one token."""

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
        """Send a request and return its answer; ``patience`` lengthens the wait for it.

        It is sent again, as Retries has it, where that does no harm: ``repeatable`` says so where
        method and headers do not. Raises ServiceUnreachable, ReplyNotUnderstood, ProblemReply,
        AddressMalformed.
        """
        request = requests.Request(
            method, self.url + path, params=query, data=body, headers=dict(headers or {})
        )
        return self._exchange(self._read, request, patience, repeatable)

    def text(self, path: str, media_type: str) -> str:
        """GET ``path`` as text of ``media_type``; raises as ``request`` does."""
        request = requests.Request("GET", self.url + path, headers={"Accept": media_type})
        return self._exchange(lambda response: self._read_text(response, media_type), request)

    def upload(
        self,
        path: str,
        open_body: Callable[[], UploadBody],
        headers: Mapping[str, str],
        patience: float,
    ) -> Reply:
        """POST a body block by block and return the answer; a repeat opens it anew.

        Raises as ``request`` does, and ArtifactChanged.
        """

        def send() -> Reply:
            with open_body() as body:
                typed = {**headers, "Content-Type": body.content_type}
                request = requests.Request("POST", self.url + path, data=body, headers=typed)
                timeout = (UPLOAD_STALL_SECONDS, max(self._timeout, patience))
                return self._read(self._send_listening(request, timeout))

        return self.again(send, repeatable=is_repeatable("POST", headers))

    def stream(self, path: str) -> requests.Response:
        """GET ``path``, once, with its body still to be read; raises as ``request`` does."""
        request = requests.Request("GET", self.url + path, headers={"Accept": "*/*"})
        timeout = (min(CONNECT_SECONDS, self._timeout), self._timeout)
        response = self._send(self._session, request, timeout, stream=True)
        if response.status_code != 200:
            with response:
                self._read(response)
        return response

    def again(self, send: Callable[[], Answer], *, repeatable: bool = True) -> Answer:
        """What ``send`` returns, called once more where its failure may pass."""
        return self._retries.call(send, repeatable=repeatable)

    def failure(self, error: requests.RequestException) -> Exception:
        """What ``error``, met while sending or reading, is to the caller."""
        return explain(self.url, error)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        # Given as auth, not as a header: a ~/.netrc would replace the header.
        session.auth = self._auth
        session.headers["Accept"] = "application/json"
        session.headers["User-Agent"] = f"hotswap-client {requests.utils.default_user_agent()}"
        return session

    def _exchange(
        self,
        read: Callable[[requests.Response], Answer],
        request: requests.Request,
        patience: float = 0.0,
        repeatable: bool | None = None,
    ) -> Answer:
        timeout = (min(CONNECT_SECONDS, self._timeout), max(self._timeout, patience))
        is_large = isinstance(request.data, bytes) and len(request.data) > _LARGE_BODY

        def send() -> Answer:
            if is_large:
                return read(self._send_listening(request, timeout))
            return read(self._send(self._session, request, timeout))

        if repeatable is None:
            repeatable = is_repeatable(str(request.method), request.headers)
        return self.again(send, repeatable=repeatable)

    def _send_listening(
        self, request: requests.Request, timeout: tuple[float, float]
    ) -> requests.Response:
        # A session of its own: an answer that came early leaves its connection unusable.
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
            # No redirects: they would turn a POST into a GET and hand the token on.
            return session.send(prepared, timeout=timeout, allow_redirects=False, **settings)
        except requests.RequestException as error:
            raise self.failure(error) from error

    def _read(self, response: requests.Response) -> Reply:
        status = response.status_code
        if 300 <= status < 400:
            where = response.headers.get("Location", "an unnamed place")
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
            # A proxy in front speaks for a service that it could not reach either.
            return ServiceUnreachable(
                self.url,
                f"something in front of it answered {response.status_code} ({_excerpt(response)})",
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

    Raises ValueError for a segment that would mean another place: empty, ``.`` or ``..``.
    """
    for segment in segments:
        if str(segment) in {"", ".", ".."}:
            raise ValueError(f"{str(segment)!r} names nothing that the service could have.")
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise AddressMalformed(
            f"{url!r} is not the address of a service: give it like http://127.0.0.1:8000."
        )
    if parts.username is not None:
        raise AddressMalformed("The address must hold no user or password: give a token.")
    return url.rstrip("/")


def _checked_token(token: str | None) -> str | None:
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise AddressMalformed("The token holds characters that no token has: paste it again.")
    return token or None


def _seconds(retry_after: str | None) -> float | None:
    """The seconds that a Retry-After asks for, which may also be written as a date."""
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
