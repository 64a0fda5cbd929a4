"""Sends one request and reads one answer; everything that can go wrong becomes a ClientError."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from client.early_reply import EarlyReplyAdapter
from client.errors import (
    AddressMalformed,
    ClientError,
    ReplyNotUnderstood,
    ServiceUnreachable,
    problem_reply,
)
from client.failed_sending import explain
from client.multipart import UploadBody

CONNECT_SECONDS = 10.0
UPLOAD_STALL_SECONDS = 60.0
"""How long the service may refuse to take more bytes of an upload."""

_GATEWAY_STATUSES = frozenset({502, 503, 504})
_EXCERPT = 120


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

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        self.url = _checked_url(url)
        self._auth = _BearerToken(_checked_token(token))
        self._timeout = timeout
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
    ) -> Reply:
        """Send a request and return its answer; ``patience`` lengthens the wait for it.

        Raises ServiceUnreachable, ReplyNotUnderstood, ProblemReply, AddressMalformed.
        """
        request = requests.Request(
            method, self.url + path, params=query, data=body, headers=dict(headers or {})
        )
        timeout = (min(CONNECT_SECONDS, self._timeout), max(self._timeout, patience))
        return self._read(self._send(self._session, request, timeout))

    def text(self, path: str, media_type: str) -> str:
        """GET ``path`` as text of ``media_type``; raises as ``request`` does."""
        request = requests.Request("GET", self.url + path, headers={"Accept": media_type})
        timeout = (min(CONNECT_SECONDS, self._timeout), self._timeout)
        response = self._send(self._session, request, timeout)
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.status_code != 200:
            self._read(response)
        elif kind == media_type:
            return response.content.decode("utf-8", "replace")
        raise self._not_understood(response, f"no {media_type}, but {_excerpt(response)}")

    def upload(
        self, path: str, body: UploadBody, headers: Mapping[str, str], patience: float
    ) -> Reply:
        """POST ``body`` block by block and return the answer.

        Raises as ``request`` does, and ArtifactChanged.
        """
        typed = {**headers, "Content-Type": body.content_type}
        request = requests.Request("POST", self.url + path, data=body, headers=typed)
        # A session of its own: an answer that came early leaves its connection unusable.
        with self._new_session() as session:
            session.mount("http://", EarlyReplyAdapter())
            timeout = (UPLOAD_STALL_SECONDS, max(self._timeout, patience))
            return self._read(self._send(session, request, timeout))

    def stream(self, path: str) -> requests.Response:
        """GET ``path`` with its body still to be read; raises as ``request`` does."""
        request = requests.Request("GET", self.url + path, headers={"Accept": "*/*"})
        timeout = (min(CONNECT_SECONDS, self._timeout), self._timeout)
        response = self._send(self._session, request, timeout, stream=True)
        if response.status_code != 200:
            with response:
                self._read(response)
        return response

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

    def _json(self, response: requests.Response) -> Any:
        try:
            return json.loads(response.content)
        except ValueError:
            raise self._not_understood(response, f"no JSON, but {_excerpt(response)}") from None

    def _not_understood(self, response: requests.Response, why: str) -> ClientError:
        if response.status_code in _GATEWAY_STATUSES:
            # A proxy in front speaks for a service that it could not reach either.
            return ServiceUnreachable(
                self.url,
                f"something in front of it answered {response.status_code} ({_excerpt(response)})",
                may_have_happened=True,
            )
        return ReplyNotUnderstood(
            self.url, response.status_code, why, response.headers.get("X-Request-Id")
        )


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
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _excerpt(response: requests.Response) -> str:
    if not response.content:
        return "an empty body"
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    text = " ".join(response.content[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    return f"{kind}: {text[:_EXCERPT]!r}"
