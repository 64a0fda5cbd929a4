"""Renders the templates. Every value in them is escaped; an unknown name is an error."""

from functools import cache
from typing import Any

from flask import Response, g, request, url_for
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.release import RELEASE
from api.sessions import db
from console import formats
from console.assets import asset_url
from console.forms.once import new_key
from console.frame import broken_event, health, menu, theme
from console.queries import url_with
from registry.cards.blocks import visible
from registry.reading.events import last_event
from registry.storage.tables import utc_now
from registry.tokens import Grant

HTML = "text/html; charset=utf-8"


def is_fragment() -> bool:
    """Whether a script requested a part of a page."""
    return request.headers.get("HX-Request") == "true"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """The page that ``template`` makes of ``values``, in the frame."""
    return Response(render(template, **values), status, content_type=HTML)


def render(template: str, **values: Any) -> str:
    """The text that ``template`` makes of ``values``."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        asset_url=asset_url,
        broken_event=broken_event,
        current_grant=current_grant,
        health=health,
        here=_here,
        is_fragment=is_fragment,
        last_event=_last_event,
        menu=menu,
        new_key=new_key,
        now=utc_now,
        outside=_outside,
        parse_time=formats.parse_time,
        plural=formats.plural,
        release=RELEASE,
        request=request,
        theme=theme,
        url_for=url_for,
        url_with=url_with,
        visible=visible,
        g=g,
    )
    environment.filters.update(
        duration=formats.duration,
        first_upper=formats.first_upper,
        full_moment=formats.full_moment,
        json_text=formats.json_text,
        metric_name=formats.metric_name,
        milliseconds=formats.milliseconds,
        moment=formats.moment,
        number=formats.number,
        percent=formats.percent,
        rate=formats.rate,
        share=formats.share,
        short_hash=formats.short_hash,
        signed_percent=formats.signed_percent,
        size=formats.size,
    )
    return environment


def _outside() -> str:
    """The template around the content of a page; scripts get the content alone."""
    return "bare.html" if is_fragment() else "base.html"


def _here() -> str:
    """The address of this page."""
    return f"{request.script_root}{request.full_path.removesuffix('?')}"


def _last_event(model: str) -> int:
    """The number of the last event of the model that this page was made with."""
    return last_event(db.session(), model)


def current_grant() -> Grant | None:
    """The grant of whoever is signed in; None on public pages."""
    found: Grant | None = g.get("grant")
    return found
