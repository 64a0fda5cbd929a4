"""Requests whose headers, parameters or bodies cannot be accepted."""

from collections.abc import Iterable

from registry.errors.base import Conflict, Fault, FormatUnsupported, Malformed, NotFound, Refused
from registry.errors.quoting import shown


class ParameterMalformed(Malformed):
    title = "Malformed query parameter"

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(
            f"Invalid query parameter '{parameter}': {message}", [Fault(parameter, message)]
        )


class SearchMalformed(ParameterMalformed):
    """A filter or an order that is outside the language of searches."""

    title = "Malformed search"


class BodyMalformed(Malformed):
    title = "Malformed body"


class BodyRefused(Refused):
    title = "Body refused"


class PathMalformed(Malformed):
    """A path of an uploaded file."""

    title = "Malformed path"

    def __init__(self, path: str, why: str = "") -> None:
        plain = (
            "expected plain names separated by '/', without '.', '..', '%', '\\' and control "
            "characters"
        )
        super().__init__(f"{shown(path)} is not a valid path: {why or plain}.")

    @classmethod
    def without_directory(cls, path: str) -> "PathMalformed":
        return cls(path, "a file is in a directory, as in uploads/<directory>/<file>")

    @classmethod
    def in_use(cls, path: str) -> "PathMalformed":
        return cls(path, "a file cannot have the name of a folder, nor a folder that of a file")


class UploadsFull(Conflict):
    """``limit``: how many of what there are already."""

    title = "Too many uploaded files"

    def __init__(self, limit: str) -> None:
        super().__init__(
            f"There are {limit} already, which is the limit. Delete some; they are removed a day "
            "after their last change."
        )


class UploadNotFound(NotFound):
    title = "File not found"

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no file {shown(path)}.")


class NotOffered(Refused):
    """A call of another system's protocol that this service does not have."""

    title = "Not offered"


class NotServed(NotFound):
    """An address of another system's protocol behind which no version answers."""

    title = "Not served"


class HostRefused(Malformed):
    title = "Host refused"

    @classmethod
    def of(cls, host: str) -> "HostRefused":
        if not host:
            return cls("The Host header is missing or empty.")
        return cls(
            f"The host {shown(host)} is not allowed. An operator can add it to "
            "HOTSWAP_ALLOWED_HOSTS."
        )

    @classmethod
    def of_target(cls) -> "HostRefused":
        return cls(
            "The request target is neither a path nor an http or https URL with the authority of "
            "the Host header."
        )


class CodingUnsupported(FormatUnsupported):
    """``accepted`` are the codings that a body may have."""

    title = "Content coding not supported"

    def __init__(self, coding: str, accepted: Iterable[str]) -> None:
        self.accepted = tuple(accepted)
        super().__init__(
            f"The Content-Encoding {shown(coding)} is not supported: expected one of "
            f"{', '.join(self.accepted)}, or none."
        )


class IdempotencyKeyMalformed(Malformed):
    title = "Malformed idempotency key"

    def __init__(self) -> None:
        super().__init__("The Idempotency-Key must be 1 to 200 printable ASCII characters.")


class RequestKeyMalformed(Malformed):
    """The key itself is not part of the message: it may say who the caller's customer is."""

    title = "Malformed request key"

    def __init__(self, longest: int) -> None:
        super().__init__(
            f"X-Request-Key must be 1 to {longest} ASCII characters where the alias is split by it."
        )


class IdempotencyKeyReused(Conflict):
    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request. Use a new key.")
