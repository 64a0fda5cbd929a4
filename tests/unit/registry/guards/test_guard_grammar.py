"""The language of guards: what is understood, and what a fault says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import GateMalformed, GuardMalformed
from registry.gates import parse
from registry.guards.grammar import EVENTS, PATTERN, Guard, parse_guard, parse_guards
from registry.guards.limit import Limit


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        (
            "faults <= champion * 2 + 0.5%",
            Guard("faults <= champion * 2 + 0.5%", "faults", Limit(2.0, 0.005)),
        ),
        (
            " slow<=champion *2\t+ 1 %",
            Guard("slow<=champion *2 + 1 %", "slow", Limit(2.0, 0.01)),
        ),
        ("faults <= champion", Guard("faults <= champion", "faults", Limit(1.0, 0.0))),
        ("faults <= champion + 1%", Guard("faults <= champion + 1%", "faults", Limit(1.0, 0.01))),
        ("slow <= 2.5%", Guard("slow <= 2.5%", "slow", Limit(0.0, 0.025))),
    ],
)
def test_a_guard_is_parsed(text, guard):
    assert parse_guard(text) == guard


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", 1, "it is empty"),
        ("errors <= 1%", 1, "there is no guard 'errors'; there are faults and slow"),
        ("rmse <= champion", 1, "there is no guard 'rmse'"),
        ("faults < 1%", 8, "expected '<='"),
        ("faults >= champion", 8, "expected '<='"),
        ("faults <=", 10, "expected 'champion', or a percentage such as 0.5%"),
        ("faults <= challenger", 11, "expected 'champion', not 'challenger'"),
        ("faults <= champion * 0", 22, "above 0"),
        ("faults <= champion * 1001", 22, "up to 1000"),
        ("faults <= champion * 2 + 0.5", 29, "expected '%'"),
        ("faults <= champion * 2 - 1%", 24, "'-' is not expected here"),
        ("faults <= 0%", 11, "more than 0%"),
        ("faults <= 100%", 11, "less than 100%"),
        ("faults <= champion @ 95%", 20, "'@' is not expected here"),
        ("faults <= 1e999%", 11, "out of range"),
    ],
)
def test_a_parse_error_names_the_position_and_the_cause(text, place, says):
    with pytest.raises(GuardMalformed) as raised:
        parse_guard(text)

    (fault,) = raised.value.faults
    assert f"at character {place}: " in fault.message
    assert says in fault.message


def test_every_invalid_guard_of_a_list_is_reported():
    with pytest.raises(GuardMalformed) as raised:
        parse_guards(["slow <= 1%", "drift < 0.2", "slow <=  1%"], at="rollout.guards")

    assert [(fault.at, fault.message) for fault in raised.value.faults] == [
        (
            "rollout.guards[1]",
            "'drift < 0.2', at character 1: there is no guard 'drift'; there are faults and slow",
        ),
        ("rollout.guards[2]", "the guard is there twice"),
    ]


def test_a_guard_is_no_gate():
    with pytest.raises(GateMalformed, match="there is no metric 'faults'"):
        parse("faults <= champion * 2 + 0.5%")


@given(st.text() | st.text(alphabet="faultslowchmpin <=*+%.0123456789"))
def test_any_text_is_a_guard_or_is_refused(text):
    try:
        guard = parse_guard(text)
    except GuardMalformed:
        return
    assert parse_guard(guard.text) == guard


@given(st.from_regex(PATTERN, fullmatch=True))
def test_the_pattern_for_json_schema_describes_guards_alone(text):
    assert parse_guard(text).events in EVENTS


@pytest.mark.parametrize(
    "text",
    [
        "faults <= champion * 2 + 0.5%",
        "slow <= champion * 2 + 1%",
        "faults <= champion",
        "slow <= 2%",
        "faults<=champion*.5+99.99 %",
        "faults <= champion * 1000",
        "slow <= champion + 0.50%",
    ],
)
def test_the_pattern_for_json_schema_includes_the_usual_guards(text):
    assert re.search(PATTERN, text)
    parse_guard(text)


@pytest.mark.parametrize(
    "text",
    ["faults < champion", "faults <= 0%", "slow <= 100%", "faults <= champion * 0", "drift <= 2%"],
)
def test_the_pattern_for_json_schema_excludes_what_the_parser_refuses(text):
    assert re.search(PATTERN, text) is None
    with pytest.raises(GuardMalformed):
        parse_guard(text)
