"""Clients that do not read what they asked for, as the library below the HTTP server sees them."""

from concurrent.futures import Executor

from tests.integration.cli.watched_pair import (
    LEAST_BYTES_PER_SECOND,
    PATIENCE_SECONDS,
    seconds_until_closed,
    stays_open_far_away,
)


def test_a_connection_with_an_unread_response_is_closed(preloaded: Executor) -> None:
    closed = preloaded.submit(seconds_until_closed, 200, taken=0).result()

    assert closed is not None
    assert PATIENCE_SECONDS <= closed <= 6 * PATIENCE_SECONDS


def test_reading_slowly_does_not_keep_a_connection_open(
    preloaded: Executor,
) -> None:
    taken = LEAST_BYTES_PER_SECOND // 2

    assert preloaded.submit(seconds_until_closed, 200, taken=taken).result() is not None


def test_a_slow_reader_above_the_minimum_speed_keeps_the_connection(preloaded: Executor) -> None:
    taken = LEAST_BYTES_PER_SECOND * 2

    assert preloaded.submit(seconds_until_closed, 200, taken=taken).result() is None


def test_a_distant_client_that_reads_every_response_keeps_the_connection(
    preloaded: Executor,
) -> None:
    assert preloaded.submit(stays_open_far_away, 3 * PATIENCE_SECONDS).result()


def test_a_client_that_reads_in_bursts_may_pause(preloaded: Executor) -> None:
    taken, every = 60 * LEAST_BYTES_PER_SECOND * 2, 60

    open_ = preloaded.submit(seconds_until_closed, 300, taken=taken, every=every)

    assert open_.result() is None


def test_an_idle_connection_does_not_count_as_unread(preloaded: Executor) -> None:
    open_ = preloaded.submit(seconds_until_closed, 200, taken=0, answered=False)

    assert open_.result() is None
