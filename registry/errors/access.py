"""Tokens, scopes and rate limits."""

from registry.errors.base import (
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    TooManyRequests,
    Unauthenticated,
)
from registry.errors.quoting import shown


class ScopeMissing(Forbidden):
    title = "Scope missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope '{scope}'. Ask an admin for one that has it.")


class ModelForbidden(Forbidden):
    title = "Model not allowed"

    def __init__(self, model: str) -> None:
        super().__init__(f"The token does not cover the model {shown(model)}.")


class SignInRequired(Unauthenticated):
    title = "Sign-in required"

    def __init__(self) -> None:
        super().__init__("Nobody is signed in, or the session has ended.")


class CrossSiteRequest(Forbidden):
    title = "Request of another site"

    def __init__(self) -> None:
        super().__init__(
            "The request did not come from a page of this console, so nothing was done. Behind a "
            "proxy, HOTSWAP_PUBLIC_URL must be the address that the browser shows."
        )


class SignInLinkRefused(Forbidden):
    title = "Sign-in link refused"

    @classmethod
    def used(cls) -> "SignInLinkRefused":
        return cls(
            "This link signs nobody in: it was used already, is older than ten minutes, or the "
            "service was started again since. Each start prints a new one. Or sign in with a token."
        )

    @classmethod
    def elsewhere(cls) -> "SignInLinkRefused":
        return cls(
            "Links that sign in work only in a browser on the machine that the service runs on, at "
            "the address that the service printed, and without a proxy. Sign in with a token."
        )


class TokenNotFound(NotFound):
    title = "Token not found"

    def __init__(self, token_id: object) -> None:
        super().__init__(f"There is no token with the id {token_id}.")


class TokenRefused(Refused):
    title = "Token refused"


class TokenShown(Conflict):
    title = "Token already shown"

    def __init__(self, token_id: int) -> None:
        super().__init__(
            f"This request was carried out before: it created the token {token_id}. Its value was "
            "shown then and is not stored. Rotate that token to get another value."
        )


class LastAdminToken(Conflict):
    title = "Last admin token"

    def __init__(self) -> None:
        super().__init__(
            "No other token with the scope 'admin' for all models is valid for a day or for as "
            "long as this one. Create such a token first, then revoke this one."
        )


class RateLimited(TooManyRequests):
    title = "Rate limit reached"

    def __init__(self, per_second: int, retry_after: int) -> None:
        super().__init__(f"The token is limited to {per_second} requests per second.", retry_after)


class TooManyFailures(TooManyRequests):
    title = "Too many failed authentications"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "The token is not valid, and this address has sent too many invalid tokens.",
            retry_after,
        )
