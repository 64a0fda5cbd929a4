"""A restoration into PostgreSQL that is killed at any point is nothing, whole, or refused by the
service, and can be repeated."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import inspect

from registry.backups.dumps import Programs
from registry.blobs.local import LocalBlobStore
from registry.errors import BackupRefused, DataDirectoryRefused
from registry.operations.back_up import back_up
from registry.operations.restore import check_restored, restore
from registry.operations.scrub import scrub
from registry.storage.database import Database
from registry.storage.history import verify
from tests.faults.test_killed_backups import ROOT, Strace
from tests.integration.registry.races import upload
from tests.marks import first_fast
from tests.processes import wait_for

RESTORE = """
import sys; from pathlib import Path
from registry.backups.dumps import Programs; from registry.operations.restore import restore
from registry.storage.database import Database
backup, data, programs, url = sys.argv[1:]
restore(Path(backup), Path(data), database=Database(url), programs=Programs(Path(programs)))
"""
KILLS = {
    "when it has committed": '{real} "$@"; kill -9 $PPID; sleep 5',
    "before it begins": "kill -9 $PPID; sleep 5",
    # It goes on by itself, which a signal at the end of its parent does not reach.
    "while it fills the database": '{real} "$@" & sleep 0.01; kill -9 $PPID; wait',
}


@dataclass
class Restoration:
    """Restores ``backup`` into ``data`` and an empty database."""

    backup: Path
    data: Path
    database: Database
    programs: Path

    @property
    def arguments(self):
        url = self.database.url.render_as_string(hide_password=False)
        return (self.backup, self.data, self.programs, url)

    def repeat(self):
        programs = Programs(self.programs)
        return restore(self.backup, self.data, database=self.database, programs=programs)

    def is_filled(self):
        with self.database.read() as session:
            return bool(inspect(session.connection()).get_table_names())

    def look(self):
        """What a service finds that starts now: ``whole``, ``nothing`` or ``refused``."""
        try:
            check_restored(self.data)
        except DataDirectoryRefused:
            return "refused"
        store = LocalBlobStore(self.data / "blobs")
        if not self.is_filled():
            assert not store.root.exists()
            return "nothing"
        assert scrub(self.database, store).losses == ()
        with self.database.read() as session:
            verify(session)
        return "whole"


@pytest.fixture
def restoration(postgresql, tmp_path):
    url, empty = postgresql.create(migrated=True), postgresql.create(migrated=False)
    database, target = Database(url), Database(empty)
    for content in (b"first", b"second"):
        upload(database, LocalBlobStore(tmp_path / "blobs"), content)
    blobs, backup = LocalBlobStore(tmp_path / "blobs"), tmp_path / "backup"
    back_up(database, blobs, backup, programs=Programs(postgresql.programs))
    yield Restoration(backup, tmp_path / "data", target, postgresql.programs)
    for each in (database, target):
        each.dispose()
        postgresql.drop(each.url.render_as_string(hide_password=False))


def killed(restoration, folder, what):
    """Run it with a pg_restore that kills it, as ``what`` says in the language of the shell."""
    real = restoration.programs / "pg_restore"
    folder.mkdir()
    program = folder / "pg_restore"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--single-transaction*) ;; *) exec {real} "$@" ;; esac\n'
        + what.format(real=real)
    )
    program.chmod(0o755)
    backup, data, _, url = restoration.arguments
    run = subprocess.run(
        [sys.executable, "-c", RESTORE, *map(str, (backup, data, folder, url))],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL


def repeated(restoration):
    """Repeat it until it succeeds: the server may still be busy with what was killed."""
    for _ in range(20):
        try:
            return restoration.repeat()
        except BackupRefused:
            assert restoration.look() == "refused"
    raise AssertionError("it cannot be repeated")


@pytest.mark.parametrize("moment", first_fast(KILLS))
def test_a_restoration_killed_during_pg_restore_is_refused_by_the_service_and_repeated(
    restoration, tmp_path, moment
):
    killed(restoration, tmp_path / "bin", KILLS[moment])

    assert restoration.look() == "refused"
    repeated(restoration)
    assert restoration.look() == "whole"
    wait_for(lambda: not (restoration.data / "restoring").exists())


@pytest.mark.slow
def test_a_restoration_killed_at_any_call_is_nothing_or_refused_and_repeated(
    restoration, postgresql, tmp_path, request, tell
):
    request.getfixturevalue("traced")
    long_faults = request.getfixturevalue("long_faults")
    strace = Strace(tmp_path, follows=False)
    points = strace.run(RESTORE, *restoration.arguments)
    assert restoration.look() == "whole"
    assert len(points) > 20
    found = []
    for point in points if long_faults else points[:: max(1, len(points) // 12)]:
        one = Restoration(
            restoration.backup,
            tmp_path / f"data{len(found)}",
            Database(postgresql.create(migrated=False)),
            restoration.programs,
        )
        strace.run(RESTORE, *one.arguments, kill=point)
        found.append(one.look())
        if found[-1] != "whole":
            one.repeat()
        assert one.look() == "whole", point
        one.database.dispose()
        postgresql.drop(one.database.url.render_as_string(hide_password=False))
    tell(f"restore into PostgreSQL: killed at {len(found)} of {len(points)} calls: {set(found)}")
