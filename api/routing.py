"""What the routes match: converters of URL segments, and methods; how their addresses are built.

werkzeug matches a pattern with a slash, even one that excludes it, with all of the path that
follows, unless ``part_isolating`` says that it is for one segment.
"""

from collections.abc import Callable
from functools import cache

from flask import Flask, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import BaseConverter, Rule

from registry.names import LATEST, RESERVED_ALIASES

_TAKEN = "|".join(sorted(RESERVED_ALIASES - {LATEST}))


class VersionReferenceConverter(BaseConverter):
    """A version reference: any segment except the words that routes use at the same position."""

    regex = rf"(?!(?:{_TAKEN})\Z)[^/]+"
    part_isolating = True


class TokenIdConverter(BaseConverter):
    """The id of a token: any segment except ``self``."""

    regex = r"(?!self\Z)[^/]+"
    part_isolating = True


class PlainSegmentConverter(BaseConverter):
    """A segment without a colon, after which TensorFlow Serving's addresses have a verb."""

    regex = "[^/:]+"
    part_isolating = True


class VerbConverter(BaseConverter):
    """The verbs of TensorFlow Serving and KServe V1 that are not offered."""

    regex = "classify|regress|explain"


class FilePathConverter(BaseConverter):
    """The path of a file, or anything else: the view checks it."""

    regex = r"[\s\S]*"
    part_isolating = False


CONVERTERS: dict[str, type[BaseConverter]] = {
    "version": VersionReferenceConverter,
    "token": TokenIdConverter,
    "segment": PlainSegmentConverter,
    "verb": VerbConverter,
    "file": FilePathConverter,
}
"""By their names in routes."""


class Route(Rule):
    """A rule that compiles what builds its addresses when the first one is built.

    werkzeug compiles two functions for each rule, half of the work of making an app, and most rules
    need neither.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compile_now = super()._compile_builder

        @cache
        def compiled() -> Callable[..., tuple[str, str]]:
            return compile_now(append_unknown)

        def build(rule: Rule, /, **values: object) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build


def match_methods_exactly(app: Flask) -> None:
    """Answer ``post`` as any other method that no route has; werkzeug takes it for POST.

    Methods are case-sensitive (RFC 9110, 9.1).
    """

    @app.before_request
    def match_method() -> None:
        if request.url_rule is None or request.environ["REQUEST_METHOD"] == request.method:
            return
        adapter = app.create_url_adapter(request)
        allowed = [] if adapter is None else adapter.allowed_methods()
        # Flask raises it where it raises every error of routing.
        request.url_rule = None
        request.routing_exception = MethodNotAllowed(list(allowed))
