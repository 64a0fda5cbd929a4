"""What may be a model's name, an alias and a version reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import AliasMalformed, NameMalformed, ReferenceMalformed
from registry.names import (
    RESERVED_ALIASES,
    check_alias,
    check_model_name,
    check_new_alias,
    name_key,
    parse_reference,
)


@pytest.mark.parametrize("name", ["a", "7", "Housing", "a.b_c-d", "v1..2", "x" * 128])
def test_a_valid_model_name_is_accepted(name):
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "-a",
        "_a",
        ".hidden",
        "a b",
        "a/b",
        "../a",
        "a\\b",
        "%2e%2e%2f",
        "a\n",
        "a\x00",
        "é",
        "x\u0660",  # a digit, but not an ASCII one
        "x" * 129,
        "x" * 10_000,
    ],
)
def test_an_invalid_name_is_refused_with_a_short_message(name):
    with pytest.raises(NameMalformed) as refused:
        check_model_name(name)

    assert len(refused.value.detail) < 500
    assert refused.value.detail.isprintable()


@given(st.text())
def test_only_texts_of_the_grammar_are_names(name):
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    of_the_grammar = (
        0 < len(name) <= 128 and name[0] in letters and all(c in letters + "._-" for c in name)
    )
    try:
        taken = check_model_name(name) == name
    except NameMalformed:
        taken = False

    assert taken == of_the_grammar


def test_names_that_differ_only_in_case_share_a_key():
    assert name_key("Housing") == name_key("hOUSING")


@pytest.mark.parametrize(
    "alias", ["production", "a", "blue-green_2", "Champion", "aB", "v", "v1a", "x" * 128]
)
def test_a_valid_alias_is_accepted(alias):
    assert check_new_alias(alias) == alias


@pytest.mark.parametrize("alias", ["", "1", "-a", "_a", "a.b", "a b", "a\n", "é", "x" * 129])
def test_an_invalid_alias_is_refused(alias):
    with pytest.raises(AliasMalformed, match="expected a letter"):
        check_alias(alias)


@pytest.mark.parametrize("alias", [*sorted(RESERVED_ALIASES), "Latest", "LATEST", "Predict"])
def test_reserved_words_are_not_aliases_in_any_case(alias):
    with pytest.raises(AliasMalformed, match="reserved"):
        check_new_alias(alias)
    if alias not in {"invocations", "ping"}:  # which earlier releases allowed
        with pytest.raises(AliasMalformed, match="reserved"):
            check_alias(alias)


@pytest.mark.parametrize("alias", ["watch", "Watch"])
def test_a_word_that_is_reserved_since_is_an_alias_of_an_earlier_release(alias):
    assert check_alias(alias) == alias
    assert parse_reference(alias) == alias
    with pytest.raises(AliasMalformed, match="reserved"):
        check_new_alias(alias)


@pytest.mark.parametrize("alias", ["v1", "V1", "v007"])
def test_the_number_of_a_version_is_not_a_new_alias(alias):
    assert check_alias(alias) == alias  # one of an earlier release
    with pytest.raises(AliasMalformed, match="number of a version"):
        check_new_alias(alias)


def test_words_that_stand_at_the_place_of_an_alias_in_urls_are_reserved():
    words = "latest versions aliases history rollback predict policy holdout compare traffic"
    words_of_protocols = "invocations ping"

    assert {*words.split(), *words_of_protocols.split()} == RESERVED_ALIASES


@pytest.mark.parametrize(
    ("reference", "parsed"),
    [("1", 1), ("42", 42), ("2147483647", 2**31 - 1), ("latest", "latest"), ("Blue", "Blue")],
)
def test_a_reference_is_a_number_an_alias_or_latest(reference, parsed):
    assert parse_reference(reference) == parsed


@pytest.mark.parametrize("reference", ["0", "2147483648", "99999999999", "9" * 10_000])
def test_a_number_too_large_for_any_version_matches_none(reference):
    assert parse_reference(reference) == 0


@pytest.mark.parametrize(
    "reference",
    ["", "01", "-1", "1.0", "+1", "1e3", " 1", "1\n", "a.b", "versions", "Latest", "\u0661"],
)
def test_other_references_are_refused(reference):
    with pytest.raises(ReferenceMalformed):
        parse_reference(reference)


@given(st.integers(1, 2**31 - 1))
def test_a_version_number_written_out_reads_back(number):
    assert parse_reference(str(number)) == number
