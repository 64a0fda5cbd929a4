"""Explains why a request could not be sent or its response not be read."""

import socket
from collections.abc import Iterator

import requests
import urllib3

from hotswap.errors import AddressMalformed, ServiceUnreachable
from hotswap.multipart import ArtifactChanged

_BROKEN: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.exceptions.SSLError, "no trusted TLS connection"),
    (requests.exceptions.ProxyError, "the proxy failed"),
    (requests.RequestException, "the connection broke"),
)


def explain(url: str, error: requests.RequestException) -> Exception:
    """The error to raise for an exception of ``requests``.

    A ServiceUnreachable, or, if the fault is not in the connection, AddressMalformed or
    ArtifactChanged.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ArtifactChanged):
            return cause
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return AddressMalformed(f"{url!r} cannot be used: {error}")
    never_sent = any(
        isinstance(cause, (urllib3.exceptions.NewConnectionError, requests.ConnectTimeout))
        for cause in causes
    )
    return ServiceUnreachable(
        url,
        _reason(error, causes),
        may_have_happened=not never_sent,
        transient=not isinstance(error, requests.exceptions.SSLError),
        timed_out=isinstance(error, requests.Timeout) and not never_sent,
    )


def _reason(error: requests.RequestException, causes: list[BaseException]) -> str:
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "the host name cannot be resolved."
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "the connection was refused; no service listens there."
    if isinstance(error, requests.ConnectTimeout):
        return "the connection timed out."
    if isinstance(error, requests.Timeout):
        return "the response timed out; the request may have been carried out."
    words = next(words for kind, words in _BROKEN if isinstance(error, kind))
    return f"{words} ({_deepest_text(causes)})."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and its causes, which urllib3 also stores in ``reason`` and ``args``."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [getattr(cause, "reason", None), *cause.args, cause.__cause__, cause.__context__]


def _deepest_text(causes: list[BaseException]) -> str:
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if system:
        return str(system[-1].strerror)
    return str(causes[-1]) or type(causes[-1]).__name__
