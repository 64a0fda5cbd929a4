"""Sessions of the console: what is stored of them, and when they end."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from registry.errors import TokenNotFound
from registry.operations.keep_session import keep_session
from registry.operations.sign_in import LONGEST, sign_in
from registry.operations.sign_out import sign_out, sign_out_everywhere
from registry.reading.sessions import FoundSession, find_session, session_digest
from registry.storage.database import Database
from registry.storage.tables import SessionRow, utc_now
from tests.factories import add_token

IDLE = timedelta(hours=12)


def found(database: Database, cookie: str, idle: timedelta = IDLE) -> FoundSession | None:
    with database.read() as session:
        return find_session(session, cookie, idle)


def stored(database: Database) -> list[SessionRow]:
    with database.read() as session:
        return list(session.scalars(select(SessionRow)))


def turn_back(database: Database, **columns: datetime) -> None:
    """Store these times for all sessions."""
    with database.write() as session:
        session.execute(update(SessionRow).values(**columns))


def test_a_session_is_found_by_its_cookie_of_which_only_the_hash_is_stored(
    database: Database,
) -> None:
    cookie = sign_in(database, add_token(database), IDLE)

    assert found(database, cookie) is not None
    assert found(database, cookie + "x") is None
    assert found(database, "") is None
    (row,) = stored(database)
    assert row.digest == session_digest(cookie)
    assert len(cookie) == 43  # 256 bits in base64
    assert cookie not in str(vars(row))


def test_each_sign_in_has_its_own_cookie_and_ends_the_session_that_it_replaces(
    database: Database,
) -> None:
    token = add_token(database)
    first = sign_in(database, token, IDLE)
    second = sign_in(database, token, IDLE)
    third = sign_in(database, token, IDLE, replaced=first)

    assert len({first, second, third}) == 3
    assert found(database, first) is None
    assert found(database, second) is not None
    assert found(database, third) is not None


def test_a_session_ends_when_it_is_idle_and_after_seven_days(database: Database) -> None:
    cookie = sign_in(database, add_token(database), IDLE)

    turn_back(database, seen_at=utc_now() - timedelta(hours=11))
    assert found(database, cookie) is not None
    assert found(database, cookie, idle=timedelta(hours=10)) is None
    turn_back(database, seen_at=utc_now() - timedelta(hours=13))
    assert found(database, cookie) is None

    turn_back(database, seen_at=utc_now(), expires_at=utc_now() - timedelta(seconds=1))
    assert found(database, cookie) is None


def test_a_session_lasts_no_longer_than_its_token(database: Database) -> None:
    tomorrow = utc_now() + timedelta(days=1)
    sign_in(database, add_token(database, expires_at=tomorrow), IDLE)
    (row,) = stored(database)
    assert row.expires_at == tomorrow
    sign_in(database, add_token(database, "hsw_lasting"), IDLE)
    assert max(row.expires_at - row.created_at for row in stored(database)) == LONGEST


def test_signing_out_ends_one_session_or_all_of_a_token(database: Database) -> None:
    token, other = add_token(database), add_token(database, "hsw_other")
    cookies = [sign_in(database, token, IDLE) for _ in range(3)]
    kept = sign_in(database, other, IDLE)

    sign_out(database, cookies[0])
    assert [found(database, cookie) is None for cookie in cookies] == [True, False, False]
    sign_out_everywhere(database, token)
    assert [found(database, cookie) for cookie in cookies] == [None] * 3
    assert found(database, kept) is not None


def test_a_use_is_noted_at_most_every_five_minutes(database: Database) -> None:
    cookie = sign_in(database, add_token(database), IDLE)
    (made,) = stored(database)
    keep_session(database, found(database, cookie))
    assert stored(database)[0].seen_at == made.seen_at

    turn_back(database, seen_at=utc_now() - timedelta(minutes=6))
    keep_session(database, found(database, cookie))
    assert stored(database)[0].seen_at >= made.seen_at


def test_signing_in_deletes_sessions_that_have_ended(database: Database) -> None:
    token = add_token(database)
    for _ in range(3):
        sign_in(database, token, IDLE)
    turn_back(database, seen_at=utc_now() - timedelta(hours=13))
    last = sign_in(database, token, IDLE)
    assert [row.digest for row in stored(database)] == [session_digest(last)]


def test_a_session_of_an_unknown_token_cannot_begin(database: Database) -> None:
    with pytest.raises(TokenNotFound):
        sign_in(database, 999, IDLE)


def test_sessions_do_not_make_workers_read_the_database(database: Database) -> None:
    """Predictions are answered from memory until a write is announced."""
    announced = []
    token = add_token(database)
    database.committed = lambda: announced.append(1)
    cookie = sign_in(database, token, IDLE)
    sign_out(database, cookie)
    assert announced == []
