"""Who is signed in: the session of a request's cookie, and the cookie itself.

The cookie has 256 random bits; the database has their SHA-256. The rights are those of the token,
looked up as the API does, so that a revoked or expired token ends its sessions on every worker.
"""

from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Response, g, request

from api.access import Access
from api.callers import callers
from api.hosts import LOOPBACK_NAMES
from api.services import services
from console.cross_site import refuse_cross_site
from registry.errors import SignInRequired, StorageFull, Unauthenticated, Unavailable
from registry.operations.keep_session import keep_session
from registry.operations.sign_in import LONGEST, sign_in
from registry.operations.sign_out import sign_out
from registry.reading.sessions import FoundSession, find_session
from registry.tokens import Grant


class Cookie(NamedTuple):
    """The name of the session's cookie, and whether browsers send it over TLS only."""

    name: str
    secure: bool


SECURE = Cookie("__Host-hotswap", secure=True)
PLAIN = Cookie("hotswap", secure=False)
"""For http on a loopback address: Safari ignores Secure cookies there."""


_LOOPBACK = frozenset(name.strip("[]") for name in LOOPBACK_NAMES)


def idle_limit() -> timedelta:
    """How long a session lasts without a request; zero: nobody can sign in."""
    return timedelta(hours=services().settings.console_hours)


def cookie_of_request() -> Cookie | None:
    """The cookie that a session has on the current request's connection.

    None over http on a host that is not this machine: others could read it on its way. A proxy that
    ends TLS is known by HOTSWAP_PUBLIC_URL, or by the scheme that a trusted one forwards.
    """
    public = urlsplit(services().settings.public_url)
    is_loopback = urlsplit(f"//{request.host}").hostname in _LOOPBACK
    if request.scheme == "https":
        return SECURE
    if public.scheme == "https" and (is_loopback or request.host.lower() == public.netloc.lower()):
        return SECURE
    return PLAIN if is_loopback else None


def recognise_session(access: Access) -> Grant | None:
    """The grant of the current request's session; None where the page is public.

    Raises CrossSiteRequest, SignInRequired, RateLimited, and the Unavailable errors.
    """
    # The console knows people by their cookie alone; what reads the header must find none.
    request.environ.pop("HTTP_AUTHORIZATION", None)
    refuse_cross_site()
    if access.public:
        return None
    found = _session_of_request()
    if found is None:
        raise SignInRequired
    try:
        g.console_token = services().watch.snapshot().known_token(found.token_digest)
        grant: Grant = g.console_token.valid_grant()
    except Unauthenticated as error:
        raise SignInRequired from error
    callers().count(grant)
    with suppress(Unavailable, StorageFull):  # the next request notes it
        keep_session(services().database, found)
    return grant


def signed_in() -> Grant | None:
    """The grant of the current request's session on a public page; None without one."""
    found = _session_of_request()
    if found is None:
        return None
    with suppress(Unauthenticated):
        return services().watch.snapshot().known_token(found.token_digest).valid_grant()
    return None


def begin_session(grant: Grant, response: Response) -> None:
    """Sign in with the token of ``grant``, which was checked, and set the cookie."""
    cookie = cookie_of_request()
    if cookie is None:
        raise SignInRequired
    value = sign_in(services().database, grant.token_id, idle_limit(), sent_cookie())
    response.set_cookie(
        cookie.name,
        value,
        max_age=LONGEST,
        path="/",
        secure=cookie.secure,
        httponly=True,
        samesite="Strict",
    )


def end_session(response: Response) -> None:
    """Delete the session of the request, its cookie and what the browser stored of the console."""
    sign_out(services().database, sent_cookie())
    for cookie in (SECURE, PLAIN):
        if cookie.name in request.cookies:
            response.delete_cookie(
                cookie.name, path="/", secure=cookie.secure, httponly=True, samesite="Strict"
            )
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def sent_cookie() -> str:
    """The value of the cookie that the request carries; empty if it carries none."""
    cookie = cookie_of_request()
    return "" if cookie is None else request.cookies.get(cookie.name, "")


def _session_of_request() -> FoundSession | None:
    if "console_session" not in g:
        value, idle = sent_cookie(), idle_limit()
        g.console_session = None
        if value and idle:
            # Not in the transaction that the page reads in, which an operation would wait for.
            with services().database.read() as session:
                g.console_session = find_session(session, value, idle)
    found: FoundSession | None = g.console_session
    return found
