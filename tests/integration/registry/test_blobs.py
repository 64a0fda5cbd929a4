"""Bytes on the disk: found by their hash, durable in order, never served damaged."""

import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from registry.blobs.local import LocalBlobStore
from registry.errors import BlobDamaged, BlobMissing, StorageFull, StorageUnavailable, TooLarge
from tests.integration.registry.file_calls import file_calls
from tests.small_disk import small_disk

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


def keep(store, content=b"a model"):
    with store.stage(10**7) as blob:
        blob.write(content)
        return blob.keep()


def files(store):
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def test_bytes_are_found_by_the_hash_of_their_content(store):
    digest = keep(store)

    assert digest == hashlib.sha256(b"a model").hexdigest()
    assert files(store) == [store.root / digest[:2] / digest]
    with store.open(digest) as file:
        assert file.read() == b"a model"


def test_bytes_are_hashed_while_they_are_written(store):
    with store.stage(10**7) as blob:
        for chunk in (b"a ", b"mod", b"el"):
            assert blob.write(chunk) == len(chunk)
        blob.seek(0)
        assert (blob.read(), blob.tell(), blob.size) == (b"a model", 7, 7)
        assert blob.path.read_bytes() == b"a model"
        assert blob.digest == hashlib.sha256(b"a model").hexdigest()


def test_bytes_that_are_not_kept_are_removed(store):
    with store.stage(100) as blob:
        blob.write(b"a model")

    assert files(store) == []


def test_equal_bytes_are_stored_once(store):
    assert keep(store) == keep(store)
    assert len(files(store)) == 1


def test_a_byte_above_the_limit_is_refused_before_it_is_written(store):
    with store.stage(7) as blob:
        blob.write(b"a model")
        with pytest.raises(TooLarge, match="HOTSWAP_MAX_UPLOAD_MB"):
            blob.write(b"s")
        assert blob.size == 7


def test_unknown_bytes_are_missing(store):
    with pytest.raises(BlobMissing):
        store.open("0" * 64)


@pytest.mark.parametrize("damage", [b"a modeL", b"", b"a model and more"])
def test_damaged_bytes_are_moved_aside_and_never_served(store, damage):
    digest = keep(store)
    store.path_of(digest).write_bytes(damage)

    with pytest.raises(BlobDamaged, match="put aside"):
        store.open(digest)

    assert [path.parent.name for path in files(store)] == ["damaged"]
    assert files(store)[0].read_bytes() == damage
    with pytest.raises(BlobMissing):
        store.open(digest)


def test_uploading_again_repairs_damaged_bytes(store):
    digest = keep(store)
    store.path_of(digest).write_bytes(b"rotten")

    assert keep(store) == digest
    with store.open(digest) as file:
        assert file.read() == b"a model"


def test_concurrent_readers_of_damaged_bytes_all_get_the_error(store):
    content = os.urandom(2**22)
    for _ in range(5):
        digest = keep(store, content)
        store.path_of(digest).write_bytes(content[:-1])

        def attempt(_, digest=digest):
            try:
                store.open(digest).close()
            except (BlobDamaged, BlobMissing) as error:
                return type(error)

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(attempt, range(8))) <= {BlobDamaged, BlobMissing}


def test_the_sweep_removes_only_files_without_a_living_writer(store):
    (store.root / "incoming").mkdir(parents=True)
    (store.root / "incoming" / "left by a crash").write_bytes(b"half a mod")
    with store.stage(100) as blob:
        blob.write(b"a model")

        assert store.sweep().count == 1
        digest = blob.keep()

    assert files(store) == [store.path_of(digest)]
    assert store.sweep().count == 0


SWEEPING = """
import os, sys
from pathlib import Path
from registry.blobs.incoming import sweep

def note(event, arguments):
    if event == "open" and "left by a crash" in str(arguments[0]):
        print(arguments[2] & os.O_ACCMODE)

sys.addaudithook(note)
sweep(Path(sys.argv[1]))
"""


def test_the_sweep_opens_files_so_that_nfs_locks_them(tmp_path):
    """It gives an exclusive lock only on a file that is open for writing."""
    (tmp_path / "left by a crash").touch()

    done = subprocess.run(
        [sys.executable, "-c", SWEEPING, str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )

    assert int(done.stdout) == os.O_RDWR
    assert list(tmp_path.iterdir()) == []


def test_the_upload_of_a_killed_process_is_removed_by_the_sweep(store):
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from registry.blobs.local import LocalBlobStore;"
        "blob = LocalBlobStore(Path(sys.argv[1])).stage(100); blob.write(b'a'); blob.path;"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(store.root)], cwd=ROOT, check=False)

    assert len(files(store)) == 1
    assert store.sweep().count == 1
    assert files(store) == []


def test_a_concurrent_sweep_removes_no_active_upload(store):
    done = threading.Event()

    def sweep():
        while not done.is_set():
            store.sweep()

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    try:
        for number in range(150):
            digest = keep(store, b"%d" % number)
            assert store.path_of(digest).exists()
    finally:
        done.set()
        for sweeper in sweepers:
            sweeper.join()


def test_an_unwritable_store_is_an_error(tmp_path):
    (tmp_path / "blobs").write_text("a file where a folder should be")

    with pytest.raises(StorageUnavailable):
        LocalBlobStore(tmp_path / "blobs").stage(100)


@pytest.fixture
def tiny(tmp_path):
    """A blob store on a file system of 64 KiB."""
    with small_disk(tmp_path / "tiny", 64) as folder:
        yield LocalBlobStore(folder / "blobs")


def fill(path):
    """Write to ``path`` until its disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"z" * 512)


def _write(blob):
    blob.write(b"x" * 200_000)


def _write_little_and_seek(blob):
    blob.write(b"x" * 1_000)
    blob.seek(0)


def _write_little_and_hand_over(blob):
    blob.write(b"x" * 1_000)
    assert blob.path


def _write_little_and_keep(blob):
    blob.write(b"x" * 1_000)
    blob.keep()


@pytest.mark.parametrize(
    "act", [_write, _write_little_and_seek, _write_little_and_hand_over, _write_little_and_keep]
)
def test_a_full_disk_is_reported_at_every_step_and_leaves_nothing(tiny, act):
    keep(tiny, b"y" * 40_000)
    filler = tiny.root.parent / "filler"
    with tiny.stage(10**6) as blob:
        fill(filler)
        with pytest.raises(StorageFull):
            act(blob)

    assert len(files(tiny)) == 1
    filler.unlink()
    assert keep(tiny) in {path.name for path in files(tiny)}


def test_bytes_are_durable_before_they_get_their_name(tmp_path):
    code = (
        "import sys; from pathlib import Path; from registry.blobs.local import LocalBlobStore\n"
        "with LocalBlobStore(Path(sys.argv[1])).stage(100) as blob:\n"
        "    blob.write(b'a model'); blob.keep()"
    )
    ours = file_calls(code, tmp_path, "blobs")
    shard = hashlib.sha256(b"a model").hexdigest()[:2]
    shapes = [(call, [part if len(part) < 20 else "…" for part in path]) for call, path in ours]
    assert shapes == [
        ("mkdir", ["blobs"]),
        ("fsync", []),
        ("mkdir", ["blobs", "incoming"]),
        ("fsync", ["blobs"]),
        ("write", ["blobs", "incoming", "…"]),
        ("fsync", ["blobs", "incoming", "…"]),
        ("mkdir", ["blobs", shard]),
        ("fsync", ["blobs"]),
        ("rename", ["blobs", "incoming", "…"]),
        ("fsync", ["blobs", shard]),
    ]
