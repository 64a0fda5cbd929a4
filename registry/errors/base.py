"""The base class of all errors, and the kinds of errors: the API has one HTTP status for each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One field at fault: where it is (``instances[3].income``) and what is wrong with it."""

    at: str
    message: str


class RegistryError(Exception):
    """Base of all. ``title`` is the same for every instance, ``detail`` says what happened."""

    title: ClassVar[str] = "Registry error"

    def __init__(self, detail: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return self.detail


class Malformed(RegistryError):
    title = "Malformed request"


class Unauthenticated(RegistryError):
    title = "Authentication required"

    @classmethod
    def missing(cls) -> "Unauthenticated":
        return cls(
            "A token is required: send 'Authorization: Bearer hsw_…', or the token as the password "
            "of Basic authentication."
        )

    @classmethod
    def invalid(cls) -> "Unauthenticated":
        return cls("The token is not valid: unknown, expired or revoked.")


class Forbidden(RegistryError):
    title = "Not allowed"


class NotFound(RegistryError):
    title = "Not found"


class NotAcceptable(RegistryError):
    title = "Not acceptable"

    def __init__(self, offered: Iterable[str]) -> None:
        super().__init__(
            f"The response is available as {', '.join(offered)}; Accept allows none of these."
        )


class BodyTooSlow(RegistryError):
    title = "Body too slow"

    def __init__(self, bytes_per_second: int, seconds: float) -> None:
        super().__init__(
            f"The body arrived at less than {bytes_per_second} bytes/s for {seconds:g} s."
        )


class Conflict(RegistryError):
    title = "Conflict"


class LengthRequired(RegistryError):
    title = "Length required"

    def __init__(self) -> None:
        super().__init__(
            "This server cannot verify that a chunked body is complete. Send a Content-Length. To "
            "accept chunked bodies, an operator can install a C compiler and reinstall the service."
        )


class TooLarge(RegistryError):
    title = "Too large"

    def __init__(self, what: str, limit: str, setting: str | None = None) -> None:
        advice = f" An operator can raise {setting}." if setting else ""
        super().__init__(f"{what} is larger than the limit of {limit}.{advice}")


class FormatUnsupported(RegistryError):
    title = "Format not supported"


class Refused(RegistryError):
    title = "Refused"


class TooManyRequests(RegistryError):
    """``retry_after`` is in seconds."""

    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(f"{detail} Try again in {retry_after} s.")
        self.retry_after = retry_after


class Unavailable(RegistryError):
    """Something that the service depends on is unavailable; ``retry_after`` is in seconds."""

    title = "Unavailable"
    retry_after: ClassVar[int] = 5
