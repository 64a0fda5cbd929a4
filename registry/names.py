"""The grammar of model names, aliases and version references."""

import re

from registry.errors import AliasMalformed, NameMalformed, ReferenceMalformed

PRODUCTION = "production"
"""The alias that promotions move by default."""

LATEST = "latest"
"""Refers to the highest version that is ready. It is not a stored alias."""

_NEVER_ALIASES = frozenset(
    {LATEST, "versions", "aliases", "history", "rollback", "predict", "policy", "holdout"}
    | {"compare", "traffic"}
)
RESERVED_ALIASES = _NEVER_ALIASES | {"invocations", "ping"}
"""The words that stand where a version does in URLs. The last two were aliases in earlier
releases."""

WATCH = "watch"
"""Stands where a version does in the addresses of what is watched. An alias of that name, which
earlier releases allowed, goes on answering predictions."""
_NEVER_NEW_ALIASES = RESERVED_ALIASES | {WATCH}

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_NUMBER = re.compile(r"0|[1-9][0-9]*")
_WRITTEN_VERSION = re.compile(r"v[0-9]+")
_LARGEST_NUMBER = 2**31 - 1


def check_model_name(name: str) -> str:
    """Return ``name`` if the grammar allows it.

    Raises NameMalformed.
    """
    if not MODEL_NAME.fullmatch(name):
        raise NameMalformed(name)
    return name


def name_key(name: str) -> str:
    """The key by which model names, and the aliases of a model, are unique: without case."""
    return name.lower()


def check_alias(alias: str) -> str:
    """Return ``alias`` if there may be an alias of that name.

    Raises AliasMalformed where it is outside the grammar or reserved in all releases.
    """
    if not ALIAS.fullmatch(alias):
        raise AliasMalformed(
            alias, "expected a letter, then up to 127 ASCII letters, digits, '_' or '-'"
        )
    return _check_free(alias, _NEVER_ALIASES)


def check_new_alias(alias: str) -> str:
    """Return ``alias`` if an alias of that name may be created.

    ``v`` and digits is refused: a reader takes it for the version of that number. Aliases of
    earlier releases may have such a name.

    Raises AliasMalformed.
    """
    _check_free(check_alias(alias), _NEVER_NEW_ALIASES)
    if _WRITTEN_VERSION.fullmatch(name_key(alias)):
        raise AliasMalformed(alias, "it reads as the number of a version")
    return alias


def _check_free(alias: str, reserved: frozenset[str]) -> str:
    if name_key(alias) in reserved:
        raise AliasMalformed(alias, "the word is reserved")
    return alias


def parse_reference(reference: str) -> int | str:
    """Read a version reference: a number as an int, an alias or ``latest`` as itself.

    A number too large for any version becomes 0, which no version has.

    Raises ReferenceMalformed.
    """
    if _NUMBER.fullmatch(reference):
        return int(reference) if len(reference) <= 10 and int(reference) <= _LARGEST_NUMBER else 0
    is_free = name_key(reference) not in RESERVED_ALIASES
    if ALIAS.fullmatch(reference) and (reference == LATEST or is_free):
        return reference
    raise ReferenceMalformed(reference)
