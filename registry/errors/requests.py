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


class IdempotencyKeyReused(Conflict):
    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request. Use a new key.")
