"""Tokens in the database, and the admin token of the first start."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from registry.errors import (
    LastAdminToken,
    TokenNotFound,
    TokenRefused,
    TokenShown,
    Unauthenticated,
)
from registry.live.snapshot import read_snapshot
from registry.operations.create_token import create_token
from registry.operations.ensure_admin import admin_token_in, ensure_admin, first_token_in_use
from registry.operations.revoke_token import revoke_token
from registry.reading.pages import Paging
from registry.reading.queries import list_models, list_tokens
from registry.storage.idempotency import Idempotency
from registry.storage.tables import HistoryHeadRow, TokenRow, utc_now
from registry.tokens import Grant, new_token, token_digest
from tests.factories import add_token, add_versions
from tests.integration.registry.processes import make_admin, together


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "admin.token"


def who(database, token):
    """The grant that a worker gives the bearer of ``token`` after it has read the database."""
    with database.read() as session:
        return read_snapshot(session).known_token(token_digest(token)).valid_grant()


def test_a_created_token_is_recognised_and_its_value_is_not_stored(database):
    made = create_token(database, "ci", ["upload", "predict"], actor="ann", models=["house*"])

    grant = who(database, made["token"])
    assert (grant.name, grant.scopes, grant.models) == (
        "ci",
        frozenset({"upload", "predict"}),
        ("house*",),
    )
    with database.read() as session:
        listed = list_tokens(session, Paging())["items"]
        rows = session.scalars(select(TokenRow)).all()
        assert made["token"] not in str([vars(row) for row in rows])
    assert listed == [{k: v for k, v in made.items() if k != "token"}]


def test_of_two_simultaneous_requests_with_one_key_one_creates_the_token(database):
    key = Idempotency(add_token(database), "key", "f" * 64)
    with ThreadPoolExecutor(2) as threads:
        with database.write() as session:
            session.execute(select(HistoryHeadRow).with_for_update())
            requests = [
                threads.submit(
                    create_token, database, "ci", ["predict"], actor="ann", idempotency=key
                )
                for _ in range(2)
            ]
            time.sleep(0.3)
        faults = {type(request.exception(10)) for request in requests}

    assert faults == {type(None), TokenShown}


@pytest.mark.parametrize(
    "token", ["", "hsw_", "hsw_wrong", "hsw_" + "a" * 51, "hsw_\udcff", "é" * 99]
)
def test_an_unknown_token_is_unauthenticated(database, token):
    add_token(database)

    with pytest.raises(Unauthenticated):
        who(database, token)


def test_revoked_and_expired_tokens_are_unauthenticated(database):
    made = create_token(database, "ci", ["predict"], actor="ann")
    add_token(database, "hsw_old", expires_at=utc_now() - timedelta(seconds=1))
    revoke_token(database, made["id"], actor="ann")
    revoke_token(database, made["id"], actor="ann")

    for token in (made["token"], "hsw_old"):
        with pytest.raises(Unauthenticated):
            who(database, token)
    with pytest.raises(TokenNotFound):
        revoke_token(database, 99, actor="ann")


def admin_for(days, **more):
    """What makes an admin token that is valid for so many days, or for good."""
    expires_at = None if days is None else utc_now() + timedelta(days=days)
    return {"scopes": ["admin"], "expires_at": expires_at, **more}


@pytest.mark.parametrize(
    "other",
    [
        {"scopes": ["promote", "upload", "predict"]},
        admin_for(None, models=["house*"]),
        admin_for(-0.1),
        admin_for(0.9),
        admin_for(None, revoked_at=utc_now()),
    ],
    ids=["not admin", "of some models", "expired", "about to expire", "revoked"],
)
def test_the_last_valid_admin_token_cannot_be_revoked(database, other):
    (last, _) = rows = [
        add_token(database, "hsw_last", scopes=["admin"]),
        add_token(database, "hsw_other", **other),
    ]

    with pytest.raises(LastAdminToken):
        revoke_token(database, last, actor="ann")
    assert who(database, "hsw_last")
    revoke_token(database, rows[1], actor="ann")


@pytest.mark.parametrize(
    ("revoked", "left"), [(None, None), (None, 2), (0.5, 0.5), (2, 1.5), (-1, None)]
)
def test_an_admin_token_can_be_revoked_if_another_stays_valid(database, revoked, left):
    first = add_token(database, "hsw_first", **admin_for(revoked))
    add_token(database, "hsw_second", **admin_for(left))

    revoke_token(database, first, actor="ann")

    with pytest.raises(Unauthenticated):
        who(database, "hsw_first")


def test_of_two_admin_tokens_revoked_at_the_same_time_one_stays(database):
    tokens = [add_token(database, f"hsw_{n}", scopes=["admin"]) for n in range(2)]
    begin = threading.Barrier(2)

    def revoke(token):
        begin.wait()
        try:
            revoke_token(database, token, actor="ann")
        except LastAdminToken:
            return "refused"
        return "revoked"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(revoke, tokens)) == ["refused", "revoked"]


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"scopes": ["predict"], "models": []}, "models"),
        ({"scopes": ["predict"], "models": ["a", "[a-z]"]}, "models[1]"),
        ({"scopes": ["predict"], "models": ["a/b"]}, "models[0]"),
        ({"scopes": ["predict"], "expires_at": utc_now() - timedelta(1)}, "expires_at"),
    ],
)
def test_a_token_that_allows_nothing_or_nonsense_is_refused(either_database, asked, at):
    with pytest.raises(TokenRefused) as refused:
        create_token(either_database, "ci", actor="ann", **asked)

    assert [fault.at for fault in refused.value.faults] == [at]


def test_a_list_holds_the_models_that_the_token_covers(database):
    names = ["house", "House-2", "a_b", "aXb", "garden"]
    for name in names:
        add_versions(database, name, [])

    for patterns in (("house*",), ("a_b",), ("a?b",), ("*d*", "HOUSE"), ("none",), None):
        grant = Grant(1, "ci", frozenset({"predict"}), patterns)
        with database.read() as session:
            page = list_models(session, grant, Paging())
        assert {view["name"] for view in page["items"]} == set(filter(grant.covers, names))
        assert page["total"] == len(page["items"])


def test_the_first_start_creates_one_admin_token(database, file):
    token = ensure_admin(database, file)

    assert who(database, token).has_scope("admin")
    assert file.read_text() == f"{token}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["admin.token"]
    assert ensure_admin(database, file) is None


def test_a_crash_between_the_file_and_the_row_loses_nothing(database, file):
    left = new_token()
    file.parent.mkdir()
    file.write_text(f"{left}\n")

    assert ensure_admin(database, file) == left
    assert who(database, left).has_scope("admin")


@pytest.mark.parametrize("left", [b"", b"hsw_half", b"\xff\xfe\x00", "hsw_ééééééééé".encode()])
def test_a_file_with_an_incomplete_token_is_rewritten(database, file, left):
    file.parent.mkdir()
    file.write_bytes(left)

    token = ensure_admin(database, file)

    assert who(database, token).has_scope("admin")
    assert file.read_text() == f"{token}\n"


def test_a_configured_value_becomes_the_admin_token(database, file):
    assert ensure_admin(database, file, "chosen by the operator") == "chosen by the operator"
    assert ensure_admin(database, file, "chosen by the operator") is None
    assert who(database, "chosen by the operator").has_scope("admin")
    assert not file.exists()


@pytest.mark.parametrize("held", ["now", "before"])
def test_a_file_with_a_configured_value_is_removed(database, file, held):
    """As releases before left it."""
    ensure_admin(database, file, "before")
    file.parent.mkdir()
    file.write_text(f"{held}\n")

    ensure_admin(database, file, "now")

    assert not file.exists()


def test_a_file_with_another_token_is_kept_beside_a_configured_value(database, file):
    first = ensure_admin(database, file)

    ensure_admin(database, file, "chosen by the operator")

    assert file.read_text() == f"{first}\n"
    assert who(database, first).has_scope("admin")


def test_a_new_configured_value_revokes_the_old_one(database, file):
    ensure_admin(database, file, "old")

    assert ensure_admin(database, file, "new") == "new"

    assert who(database, "new").has_scope("admin")
    with pytest.raises(Unauthenticated):
        who(database, "old")
    with pytest.raises(TokenRefused, match="HOTSWAP_ADMIN_TOKEN"):
        ensure_admin(database, file, "old")
    assert who(database, "new").has_scope("admin")


def test_the_revocation_of_an_old_configured_value_holds_on_other_hosts_when_the_service_starts(
    database, file
):
    waited = []
    database.confirmed = lambda: waited.append("confirmed")
    ensure_admin(database, file, "old")
    ensure_admin(database, file, "old")
    assert waited == []

    ensure_admin(database, file, "new")
    assert waited == ["confirmed"]


def test_the_value_of_an_ordinary_token_is_refused_as_configured_value(database, file):
    add_token(database, "hsw_x", scopes=["predict"])

    with pytest.raises(TokenRefused, match="lacks"):
        ensure_admin(database, file, "hsw_x")


@pytest.mark.slow
@pytest.mark.parametrize("configured", ["", "chosen"])
def test_concurrently_starting_workers_create_one_token(database, database_url, file, configured):
    made = together(make_admin, [(database_url, file, configured)] * 4)

    (token,) = [value for value in made if value is not None]
    assert file.exists() is not bool(configured)
    assert who(database, token).has_scope("admin")
    with database.read() as session:
        assert len(session.scalars(select(TokenRow)).all()) == 1


def test_the_printed_token_of_the_first_start_is_known_until_it_is_revoked(database, file):
    assert first_token_in_use(database) is None
    token = ensure_admin(database, file)
    first = first_token_in_use(database)
    assert who(database, token).token_id == first

    create_token(database, "admin", ["admin"], actor="somebody")
    revoke_token(database, first, actor="somebody")

    assert first_token_in_use(database) is None


def test_a_configured_token_does_not_count_as_printed(database, file):
    ensure_admin(database, file, "chosen by the operator")

    assert first_token_in_use(database) is None


def test_a_file_without_a_valid_admin_token_is_not_mentioned(database, file):
    made = ensure_admin(database, file)
    assert made is not None
    assert admin_token_in(database, file) == token_digest(made)

    ensure_admin(database, file, made)  # the same value from the environment: the file is removed

    assert not file.exists()
    assert first_token_in_use(database) is not None
    assert admin_token_in(database, file) is None
    file.write_text("hsw_another")
    assert admin_token_in(database, file) is None
