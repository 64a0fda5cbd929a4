"""A form that arrived after its session had ended: kept on the sign-in page, sent again by hand."""

import re
from typing import NamedTuple

from flask import request

PATH_FIELD = "kept_path"
PREFIX = "kept."
_OWN_PATH = re.compile(r"/console(?:[/?][^\\\x00-\x20\x7f]*)?")


class KeptForm(NamedTuple):
    """Where the form was sent to, and what was typed."""

    path: str
    fields: list[tuple[str, str]]


def kept_form() -> KeptForm | None:
    """The form of the current request; None for one with files, which cannot be kept."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return None
    path = request.full_path.removesuffix("?")
    return KeptForm(path, list(request.form.items(multi=True)))


def form_kept_in_sign_in() -> KeptForm | None:
    """The form that the sign-in page of the current request kept; None if it kept none."""
    path = own_path(request.form.get(PATH_FIELD))
    if path is None:
        return None
    fields = request.form.items(multi=True)
    return KeptForm(
        path, [(name.removeprefix(PREFIX), text) for name, text in fields if name[:5] == PREFIX]
    )


def own_path(text: str | None) -> str | None:
    """``text`` if it is a path of the console, and so cannot lead elsewhere; else None."""
    return text if text and _OWN_PATH.fullmatch(text) else None
