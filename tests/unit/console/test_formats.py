"""Figures, times and names as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import formats
from console.formats import DASH, MINUS

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (39308.4, "39,308"),
        (61.5312, "61.53"),
        (0.79412, "0.794"),
        (0.0, "0"),
        (-0.04041, f"{MINUS}0.0404"),
        (1545123456.7, "1,545 M"),
        (0.000012345, f"1.23e{MINUS}5"),
        (-2.5e18, f"{MINUS}2.50e18"),
        (4, "4"),
        (1204, "1,204"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_as_many_digits_as_one_reads(value: float, text: str) -> None:
    assert formats.number(value) == text


@given(st.floats(allow_nan=False) | st.integers(-(2**70), 2**70))
def test_every_number_has_a_short_text(value: float) -> None:
    assert 0 < len(formats.number(value)) <= 24


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.248, "+24.8 %"),
        (-0.008, f"{MINUS}0.8 %"),
        (0.0, "0.0 %"),
        (-0.0001, "0.0 %"),
        (12.0, "+1,200 %"),
    ],
)
def test_differences_have_a_sign_unless_they_are_none(share: float, text: str) -> None:
    assert formats.signed_percent(share) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (5530, "5.4 KiB"), (712704, "696 KiB"), (2**50, "1024 TiB")],
)
def test_sizes_are_in_binary_units(count: int, text: str) -> None:
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(seconds=-5), "under a minute"),
        (timedelta(seconds=59), "under a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "1 hour"),
        (timedelta(days=3, hours=23), "3 days"),
        (timedelta(days=1234), "1,234 days"),
    ],
)
def test_durations_are_in_their_largest_unit(time: timedelta, text: str) -> None:
    assert formats.duration(time) == text


def test_moments_name_the_year_only_if_it_is_another() -> None:
    assert formats.moment(NOW - timedelta(hours=19), NOW) == "22 Nov, 07:00"
    assert formats.moment(NOW - timedelta(days=400), NOW) == "19 Oct 2025, 02:00"
    zone = formats.parse_time("2026-11-22T08:51:03.123+01:00")
    assert formats.full_moment(zone) == "2026-11-22 07:51:03 UTC"


def test_our_own_metrics_have_the_names_of_the_field() -> None:
    assert formats.metric_name("r2") == "R²"
    assert formats.metric_name("their_own") == "their_own"
    assert formats.plural(1, "query", "queries") == "1 query"
    assert formats.plural(1200, "version") == "1,200 versions"


@pytest.mark.parametrize(
    ("part", "text"),
    [(None, DASH), (0.0, "0 %"), (0.00512, "0.51 %"), (0.05, "5 %"), (1.0, "100 %")],
)
def test_a_share_is_in_percent(part: float | None, text: str) -> None:
    assert formats.share(part) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, DASH), (0.00042, "0.42 ms"), (0.0312, "31.2 ms"), (0.999, "999 ms"), (1.25, "1.25 s")],
)
def test_a_duration_is_in_milliseconds_below_a_second(seconds: float | None, text: str) -> None:
    assert formats.milliseconds(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(0.001, "<0.01"), (0.5, "0.5"), (1234.5, "1,230")])
def test_a_rate_has_three_digits(rate: float, text: str) -> None:
    assert formats.rate(rate) == text
