"""A host without a lease answers as long as it is the only one of its database."""

from types import SimpleNamespace

import pytest

from registry.errors import DatabaseUnavailable, HostNotAlone
from registry.live.alone import ENDLESS, Alone


class Note:
    """Notes that the host is alone, unless ``fault`` is set."""

    fault = None

    def __call__(self):
        if self.fault is not None:
            raise self.fault


def test_the_lease_ends_beside_others_and_only_then():
    note, lease = Note(), SimpleNamespace(valid_until=0)
    alone = Alone(note, lease)
    alone.look()
    assert lease.valid_until == ENDLESS

    note.fault = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        alone.look()
    assert lease.valid_until == ENDLESS

    note.fault = HostNotAlone("one", ["two"])
    with pytest.raises(HostNotAlone):
        alone.look()
    assert lease.valid_until == 0

    note.fault = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        alone.look()
    assert lease.valid_until == 0

    note.fault = None
    alone.look()
    assert lease.valid_until == ENDLESS
