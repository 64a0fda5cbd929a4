"""When a message is sent again, and when a webhook is switched off."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The delay after each failed attempt, as Standard Webhooks recommends."""
JITTER = 0.2
"""The share by which a delay varies in both directions, so that messages that failed together are
not sent together again."""
SWITCHED_OFF_AFTER = timedelta(days=5)
"""How long a webhook fails before it is switched off."""
PAUSE = timedelta(days=2)
"""After so long without an attempt, a failure does not continue the ones before: longer than the
longest delay between two attempts to send a message."""
LONGEST_WAIT = timedelta(hours=24)
"""The longest wait that a receiver can ask for."""


def retry_delay(
    attempts: int, random: Callable[[], float], requested: timedelta | None = None
) -> timedelta | None:
    """How long to wait after ``attempts`` attempts have failed; None: the message is given up.

    ``random`` returns a number from 0 to 1. ``requested``: the least delay, by the receiver.
    """
    if attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 + JITTER * (2 * random() - 1))
    return delay if requested is None else max(delay, min(requested, LONGEST_WAIT))


def requested_delay(retry_after: str | None, now: datetime) -> timedelta | None:
    """The delay in a ``Retry-After`` header: seconds or a date (RFC 9110, 10.2.3).

    None where there is none, or where it is neither.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # of a number with very many digits
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_WAIT)
