"""The errors of the client.

    ClientError
    ├── AddressMalformed      the URL or the token is invalid; nothing was sent
    ├── TokenMissing          HOTSWAP_TOKEN is not set; nothing was sent
    ├── ServiceUnreachable    no response of the service was received
    ├── ReplyNotUnderstood    the response does not follow the service's contract
    ├── DownloadDamaged       the bytes received do not have the announced hash
    ├── NotCompiled           the version cannot be predicted with outside the service
    ├── EngineUnavailable     the service's engines are not installed here
    ├── FileRefused           a file or an option of predict_file; nothing was predicted from it
    ├── UnfinishedRun         the output has an unfinished run that is not continued
    ├── ClusterFailed         a Dask cluster cannot be reached, has no workers, or they fail
    └── ProblemReply          the service refused the request, and why (RFC 9457)
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

Below these, ``hotswap.problems`` has a class for each type of problem, such as VersionNotFound.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ClientError(Exception):
    """Base of the client's own errors. They can be pickled, as a cluster's workers do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[ClientError], arguments: tuple[Any, ...], attributes: dict[str, Any]
) -> ClientError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


class AddressMalformed(ClientError, ValueError):
    """The URL or the token is invalid; nothing was sent."""


class TokenMissing(ClientError):
    """What reads its token from the environment found none; nothing was sent."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The service at {url} requires a token: set the environment variable HOTSWAP_TOKEN."
        )


class ServiceUnreachable(ClientError):
    """No response of the service was received: refused, unknown host, timeout, connection lost.

    ``may_have_happened``: the request was sent, so the service may have carried it out.
    ``transient``: another attempt may succeed. ``timed_out``: the response did not arrive in time.
    ``retry_after``: the seconds to wait, requested by a proxy in front of the service.
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
    """A response that is neither the JSON nor the problem document of the contract."""

    def __init__(
        self,
        url: str,
        status: int,
        why: str,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{url} answered {status}, but not in the format of the service: {why}")
        self.url = url
        self.status = status
        self.why = why
        self.request_id = request_id
        self.retry_after = retry_after


class DownloadDamaged(ClientError):
    """The bytes received do not have the SHA-256 that the service announced."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"Expected an artifact with SHA-256 {expected}, received {actual}.")
        self.expected = expected
        self.actual = actual


class NotCompiled(ClientError):
    """A version without a compiled form, which only the service can predict with."""

    def __init__(self, model: str, version: int, reason: str) -> None:
        super().__init__(
            f"Version {version} of '{model}' can be predicted with only by the service, because it "
            f"has no compiled form: {reason}"
        )


class EngineUnavailable(ClientError):
    """The engines that predict in this process are missing, or none reads the version's forms."""


class FileRefused(ClientError, ValueError):
    """A file that cannot be predicted from, or options that do not fit it."""


class UnfinishedRun(ClientError):
    """The output has parts of an unfinished run, which these options do not continue."""


class ClusterFailed(ClientError):
    """A Dask cluster cannot be reached, has no workers, or they fail."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"The Dask cluster at {address} failed: {reason}")


@dataclass(frozen=True, slots=True)
class FieldFault:
    """An invalid field: where it is (``instances[3].income``) and what is wrong with it."""

    at: str
    message: str


class ProblemReply(ClientError):
    """The service refused the request. The attributes are those of its problem document; a
    traceback shows the invalid fields as notes."""

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
        for fault in self.errors:
            self.add_note(f"{fault.at}: {fault.message}")

    @property
    def slug(self) -> str:
        """The last part of ``type``: ``version-not-found`` of ``/problems/version-not-found``."""
        return self.type.rstrip("/").rpartition("/")[2]


class BadRequest(ProblemReply):
    """400: the body or the URL is malformed."""


class Unauthenticated(ProblemReply):
    """401: no token, or an invalid one."""


class Forbidden(ProblemReply):
    """403: the token may not do this."""


class NotFound(ProblemReply):
    """404: no such model, version, alias or token."""


class Conflict(ProblemReply):
    """409: a conflict with the current state; nothing was changed."""


class TooLarge(ProblemReply):
    """413: more bytes than the service accepts."""

    STATUS = 413


class UnsupportedFormat(ProblemReply):
    """415: a content type or an artifact format that the service does not accept."""


class Refused(ProblemReply):
    """422: well-formed, but against the signature or the schema."""


class TooManyRequests(ProblemReply):
    """429: too many requests; ``retry_after`` says how long to wait."""


class Unavailable(ProblemReply):
    """503: temporarily unavailable; ``retry_after`` says how long to wait."""


class StorageFull(ProblemReply):
    """507: the disk of the service is full."""


def _faults(errors: object) -> list[FieldFault]:
    if not isinstance(errors, list):
        return []
    return [
        FieldFault(str(entry.get("at", "")), str(entry.get("message", "")))
        for entry in errors
        if isinstance(entry, dict)
    ]
