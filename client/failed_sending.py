"""Says in a few words why a request could not be sent or its answer not be read."""

import socket
from collections.abc import Iterator

import requests
import urllib3

from client.errors import AddressMalformed, ServiceUnreachable
from client.multipart import ArtifactChanged

_BROKEN: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.exceptions.SSLError, "no trusted TLS connection"),
    (requests.exceptions.ProxyError, "the proxy failed"),
    (requests.RequestException, "the connection broke"),
)


def explain(url: str, error: requests.RequestException) -> Exception:
    """The error that a caller is to see for what ``requests`` raised.

    It is a ServiceUnreachable, except where the fault was found before or outside the connection:
    then AddressMalformed or ArtifactChanged.
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
        return "its host name is not known here."
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "the connection was refused; nothing listens there."
    if isinstance(error, requests.ConnectTimeout):
        return "no connection came about in time."
    if isinstance(error, requests.Timeout):
        return "the answer did not come in time; what was asked may have been done all the same."
    words = next(words for kind, words in _BROKEN if isinstance(error, kind))
    return f"{words} ({_deepest_text(causes)})."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what lies under it: urllib3 hides causes in ``reason`` and in ``args``."""
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
