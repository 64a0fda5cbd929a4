"""Refuses changes that a page of another site sends with a visitor's cookie (CSRF).

Browsers say where a request comes from: by Sec-Fetch-Site (Fetch Metadata, W3C), older ones by
Origin. Forms need no token then, and pages contain no secret.
"""

from urllib.parse import urlsplit

from flask import request

from api.services import services
from registry.errors import CrossSiteRequest

_SAFE = frozenset({"GET", "HEAD"})


def refuse_cross_site() -> None:
    """Raises CrossSiteRequest unless a page of the console, or the visitor, made the request."""
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        allowed = request.headers.get("Origin") in _own_origins()
    else:
        allowed = site in {"same-origin", "none"}
    if not allowed:
        raise CrossSiteRequest


def is_link_from_elsewhere() -> bool:
    """Whether a link of another site led here: browsers then send no cookie that is SameSite."""
    return (
        request.method == "GET"
        and request.headers.get("Sec-Fetch-Site") == "cross-site"
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
    )


def _own_origins() -> set[str]:
    """The origin of this request's host, which was checked, and that of the public URL."""
    public = urlsplit(services().settings.public_url)
    own = f"{request.scheme}://{request.host}"
    return {own, f"{public.scheme}://{public.netloc.lower()}"} if public.netloc else {own}
