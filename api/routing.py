"""How URLs are told apart."""

from werkzeug.routing import BaseConverter

from registry.names import LATEST, RESERVED_ALIASES

_TAKEN = "|".join(sorted(RESERVED_ALIASES - {LATEST}))


class VersionReferenceConverter(BaseConverter):
    """A version reference: any segment but the words that stand at the same place in a URL."""

    regex = rf"(?!(?:{_TAKEN})\Z)[^/]+"


class TokenIdConverter(BaseConverter):
    """The id of a token: any segment but ``self``."""

    regex = r"(?!self\Z)[^/]+"
