"""Converters of URL segments."""

from werkzeug.routing import BaseConverter

from registry.names import LATEST, RESERVED_ALIASES

_TAKEN = "|".join(sorted(RESERVED_ALIASES - {LATEST}))


class VersionReferenceConverter(BaseConverter):
    """A version reference: any segment except the words that routes use at the same position."""

    regex = rf"(?!(?:{_TAKEN})\Z)[^/]+"


class TokenIdConverter(BaseConverter):
    """The id of a token: any segment except ``self``."""

    regex = r"(?!self\Z)[^/]+"
