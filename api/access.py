"""Who may call what: every view says so, and a view that says nothing is closed to all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from flask import Flask, g, request

from api.services import services
from registry.errors import Forbidden, Unauthenticated
from registry.tokens import Grant, Scope

View = TypeVar("View", bound=Callable[..., object])
_MARK = "hotswap_access"
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Access:
    """``scope`` None: any token will do. ``public``: not even that is needed."""

    scope: Scope | None = None
    public: bool = False


def allows(needed: Scope | Literal["any", "public"]) -> Callable[[View], View]:
    """Mark a view with what its caller must hold. Goes directly below the route."""
    if needed == "public":
        access = Access(public=True)
    else:
        access = Access(scope=None if needed == "any" else needed)

    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def access_of(view: Callable[..., object]) -> Access | None:
    """What ``view`` asks of its caller; None where it was never marked."""
    return cast("Access | None", getattr(view, _MARK, None))


def guard(app: Flask) -> None:
    """Check every request of ``app`` before its view, and before its body, is looked at."""

    @app.before_request
    def check_access() -> None:
        if request.endpoint is None:
            return  # no such route: the answer is 404 or 405 for everybody
        access = access_of(app.view_functions[request.endpoint])
        if access is None:
            raise Unauthenticated.missing()
        if access.public:
            return
        model = (request.view_args or {}).get("name")
        if access.scope == "predict" and services().settings.anonymous_predict:
            return
        g.grant = services().watch.grant(bearer_token(request.headers.get("Authorization")))
        g.grant.require(access.scope, model)
        if access.scope == "admin" and model is None and g.grant.models is not None:
            # Or an admin of one model could make themselves a token for all of them.
            raise Forbidden("The token is limited to some models; this concerns all of them.")


def grant() -> Grant:
    """The grant of the present request's caller."""
    return cast("Grant", g.grant)


def bearer_token(header: str | None) -> str:
    """The token in an Authorization header. Raises Unauthenticated where there is none."""
    if not header or header[: len(_BEARER)].lower() != _BEARER:
        raise Unauthenticated.missing()
    token = header[len(_BEARER) :].strip()
    if not token:
        raise Unauthenticated.missing()
    return token
