"""The trail of an alias, read downwards, is the one that its events make in their order."""

from itertools import count, islice, product

import pytest

from registry.reading.trail import downwards

VERSIONS = (1, 2, 3)
EVENTS = [
    *(("promoted", number) for number in VERSIONS),
    *(("rolled_back", number) for number in VERSIONS),
    ("alias_deleted", None),
]


def upwards(events):
    """The trail by the rules, event by event; the present version last."""
    trail = []
    for type_, version in events:
        if type_ == "alias_deleted":
            trail.clear()
        elif type_ == "rolled_back" and version in trail[:-1]:
            trail.pop()
            while trail[-1] != version:
                trail.pop()
        else:
            trail.append(version)
    return trail


@pytest.mark.parametrize("length", range(6))
def test_every_short_history_has_the_same_trail_in_both_directions(length):
    for events in product(EVENTS, repeat=length):
        assert list(downwards(reversed(events))) == upwards(events)[::-1], events


def test_no_more_events_are_read_than_the_versions_taken_require():
    numbers = count()
    endless = (("rolled_back", 7) if number == 3 else ("promoted", number) for number in numbers)

    assert list(islice(downwards(endless), 4)) == [0, 1, 2, 7]
    assert next(numbers) == 8
