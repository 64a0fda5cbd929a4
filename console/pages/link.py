"""Signs in with the link that ``hotswap serve`` prints.

Its code is in the fragment of the URL, which browsers do not send: it is in no log and no Referer,
and whatever only fetches the page, as a preview does, uses nothing. A script of the page takes it
out of the address and sends it in a form.
"""

import ipaddress

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows
from api.problems import status_of
from api.services import services
from console.pages.sign_in import sign_in_form
from console.rendering import page
from console.session import PLAIN, begin_session, cookie_of_request, signed_in
from registry.errors import SignInLinkRefused, Unauthenticated
from registry.storage.sign_in_codes import SignInCodes
from registry.storage.tables import utc_now

blueprint = Blueprint("link", __name__)

_OF_PROXIES = frozenset({"forwarded", "via", "x-real-ip"})


@blueprint.route("/link", methods=["GET"])
@allows("public")
def show() -> AnyResponse:
    """The form that the script sends; without scripts somebody types the code."""
    if not _is_direct():
        return _refused(SignInLinkRefused.elsewhere())
    return page("link.html")


@blueprint.route("/link", methods=["POST"])
@allows("public")
def use() -> AnyResponse:
    """Use the code, and begin a session of the token that it was made for."""
    own = f"{request.scheme}://{request.host}"
    # A proxy that hides itself shows the browser another address.
    if not _is_direct() or request.headers.get("Origin") != own:
        return _refused(SignInLinkRefused.elsewhere())
    home = redirect(url_for("console.models.index"), 303)
    try:
        codes = SignInCodes(services().settings.run_folder)
        token = codes.use(request.form.get("code", "").strip(), utc_now())
        grant = services().watch.snapshot().known_token(token).valid_grant()
    except (SignInLinkRefused, Unauthenticated):
        return home if signed_in() is not None else _refused(SignInLinkRefused.used())
    response = make_response(home)
    begin_session(grant, response)
    return response


def _refused(error: SignInLinkRefused) -> AnyResponse:
    return sign_in_form("", status=status_of(type(error)), fault=error.detail)


def _is_direct() -> bool:
    """Whether the request comes from this machine and passed no proxy, as far as can be seen."""
    return (
        services().settings.has_sign_in_links
        and cookie_of_request() == PLAIN
        and _is_loopback(request.remote_addr or "")
        and not any(
            name.lower() in _OF_PROXIES or name.lower().startswith("x-forwarded")
            for name, _ in request.headers
        )
    )


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
