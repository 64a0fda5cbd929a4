"""The filters and orders of searches, in the language of MLflow's registry.

    name LIKE 'iris%' AND tags.`my key` != "x" AND version_number >= 3 AND run_id IN ('a', 'b')

Source: https://mlflow.org/docs/latest/ml/model-registry, "Search registered models and model
versions". Values never become part of a statement: they are bound to parameters by ``searches``.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple, cast, get_args

from registry.errors import SearchMalformed
from registry.stored_text import unstorable

TextOperator = Literal["=", "!=", "LIKE", "ILIKE"]
NumberOperator = Literal["=", "!=", "<", "<=", ">", ">="]
ListOperator = Literal["IN", "NOT IN"]
TEXT_OPERATORS = get_args(TextOperator)
NUMBER_OPERATORS = get_args(NumberOperator)

MOST_CHARACTERS = 10_000
"""Of a filter. SQLite refuses patterns of more than 50,000."""
MOST_COMPARISONS = 100
_LARGEST = 2**31 - 1

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>'[^']*'|"[^"]*"|`[^`]*`)
      | (?P<sign><=|>=|!=|=|<|>)
      | (?P<mark>[(),])
      | (?P<number>-?[0-9]+(?![\w.]))
      | (?P<word>[A-Za-z_][\w.-]*)
    )""",
    re.VERBOSE,
)


class Text(NamedTuple):
    """``name LIKE 'a%'``; ``key`` is of a tag where ``is_tag``."""

    key: str
    is_tag: bool
    operator: TextOperator
    value: str


class Number(NamedTuple):
    """``version_number >= 3``."""

    key: str
    operator: NumberOperator
    value: int


class OneOf(NamedTuple):
    """``run_id IN ('a', 'b')``."""

    key: str
    operator: ListOperator
    values: tuple[str, ...]


Comparison = Text | Number | OneOf


class Keys(NamedTuple):
    """What a search can compare: texts and tags, whole numbers, and texts with lists."""

    texts: Collection[str]
    numbers: Collection[str] = ()
    lists: Collection[str] = ()


class _Token(NamedTuple):
    kind: str
    text: str


_END = _Token("end", "the end")


def parse_filter(text: str, keys: Keys) -> list[Comparison]:
    """The comparisons of a filter, all of which must be true; none of an empty one.

    Raises SearchMalformed.
    """
    if len(text) > MOST_CHARACTERS:
        raise _malformed(f"it is longer than {MOST_CHARACTERS} characters")
    if (why := unstorable(text)) is not None:
        raise _malformed(why.lower().rstrip("."))
    if not text.strip():
        return []
    tokens = iter([*_tokens(text), _END])
    found: list[Comparison] = []
    while True:
        found.append(_comparison(tokens, keys))
        if len(found) > MOST_COMPARISONS:
            raise _malformed(f"it has more than {MOST_COMPARISONS} comparisons")
        after = next(tokens)
        if after is _END:
            return found
        if not _is_word(after, "AND"):
            raise _malformed(f"expected AND or the end, found {after.text}")


def parse_order(order: Sequence[str], keys: Collection[str]) -> list[tuple[str, bool]]:
    """Keys, and whether they descend, of ``["name ASC", "creation_timestamp DESC"]``.

    Raises SearchMalformed.
    """
    found: dict[str, bool] = {}
    for text in order:
        key, _, direction = text.strip().partition(" ")
        key = key.strip('`"')
        key = "last_updated_timestamp" if key == "timestamp" else key
        direction = direction.strip().upper()
        if key not in keys or direction not in {"", "ASC", "DESC"}:
            raise SearchMalformed(
                "order_by",
                f"found {text[:100]!r}; expected one of {', '.join(keys)}, then ASC, DESC or "
                "nothing.",
            )
        if key in found:
            raise SearchMalformed("order_by", f"{key} occurs twice.")
        found[key] = direction == "DESC"
    return list(found.items())


def _tokens(text: str) -> Iterator[_Token]:
    text, at = text.rstrip(), 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _malformed(f"it cannot be read from {text[at : at + 50]!r} on")
        yield _Token(str(match.lastgroup), match[match.lastgroup or 0])
        at = match.end()


def _comparison(tokens: Iterator[_Token], keys: Keys) -> Comparison:
    key, is_tag = _key(tokens)
    sign = next(tokens)
    operator = sign.text.upper()
    if _is_word(sign, "NOT"):
        sign = next(tokens)
        operator = f"NOT {sign.text.upper()}"
    if is_tag or key in keys.texts:
        if operator in TEXT_OPERATORS:
            return Text(key, is_tag, cast("TextOperator", operator), _text(next(tokens)))
        if not is_tag and key in keys.lists and operator in get_args(ListOperator):
            return OneOf(key, cast("ListOperator", operator), _list(tokens))
    elif key in keys.numbers:
        if operator in NUMBER_OPERATORS:
            return Number(key, cast("NumberOperator", operator), _number(next(tokens)))
    else:
        known = ", ".join([*keys.texts, *keys.numbers, "tags.KEY"])
        raise _malformed(f"{key[:100]!r} is unknown; expected one of {known}")
    raise _malformed(f"{key[:100]} cannot be compared with {operator[:20]!r}")


def _key(tokens: Iterator[_Token]) -> tuple[str, bool]:
    """What is compared, and whether it is the key of a tag."""
    token = next(tokens)
    if token.kind == "word" and token.text.endswith("."):
        inner = next(tokens)
        if inner.kind != "quoted" or inner.text[0] == "'":
            raise _malformed(f"expected the key of a tag, found {inner.text}")
        written = token.text + inner.text[1:-1]
    elif token.kind == "quoted" and token.text[0] != "'":
        written = token.text[1:-1]
    elif token.kind == "word":
        written = token.text
    else:
        raise _malformed(f"expected a name, found {token.text}")
    entity, dot, key = written.partition(".")
    if dot and entity in {"tags", "tag"} and key:
        return key, True
    return written, False


def _text(token: _Token) -> str:
    if token.kind != "quoted" or token.text[0] == "`":
        raise _malformed(f"expected a text in quotes, found {token.text}")
    return token.text[1:-1]


def _number(token: _Token) -> int:
    """No version has a number beyond 2**31 - 1."""
    if token.kind != "number":
        raise _malformed(f"expected a whole number, found {token.text}")
    if len(token.text) > len(str(_LARGEST)):
        return -_LARGEST if token.text.startswith("-") else _LARGEST
    return max(-_LARGEST, min(int(token.text), _LARGEST))


def _list(tokens: Iterator[_Token]) -> tuple[str, ...]:
    values: list[str] = []
    expected = "("
    while True:
        token = next(tokens)
        if token.text not in expected or token.kind != "mark":
            raise _malformed(f"expected a list such as ('a', 'b'), found {token.text}")
        if token.text == ")":
            return tuple(values)
        values.append(_text(next(tokens)))
        expected = ",)"


def _is_word(token: _Token, word: str) -> bool:
    return token.kind == "word" and token.text.upper() == word


def _malformed(why: str) -> SearchMalformed:
    return SearchMalformed("filter", f"{why[:300]}.")
