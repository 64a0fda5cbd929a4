"""Sign in with a token, sign out, and choose a theme."""

from flask import Blueprint, Response, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows, grant
from api.callers import callers
from api.problems import status_of
from api.services import services
from console.forms.kept import KeptForm, form_kept_in_sign_in, own_path
from console.frame import THEME_COOKIE, THEMES
from console.rendering import page
from console.session import begin_session, cookie_of_request, end_session, idle_limit, signed_in
from registry.errors import TooManyRequests, Unauthenticated
from registry.operations.sign_out import sign_out_everywhere

blueprint = Blueprint("sign_in", __name__)

_YEAR = 365 * 86400


@blueprint.route("/login", methods=["GET"])
@allows("public")
def show() -> AnyResponse:
    """The form to sign in; whoever is signed in is led on."""
    following = own_path(request.args.get("next")) or ""
    if signed_in() is not None:
        return _led_on(following)
    return sign_in_form(following)


@blueprint.route("/login", methods=["POST"])
@allows("public")
def sign_in() -> AnyResponse:
    """Check the token and begin a session."""
    following = own_path(request.form.get("next")) or ""
    kept = form_kept_in_sign_in()
    if not _is_available():
        return sign_in_form(following, kept=kept, status=403)
    try:
        known = callers().check_token(request.form.get("token", "").strip(), request.environ)
        callers().count(known.grant)
    except (Unauthenticated, TooManyRequests) as error:
        response = sign_in_form(
            following, kept=kept, status=status_of(type(error)), fault=error.detail
        )
        if isinstance(error, TooManyRequests):
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    response = page("send_again.html", kept=kept) if kept else make_response(_led_on(following))
    begin_session(known.grant, response)
    return response


@blueprint.route("/logout", methods=["POST"])
@allows("any")
def sign_out() -> AnyResponse:
    """End this session, or all sessions of its token."""
    if request.form.get("everywhere"):
        sign_out_everywhere(services().database, grant().token_id)
    response = make_response(redirect(url_for("console.sign_in.show"), 303))
    end_session(response)
    return response


@blueprint.route("/theme", methods=["POST"])
@allows("any")
def choose_theme() -> AnyResponse:
    """Keep the chosen theme in a cookie, and go back."""
    response = make_response(_led_on(own_path(request.form.get("next")) or ""))
    chosen = request.form.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            chosen,
            max_age=_YEAR,
            path=url_for("console.home"),
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def sign_in_form(
    following: str, *, kept: KeptForm | None = None, status: int = 200, fault: str = ""
) -> Response:
    """The page to sign in with a token; ``fault`` says why an attempt failed."""
    return page(
        "sign_in.html",
        status,
        next=following,
        kept=kept,
        fault=fault,
        available=_is_available(),
        is_off=not idle_limit(),
    )


def _is_available() -> bool:
    """Whether somebody can sign in: it is not turned off, and the connection protects a cookie."""
    return bool(idle_limit()) and cookie_of_request() is not None


def _led_on(following: str) -> AnyResponse:
    home = url_for("console.home")
    return redirect(f"{request.script_root}{following}" if following else home, 303)
