"""A warning that many requests cause takes few lines of the log."""

import logging

from api.repeated_warnings import RepeatedWarning


def test_repetitions_are_counted_and_logged_every_ten_seconds(caplog):
    times = (0.0, 1.0, 9.9, 10.0, 11.0, 300.0, 311.0)
    warning = RepeatedWarning(logging.getLogger("api.problems"), clock=iter(times).__next__)

    for _ in times:
        warning.log("LeaseOver: not confirmed")

    assert caplog.messages == [
        "LeaseOver: not confirmed",
        "LeaseOver: not confirmed (3 requests since the last such line)",
        "LeaseOver: not confirmed (2 requests since the last such line)",
        "LeaseOver: not confirmed",
    ]
