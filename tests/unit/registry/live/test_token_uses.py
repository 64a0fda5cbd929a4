"""Uses of tokens are noted together, and kept while they cannot be."""

from registry.errors import DatabaseBusy
from registry.live.token_uses import TokenUses


class FakeWatch:
    """Has seen ``presented`` since it was last asked."""

    def __init__(self):
        self.presented = set()

    def take_presented(self):
        presented, self.presented = self.presented, set()
        return presented


class Notes:
    """Keeps what is noted; ``busy``: the database takes no write."""

    def __init__(self):
        self.busy = False
        self.noted = []

    def __call__(self, token_ids):
        if self.busy:
            raise DatabaseBusy
        self.noted.append(set(token_ids))


def test_uses_that_cannot_be_noted_are_noted_by_the_next_report():
    watch, notes = FakeWatch(), Notes()
    uses = TokenUses(watch, notes)
    watch.presented, notes.busy = {1, 2}, True
    uses.report()
    assert notes.noted == []

    watch.presented, notes.busy = {3}, False
    uses.report()
    uses.report()

    assert notes.noted == [{1, 2, 3}]
