"""Requests whose headers, parameters or bodies cannot be accepted."""

from collections.abc import Iterable

from registry.errors.base import Conflict, Fault, FormatUnsupported, Malformed, Refused
from registry.errors.quoting import shown


class ParameterMalformed(Malformed):
    title = "Malformed query parameter"

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(
            f"The query parameter '{parameter}': {message}", [Fault(parameter, message)]
        )


class BodyMalformed(Malformed):
    title = "Malformed body"


class BodyRefused(Refused):
    title = "Body refused"


class HostRefused(Malformed):
    title = "Host refused"

    def __init__(self, host: str) -> None:
        if host:
            super().__init__(
                f"This service does not answer for the host {shown(host)}. An operator can add it "
                "to HOTSWAP_ALLOWED_HOSTS."
            )
        else:
            super().__init__("The request names no host: send one Host header.")


class CodingUnsupported(FormatUnsupported):
    """``accepted`` are the codings that a body may have."""

    title = "Content coding not supported"

    def __init__(self, coding: str, accepted: Iterable[str]) -> None:
        self.accepted = tuple(accepted)
        super().__init__(
            f"The Content-Encoding must be one of {', '.join(self.accepted)} or be left out; it is "
            f"{shown(coding)}."
        )


class IdempotencyKeyMalformed(Malformed):
    title = "Malformed idempotency key"

    def __init__(self) -> None:
        super().__init__("An Idempotency-Key is 1 to 200 printable ASCII characters.")


class IdempotencyKeyReused(Conflict):
    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for a different request. Use a new key for a new one."
        )
