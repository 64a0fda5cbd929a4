"""Errors as pages: the API's own statuses and words, and what to do next."""

from typing import Any

import msgspec
from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from api.problems import http_problem_of, problem_of
from console.assets import asset_url
from console.cross_site import is_link_from_elsewhere
from console.forms.kept import kept_form
from console.rendering import HTML, is_fragment, page
from console.session import sent_cookie
from registry.errors import ModelForbidden, ModelNotFound, SignInRequired, TooLarge

_PASSED_ON = frozenset({"Retry-After", "Allow", "Connection"})
_ONCE_MORE = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0">'
    '<title>Hotswap</title><link rel="icon" href="{}">'
)


def handle_errors(blueprint: Blueprint) -> None:
    """Answer every error of ``blueprint`` and those nested in it as a page."""

    @blueprint.errorhandler(SignInRequired)
    def on_sign_in(_: SignInRequired) -> AnyResponse:
        return ask_to_sign_in()

    @blueprint.errorhandler(ModelForbidden)
    def on_hidden_model(_: ModelForbidden) -> AnyResponse:
        # A model outside the token's patterns does not exist for its bearer.
        return error_page(ModelNotFound(str((request.view_args or {}).get("name", ""))))

    @blueprint.errorhandler(RequestEntityTooLarge)
    def on_too_large(_: RequestEntityTooLarge) -> AnyResponse:
        return error_page(TooLarge("The form", f"{request.max_content_length or 0} bytes"))

    @blueprint.errorhandler(Exception)
    def on_error(error: Exception) -> AnyResponse:
        return error_page(error)


def error_page(error: Exception) -> Response:
    """The page of an error; a fragment in its place gets the same words without the frame."""
    if isinstance(error, HTTPException):
        status, headers, body = http_problem_of(error, g.request_id)
    else:
        status, headers, body = problem_of(error, g.request_id)
    problem: dict[str, Any] = msgspec.json.decode(body)
    template = "error_fragment.html" if is_fragment() else "error.html"
    response = page(template, status, problem=problem, retry_after=headers.get("Retry-After"))
    for name in _PASSED_ON & headers.keys():
        response.headers[name] = headers[name]
    return response


def ask_to_sign_in() -> AnyResponse:
    """Lead to the sign-in page, and from there back to the requested one.

    A form that was sent after the session ended is kept on the sign-in page: what was typed is not
    lost, and is sent again only by hand.
    """
    if is_link_from_elsewhere() and not sent_cookie():
        return Response(_ONCE_MORE.format(asset_url("favicon.svg")), content_type=HTML)
    if is_fragment():
        return page("signed_out_fragment.html", 401)
    if request.method in {"GET", "HEAD"}:
        here = request.full_path.removesuffix("?")
        return redirect(url_for("console.sign_in.show", next=here), 303)
    return page("sign_in.html", 401, next="", kept=kept_form(), fault="", available=True)
