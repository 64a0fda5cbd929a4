"""What a token looks like and what it allows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import ModelForbidden, ScopeMissing
from registry.storage.tables import TokenRow
from registry.tokens import (
    PREFIX,
    SCOPES,
    Grant,
    grant_of,
    is_live,
    looks_whole,
    new_token,
    token_digest,
    unknown_scopes,
)

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def grant(*scopes, models=None):
    return Grant(1, "ci", frozenset(scopes), models)


def test_new_tokens_are_unique_with_the_prefix_and_256_bits():
    made = {new_token() for _ in range(100)}

    assert len(made) == 100
    assert all(token.startswith(PREFIX) and len(token) == len(PREFIX) + 43 + 8 for token in made)


def test_truncated_and_mistyped_tokens_are_recognised_as_such():
    token = new_token()
    mistyped = token[:10] + ("a" if token[10] != "a" else "b") + token[11:]

    assert looks_whole(token)
    assert not looks_whole(mistyped)
    assert not looks_whole(token[:-1])
    assert not looks_whole(token.removeprefix(PREFIX))


@given(st.text())
def test_the_check_accepts_any_text_without_an_error(text):
    assert not looks_whole(PREFIX + text) or text[-8:].isascii()


def test_the_token_itself_is_not_stored():
    token = new_token()

    assert token_digest(token) != token
    assert token_digest(token) == token_digest(token)
    assert token_digest("hsw_\udcff") != token_digest("hsw_")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_without_scopes_allows_nothing(scope):
    with pytest.raises(ScopeMissing, match=scope):
        grant().require(scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_admin_holds_every_scope(scope):
    grant("admin").require(scope)


def test_any_token_suffices_if_no_scope_is_required():
    grant().require(None)


@pytest.mark.parametrize(
    ("pattern", "model", "covered"),
    [
        ("housing", "housing", True),
        ("housing", "Housing", True),
        ("HOUSING", "housing", True),
        ("housing", "housing2", False),
        ("iris-*", "iris-a.b", True),
        ("iris-*", "iris", False),
        ("iris-?", "iris-1", True),
        ("iris-?", "iris-12", False),
        ("a.c", "abc", False),
        ("a_c", "abc", False),
        ("*", "anything", True),
    ],
)
def test_patterns_match_names_as_globs_in_any_case(pattern, model, covered):
    limited = grant("predict", models=("other", pattern))

    assert limited.covers(model) == covered
    if not covered:
        with pytest.raises(ModelForbidden):
            limited.require("predict", model)


def test_the_scope_is_checked_before_the_model():
    with pytest.raises(ScopeMissing):
        grant(models=("a",)).require("upload", "b")


def test_a_token_is_valid_until_it_expires_or_is_revoked():
    soon, past = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)

    assert is_live(TokenRow(), NOW)
    assert is_live(TokenRow(expires_at=soon), NOW)
    assert not is_live(TokenRow(expires_at=NOW), NOW)
    assert not is_live(TokenRow(expires_at=past), NOW)
    assert not is_live(TokenRow(revoked_at=past, expires_at=soon), NOW)


def test_a_grant_is_read_from_the_row():
    row = TokenRow(id=7, name="ci", scopes=["predict"], models=["a*"])

    assert grant_of(row) == Grant(7, "ci", frozenset({"predict"}), ("a*",))
    assert grant_of(TokenRow(id=7, name="ci", scopes=[], models=None)).models is None


def test_unknown_scopes_are_named():
    assert unknown_scopes(["predict", "root", "all"]) == ["all", "root"]
