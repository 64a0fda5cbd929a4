"""When a message is sent again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.deliveries.retries import DELAYS, LONGEST_WAIT, PAUSE, requested_delay, retry_delay

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _even():
    return 0.5


def test_a_message_is_sent_again_for_three_days_and_then_given_up():
    delays = [retry_delay(attempts, _even) for attempts in range(1, 11)]

    assert delays[:4] == [
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
    ]
    assert delays[-1] is None
    assert sum(delays[:-1], timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


def test_the_delays_between_two_attempts_are_no_pause():
    delays = [retry_delay(attempts, lambda: 1.0, LONGEST_WAIT) for attempts in range(1, 10)]

    assert max(delays) < PAUSE


@given(attempts=st.integers(1, len(DELAYS)), random=st.floats(0, 1))
def test_a_delay_varies_by_a_fifth(attempts, random):
    delay = retry_delay(attempts, lambda: random)

    usual = DELAYS[attempts - 1]
    assert 0.8 * usual <= delay <= 1.2 * usual


def test_a_receiver_can_ask_for_a_longer_delay_but_not_for_a_shorter_one():
    assert retry_delay(1, _even, timedelta(minutes=2)) == timedelta(minutes=2)
    assert retry_delay(1, _even, timedelta(seconds=1)) == timedelta(seconds=5)
    assert retry_delay(1, _even, timedelta(days=400)) == LONGEST_WAIT
    assert retry_delay(10, _even, timedelta(minutes=2)) is None


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        (None, None),
        ("120", timedelta(minutes=2)),
        (" 0 ", timedelta(0)),
        ("9" * 5000, LONGEST_WAIT),
        ("Mon, 23 Nov 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Mon, 23 Nov 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Mon, 99 Nov 2026 12:05:00 GMT", None),
        ("Mon, 23 Nov 2026 12:05:00 +9999999999", None),
        ("Mon, 20 Nov 1995 99999999999999999999:12:08 GMT", None),
        ("Mon, 20 Nov 99999999999999999999 12:08:00 GMT", None),
        ("١٢", None),
    ],
)
def test_the_delay_that_a_receiver_asks_for_is_read(header, delay):
    assert requested_delay(header, NOW) == delay


@given(st.text(max_size=40))
def test_any_header_is_read_or_ignored(header):
    delay = requested_delay(header, NOW)

    assert delay is None or timedelta(0) <= delay <= LONGEST_WAIT
