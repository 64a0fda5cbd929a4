"""Addresses are built as werkzeug does, from what is compiled when the first one is needed."""

import pytest
from werkzeug.routing import Map, Rule

from api.routing import CONVERTERS, Route

RULES = ("/", "/models", "/models/<name>/<version:version>", "/page/", "/<int:number>/<path:rest>")
VALUES = (
    {},
    {"name": "a b", "version": 3},
    {"name": "ü/?", "version": "latest", "page": 2, "sort": ["a", "b"]},
    {"number": 7, "rest": "one/two"},
    {"rule": "x", "self": "y"},
)


def built(kind: type[Rule], pattern: str, values: dict[str, object], unknown: bool) -> object:
    """The address of ``values``; the class of the error if there is none."""
    rule = kind(pattern, endpoint="end", defaults={"page": 1} if pattern == "/page/" else None)
    Map([rule], converters=CONVERTERS)
    try:
        return rule.build(values, unknown), rule.build(values, unknown)
    except TypeError as error:
        return type(error)


@pytest.mark.parametrize("pattern", RULES)
@pytest.mark.parametrize("unknown", [False, True])
def test_addresses_are_those_of_werkzeug(pattern: str, unknown: bool) -> None:
    expected = [built(Rule, pattern, values, unknown) for values in VALUES]

    assert [built(Route, pattern, values, unknown) for values in VALUES] == expected
    assert any(isinstance(address, tuple) for address in expected)


class Impossible(Rule):
    """A rule of which no address can be built."""

    def _compile_builder(self, *_: object) -> None:
        raise RuntimeError("compiled")


class Deferred(Route, Impossible):
    """As ``Impossible``, but noticed when an address is built."""


def test_nothing_is_compiled_before_an_address_is_built() -> None:
    with pytest.raises(RuntimeError, match="compiled"):
        Map([Impossible("/models", endpoint="end")])

    rule = Deferred("/models", endpoint="end")
    Map([rule])
    with pytest.raises(RuntimeError, match="compiled"):
        rule.build({})
