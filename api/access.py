"""Access control: a view declares what its caller needs; a view that does not is refused.

Callers are recognised by their token, except where ``recognise_by`` says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from flask import Flask, g, request

from api.callers import callers
from api.negotiation import JSON
from api.services import services
from registry.errors import Forbidden, Unauthenticated
from registry.tokens import Grant, Scope

View = TypeVar("View", bound=Callable[..., object])
_MARK = "hotswap_access"
_KEY = "hotswap-recognise"


@dataclass(frozen=True, slots=True)
class Access:
    """``scope`` None: any token suffices; ``instead``: a scope that suffices instead.
    ``public``: no token is needed; ``anonymous``: nor where HOTSWAP_ANONYMOUS_PREDICT is set.
    ``counts``: the view itself counts the request against the rate of its token.
    ``checks_model``: the model is not named in the path, so the view checks that the token covers
    it. ``probed``: a probe needs no token: a request without one that does not accept JSON by name.
    """

    scope: Scope | None = None
    instead: Scope | None = None
    public: bool = False
    anonymous: bool = False
    counts: bool = False
    checks_model: bool = False
    probed: bool = False

    def check(self, grant: Grant, model: str | None) -> None:
        """Raises ScopeMissing or ModelForbidden."""
        has_other = self.instead is not None and grant.has_scope(self.instead)
        grant.require(None if has_other else self.scope, model)


Recognise = Callable[[Access], Grant | None]
"""The grant of the current request's caller; None where the view may be called without. Raises
Unauthenticated, TooManyRequests, and the Unavailable errors."""


def allows(
    needed: Scope | Literal["any", "public"],
    *,
    instead: Scope | None = None,
    anonymous: bool = False,
    counts: bool = False,
    checks_model: bool = False,
    probed: bool = False,
) -> Callable[[View], View]:
    """Mark a view with the access that its caller needs. Goes directly below the route."""
    if needed == "public":
        access = Access(public=True)
    else:
        scope = None if needed == "any" else needed
        access = Access(
            scope,
            instead,
            anonymous=anonymous,
            counts=counts,
            checks_model=checks_model,
            probed=probed,
        )

    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def access_of(view: Callable[..., object]) -> Access | None:
    """The access that ``view`` declares; None if it declares none."""
    return cast("Access | None", getattr(view, _MARK, None))


def guard(app: Flask) -> None:
    """Check the access of every request to ``app`` before its view runs and its body is read."""

    @app.before_request
    def check_access() -> None:
        if request.endpoint is None:
            return  # no such route: 404 or 405 for every caller
        access = access_of(app.view_functions[request.endpoint])
        if access is None:
            raise Unauthenticated.missing()
        outermost = request.blueprints[-1] if request.blueprints else ""
        found = _recognised(app).get(outermost, _by_token)(access)
        if found is None:
            return
        g.grant = found
        model = (request.view_args or {}).get("name")
        access.check(g.grant, model)
        for_all = access.scope == "admin" and model is None and not access.checks_model
        if for_all and g.grant.models is not None:
            # Otherwise an admin of one model could create a token for all models.
            raise Forbidden(
                "The token is limited to some models; this operation requires one for all models."
            )


def recognise_by(app: Flask, blueprint: str, recognise: Recognise) -> None:
    """Recognise the callers of ``blueprint``, and of those nested in it, by ``recognise``."""
    _recognised(app)[blueprint] = recognise


def _recognised(app: Flask) -> dict[str, Recognise]:
    return cast("dict[str, Recognise]", app.extensions.setdefault(_KEY, {}))


def _by_token(access: Access) -> Grant | None:
    if access.public or (access.anonymous and services().settings.anonymous_predict):
        return None
    if access.probed and is_probe(request.environ):
        return None
    known = callers().recognise if access.counts else callers().admit
    return known(request.environ).grant


def is_probe(environ: dict[str, Any]) -> bool:
    """Whether a request may be one of a client or load balancer that only checks whether the
    service answers. Clients of our own routes send a token or accept JSON by name."""
    return not environ.get("HTTP_AUTHORIZATION") and JSON not in environ.get("HTTP_ACCEPT", "")


def grant() -> Grant:
    """The grant of the current request's caller."""
    return cast("Grant", g.grant)
