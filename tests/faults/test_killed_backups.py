"""A backup or restore that is killed at any point leaves nothing that only looks complete."""

import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.blobs.local import LocalBlobStore
from registry.errors import DataDirectoryRefused
from registry.operations.back_up import back_up
from registry.operations.promote import PromotionRequest, promote
from registry.operations.restore import check_restored, restore
from registry.operations.scrub import scrub
from registry.operations.verify_backup import verify_backup
from registry.storage.database import Database
from registry.storage.schema import upgrade
from tests.factories import ungated
from tests.fakes import Preparer
from tests.integration.registry.races import upload

ROOT = Path(__file__).parents[2]
CALLS = ("mkdir", "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "link", "unlink")
CALLS += ("unlinkat", "rmdir", "ftruncate", "fchmod", "flock")
BACK_UP = """
import sys; from pathlib import Path
from registry.blobs.local import LocalBlobStore; from registry.storage.database import Database
from registry.operations.back_up import back_up
back_up(Database(sys.argv[1]), LocalBlobStore(Path(sys.argv[2])), Path(sys.argv[3]))
"""
RESTORE = """
import sys; from pathlib import Path
from registry.operations.restore import restore
restore(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@dataclass
class Strace:
    """Runs ``code`` in a process whose system calls on files below ``folder`` are counted, with
    those of its threads and children if it ``follows`` them."""

    folder: Path
    follows: bool = True

    def run(self, code, *arguments, kill=None):
        """The calls that were made, in order: the name, and how many of that name there were.

        ``kill`` is one of them: there the process dies.
        """
        log = self.folder / "calls.log"
        inject = [] if kill is None else ["-e", f"inject={kill[0]}:signal=KILL:when={kill[1]}"]
        run = subprocess.run(
            [
                *("strace", "-qq", "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}"),
                *(["-f"] if self.follows else []),
                *inject,
                *(sys.executable, "-B", "-c", code, *map(str, arguments)),
            ],
            cwd=ROOT,
            capture_output=True,
            check=False,
            text=True,
        )
        died = run.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}
        assert died == (kill is not None), f"{kill}: {run.returncode} {run.stderr}"
        counts, found = dict.fromkeys(CALLS, 0), []
        for name, rest in re.findall(r"^(?:\d+ +)?(\w+)\((.*)", log.read_text(), re.MULTILINE):
            counts[name] += 1
            if str(self.folder) in rest and "O_RDONLY" not in rest:
                found.append((name, counts[name]))
        return found


@pytest.fixture
def strace(tmp_path, traced):
    return Strace(tmp_path)


@pytest.fixture
def url(tmp_path):
    """A registry with two versions, one of them live, in ``tmp_path``."""
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    database = Database(url)
    upgrade(database)
    for content in (b"first", b"second"):
        upload(database, LocalBlobStore(tmp_path / "blobs"), content)
    promote(
        database, Preparer(), "house", "2", PromotionRequest(actor="ann"), evaluate_gates=ungated
    )
    database.dispose()
    return url


def some(points, long_faults):
    return points if long_faults else points[len(points) // 2 :][:1]


def test_a_killed_backup_is_incomplete_and_the_next_one_removes_it(
    strace, url, tmp_path, long_faults, tell
):
    blobs, parent = LocalBlobStore(tmp_path / "blobs"), tmp_path / "backups"
    parent.mkdir()
    points = strace.run(BACK_UP, url, blobs.root, parent / "whole")
    shutil.rmtree(parent / "whole")
    assert len(points) > 40
    killed = whole = 0
    for point in some(points, long_faults):
        strace.run(BACK_UP, url, blobs.root, parent / "monday", kill=point)
        killed += 1
        if (parent / "monday").exists():
            verify_backup(parent / "monday")
            shutil.rmtree(parent / "monday")
            whole += 1
        database = Database(url)
        back_up(database, blobs, parent / "monday")
        database.dispose()
        verify_backup(parent / "monday")
        assert list(parent.iterdir()) == [parent / "monday"], point
        shutil.rmtree(parent / "monday")
    tell(f"backup: killed at {killed} of {len(points)} calls, {whole} were whole, the rest none")


@pytest.mark.slow  # a killed backup is traced in the same way
def test_a_killed_restore_leaves_no_registry_or_a_complete_one(
    strace, url, tmp_path, long_faults, tell
):
    backup, data = tmp_path / "backup", tmp_path / "data"
    database = Database(url)
    back_up(database, LocalBlobStore(tmp_path / "blobs"), backup)
    database.dispose()
    points = strace.run(RESTORE, backup, data)
    shutil.rmtree(data)
    assert len(points) > 20
    killed = whole = 0
    for point in some(points, long_faults):
        strace.run(RESTORE, backup, data, kill=point)
        killed += 1
        if (data / "registry.db").exists():
            check_restored(data)
            assert not (data / "restoring").exists()
            whole += 1
        else:
            if (data / "restoring").exists():
                with pytest.raises(DataDirectoryRefused, match="Run 'hotswap restore' again"):
                    check_restored(data)
            restore(backup, data)
            assert sorted(path.name for path in data.iterdir()) == ["blobs", "registry.db"]
        restored = Database(f"sqlite:///{data / 'registry.db'}")
        assert scrub(restored, LocalBlobStore(data / "blobs")).losses == ()
        restored.dispose()
        shutil.rmtree(data)
    tell(f"restore: killed at {killed} of {len(points)} calls, {whole} were whole, the rest none")
