"""Try a version with a file: predictions come back as a file, and nothing is kept."""

import io
from typing import Any, cast

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from api.bodies import BodyStream
from api.problems import status_of
from api.services import services
from console.rendering import page
from console.trying.download import download
from console.trying.files import as_csv, as_parquet, type_of
from console.trying.predicting import predicting
from console.trying.subject import TABS, Tried
from console.trying.tables import in_words, problem_words
from registry.codecs.requests import CSV, PARQUET
from registry.errors import (
    BodyMalformed,
    FormatUnsupported,
    Refused,
    RegistryError,
    TooLarge,
)
from registry.extras import is_installed

_FORM = "multipart/form-data"
_OVERHEAD = 64 * 2**10
_MOST_PARTS = 8


def file_page(tried: Tried, error: RegistryError | None = None) -> Response:
    """The form; with the error of a file that could not be used."""
    return page(
        "try_file.html",
        200 if error is None else status_of(type(error)),
        tab="file",
        tabs=TABS,
        version=tried.view,
        problem="" if error is None else problem_words(error, ""),
        faults=[] if error is None else [in_words(fault) for fault in error.faults],
        limit=services().settings.max_predict_bytes,
        has_parquet=is_installed("arrow"),
    )


def answer_file(tried: Tried) -> Response:
    """The rows of the sent file with their predictions, to download."""
    loaded = services().watch.resolve(tried.model, str(tried.number))
    try:
        content, wanted = _received()
        content_type = type_of(content)
        with predicting(loaded, content_type, content, with_inputs=True) as predicted:
            if wanted == "parquet" and is_installed("arrow"):
                return download(tried, wanted, PARQUET, [as_parquet(tried.fields, predicted)])
            lines = as_csv(content_type, content, tried.signature, predicted)
            return download(tried, "csv", CSV, lines)
    except (BodyMalformed, FormatUnsupported, Refused, TooLarge) as error:
        return file_page(tried, error)


def _received() -> tuple[bytes, str]:
    """The file of the form, in memory only, and the format that is wanted.

    Raises BodyMalformed, TooLarge, and what reading a body raises.
    """
    if request.mimetype != _FORM or "boundary" not in request.mimetype_params:
        raise BodyMalformed("Expected a form with a file.")
    most = services().settings.max_predict_bytes
    body = BodyStream(request.environ, most + _OVERHEAD, "HOTSWAP_MAX_PREDICT_MB")
    parser = FormDataParser(_in_memory, max_form_parts=_MOST_PARTS, silent=False)
    try:
        _, fields, files = parser.parse(
            cast("Any", body), request.mimetype, None, request.mimetype_params
        )
    except (RequestEntityTooLarge, ValueError) as error:
        raise BodyMalformed("The form is not complete.") from error
    sent = files.get("file")
    content = b"" if sent is None else cast("io.BytesIO", sent.stream).getvalue()
    if not content:
        raise BodyMalformed("Choose a file that is not empty.")
    if len(content) > most:
        raise TooLarge("The file", f"{most} bytes", "HOTSWAP_MAX_PREDICT_MB")
    return content, fields.get("as", "csv")


def _in_memory(*_: object, **__: object) -> io.BytesIO:
    """Where the parser writes a file, instead of a temporary one."""
    return io.BytesIO()
