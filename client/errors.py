"""What can go wrong between a caller and the service.

    ClientError
    ├── AddressMalformed      the URL or the token cannot be used at all; nothing was sent
    ├── ServiceUnreachable    no answer of the service came back
    ├── ReplyNotUnderstood    something answered that does not speak the service's contract
    ├── DownloadDamaged       the bytes that arrived do not have the hash they were announced with
    └── ProblemReply          the service said no, and why (RFC 9457)
        ├── BadRequest            400
        ├── Unauthenticated       401
        ├── Forbidden             403
        ├── NotFound              404
        ├── Conflict              409
        ├── TooLarge              413
        ├── UnsupportedFormat     415
        ├── Refused               422
        ├── TooManyRequests       429
        ├── Unavailable           503
        └── StorageFull           507

Below these, ``client.problems`` has a class for each type of problem, such as VersionNotFound.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ClientError(Exception):
    """Base of all that the client raises on its own account."""


class AddressMalformed(ClientError, ValueError):
    """The URL or the token cannot be used; nothing was sent."""


class ServiceUnreachable(ClientError):
    """No answer of the service came back: refused, unknown host, timeout, connection lost.

    ``may_have_happened`` is true where the request was under way, so that the service may have
    done what was asked without being able to say so. ``transient`` is false where another try would
    end the same; ``timed_out`` is true where the answer did not come in time. ``retry_after`` are
    the seconds that something in front of the service asks to wait.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        may_have_happened: bool = False,
        transient: bool = True,
        timed_out: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"The service at {url} cannot be reached: {reason}")
        self.url = url
        self.reason = reason
        self.may_have_happened = may_have_happened
        self.transient = transient
        self.timed_out = timed_out
        self.retry_after = retry_after


class ReplyNotUnderstood(ClientError):
    """A reply that is neither the JSON nor the problem that the contract promises."""

    def __init__(
        self,
        url: str,
        status: int,
        why: str,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{url} answered {status}, but not as the service does: {why}")
        self.url = url
        self.status = status
        self.why = why
        self.request_id = request_id
        self.retry_after = retry_after


class DownloadDamaged(ClientError):
    """The bytes that arrived do not have the SHA-256 that the service gave for them."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"The artifact should have SHA-256 {expected}, what arrived has {actual}.")
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field at fault: where it is (``instances[3].income``) and what is wrong with it."""

    at: str
    message: str


class ProblemReply(ClientError):
    """The service understood and said no. The attributes are those of its problem document."""

    def __init__(
        self, problem: Mapping[str, Any], status: int, *, retry_after: float | None = None
    ) -> None:
        self.problem = dict(problem)
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id") or "")
        self.errors = tuple(_faults(problem.get("errors")))
        self.retry_after = retry_after
        super().__init__(self.detail or self.title or f"The service answered {status}.")

    @property
    def slug(self) -> str:
        """The last part of ``type``: ``version-not-found`` of ``/problems/version-not-found``."""
        return self.type.rstrip("/").rpartition("/")[2]


class BadRequest(ProblemReply):
    """400: the body or the URL is not of the form it claims."""


class Unauthenticated(ProblemReply):
    """401: no token, or none that is valid."""


class Forbidden(ProblemReply):
    """403: the token may not do this."""


class NotFound(ProblemReply):
    """404: no such model, version, alias or token."""


class Conflict(ProblemReply):
    """409: it cannot be done as things stand; nothing was changed."""


class TooLarge(ProblemReply):
    """413: more bytes than the service takes."""

    STATUS = 413


class UnsupportedFormat(ProblemReply):
    """415: a content type or an artifact format that the service does not take."""


class Refused(ProblemReply):
    """422: well-formed, but not what the signature or the schema asks."""


class TooManyRequests(ProblemReply):
    """429: slow down; ``retry_after`` says how long."""


class Unavailable(ProblemReply):
    """503: not now; ``retry_after`` says when to try again."""


class StorageFull(ProblemReply):
    """507: no room left on the service's disk."""


def _faults(errors: object) -> list[FieldFault]:
    if not isinstance(errors, list):
        return []
    return [
        FieldFault(str(entry.get("at", "")), str(entry.get("message", "")))
        for entry in errors
        if isinstance(entry, dict)
    ]
