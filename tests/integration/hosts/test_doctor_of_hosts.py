"""What the doctor says of hosts that share a database."""

from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Installation
from registry.doctor.hosts import check_hosts
from registry.hosts.store import Presence


def findings(database, tmp_path):
    installation = Installation(tmp_path, database, LocalBlobStore(tmp_path / "blobs"))
    return [(found.result, found.message, found.place) for found in check_hosts(installation)]


def test_a_lost_host_is_a_warning(database, store, tmp_path):
    store.present(Presence("one", 1, "1.0", 2), "live", 10**10)
    assert findings(database, tmp_path) == [("ok", "1 use the database", "")]

    store.present(Presence("two", 2, "1.0", 2), "live", 0)

    assert findings(database, tmp_path) == [("warning", "a host was not seen for a lease", "two")]
