"""Backups of PostgreSQL: pg_dump and the blobs are of one state, verified without a server."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from registry.backups.dumps import Programs
from registry.backups.manifest import read_manifest
from registry.blobs.local import LocalBlobStore
from registry.errors import BackupDamaged, BackupRefused, DataDirectoryRefused, HistoryBroken
from registry.operations.back_up import back_up
from registry.operations.collect_garbage import collect_garbage
from registry.operations.promote import PromotionRequest, promote
from registry.operations.restore import check_restored, restore
from registry.operations.sign_in import sign_in
from registry.operations.verify_backup import verify_backup
from registry.reading.blob_uses import blob_uses
from registry.reading.queries import find_version
from registry.reading.sessions import find_session
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.schema import upgrade
from tests.factories import add_token, ungated
from tests.fakes import Preparer
from tests.integration.registry.races import orphan, upload
from tests.marks import first_fast
from tests.postgresql import running_postgresql
from tests.small_disk import small_disk
from tests.system.real_server import BIN


@pytest.fixture
def make_database(postgresql):
    """Makes databases on the server, migrated or empty."""
    made = []

    def make(*, migrated):
        made.append(Database(postgresql.create(migrated=migrated)))
        return made[-1]

    yield make
    for database in made:
        database.dispose()
        postgresql.drop(database.url.render_as_string(hide_password=False))


@pytest.fixture
def programs(postgresql):
    return Programs(postgresql.programs)


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def registry(make_database, blobs):
    """Three versions of a house, the second in production, and a blob that is nobody's."""
    database = make_database(migrated=True)
    for content in (b"first", b"second", b"third"):
        upload(database, blobs, content)
    make_live(database, "2")
    orphan(blobs)
    return database


@pytest.fixture
def empty(make_database):
    return make_database(migrated=False)


@pytest.fixture
def backup(registry, blobs, tmp_path, programs):
    back_up(registry, blobs, tmp_path / "backup", programs=programs)
    return tmp_path / "backup"


def make_live(database, version):
    request = PromotionRequest(actor="ann\ttab\\n", reason="line\nbreak 'ä'")
    promote(database, Preparer(), "house", version, request, evaluate_gates=ungated)


def look(database, data):
    """The end of the history, and the digests of the blobs, every one of them opened."""
    store = LocalBlobStore(data / "blobs")
    with database.read() as session:
        head, uses = verify(session), blob_uses(session)
    for digest in uses:
        store.open(digest).close()
    return head, set(uses)


def tables(database):
    with database.read() as session:
        return inspect(session.connection()).get_table_names()


def test_a_restored_registry_equals_the_original_and_continues(
    registry, backup, empty, tmp_path, programs
):
    restored = restore(backup, tmp_path / "new", database=empty, programs=programs)

    with registry.read() as session:
        assert look(empty, tmp_path / "new") == (verify(session), set(blob_uses(session)))
    assert restored.history == f"{verify_head(registry)}"
    check_restored(tmp_path / "new")
    store = LocalBlobStore(tmp_path / "new" / "blobs")
    with empty.read() as session:
        assert find_version(session, "house", "production").number == 2
    assert upload(empty, store, b"fourth")["version"] == 4
    make_live(empty, "4")
    assert collect_garbage(empty, store, older_than=0).blobs.count == 0
    look(empty, tmp_path / "new")


def verify_head(database):
    with database.read() as session:
        return verify(session)


def test_a_backup_is_verified_without_a_server(backup, programs):
    manifest = verify_backup(backup, programs)

    assert manifest == read_manifest(backup)
    assert manifest.is_dump
    assert manifest.blob_count == 6
    assert manifest.history.startswith("5:")
    for path in backup.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_is_committed_during_the_backup_is_in_none_of_its_parts(
    registry, blobs, tmp_path, postgresql, empty
):
    class Slow(Programs):
        def dump(self, *arguments):
            upload(registry, blobs, b"late")
            make_live(registry, "4")
            super().dump(*arguments)

    before = verify_head(registry)
    back_up(registry, blobs, tmp_path / "backup", programs=Slow(postgresql.programs))

    restore(
        tmp_path / "backup",
        tmp_path / "new",
        database=empty,
        programs=Programs(postgresql.programs),
    )
    head, digests = look(empty, tmp_path / "new")
    assert head == before
    assert hashlib.sha256(b"late").hexdigest() not in digests
    assert verify_head(registry).seq == before.seq + 2


def test_a_restored_registry_has_no_sessions_of_the_console(
    registry, blobs, tmp_path, programs, empty
):
    cookie = sign_in(registry, add_token(registry), timedelta(hours=12))
    back_up(registry, blobs, tmp_path / "backup", programs=programs)
    restore(tmp_path / "backup", tmp_path / "new", database=empty, programs=programs)

    for database, kept in ((registry, True), (empty, False)):
        with database.read() as session:
            found = find_session(session, cookie, timedelta(hours=12))
        assert (found is not None) is kept


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", first_fast([flip, cut, lambda path: path.unlink()]))
def test_a_damaged_dump_is_refused_and_nothing_is_restored(
    backup, tmp_path, empty, programs, damage
):
    damage(backup / "registry.dump")

    with pytest.raises(BackupDamaged):
        restore(backup, tmp_path / "new", database=empty, programs=programs)
    assert not (tmp_path / "new").exists()
    assert tables(empty) == []


def rewrite_dump(backup, content):
    """Replace the dump, and its hash in the manifest."""
    (backup / "registry.dump").write_bytes(content)
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["files"][0] |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (backup / "manifest.json").write_text(json.dumps(manifest))


def test_a_dump_that_pg_restore_cannot_read_is_damaged(backup, programs):
    rewrite_dump(backup, (backup / "registry.dump").read_bytes()[:-1000])

    with pytest.raises(BackupDamaged, match="pg_restore cannot read it"):
        verify_backup(backup, programs)


def test_a_dump_of_a_later_pg_dump_is_refused_by_name(backup, programs):
    content = bytearray((backup / "registry.dump").read_bytes())
    assert content.startswith(b"PGDMP\x01")
    content[6] = 99  # the format's minor version
    rewrite_dump(backup, bytes(content))

    with pytest.raises(BackupRefused, match=r"later release .*unsupported version \(1.99\)"):
        verify_backup(backup, programs)


def test_a_full_folder_of_temporary_files_is_no_damage(backup, postgresql, tmp_path):
    with small_disk(tmp_path / "temporary", 16) as full:
        checked = subprocess.run(
            [BIN / "hotswap", "restore", backup, "--check", "--pg-bin", postgresql.programs],
            env={**os.environ, "TMPDIR": str(full)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert checked.returncode == 1
    assert "is too full to read the dump" in " ".join(checked.stderr.split())


def test_two_restorations_at_the_same_time_do_not_fill_one_database(
    backup, tmp_path, empty, postgresql
):
    programs = Programs(postgresql.programs)

    class Slow(Programs):
        def restore(self, *arguments):
            with pytest.raises(BackupRefused, match="Another 'hotswap restore' is filling"):
                restore(backup, tmp_path / "other", database=empty, programs=programs)
            super().restore(*arguments)

    restore(backup, tmp_path / "new", database=empty, programs=Slow(postgresql.programs))

    assert not (tmp_path / "other").exists()
    look(empty, tmp_path / "new")


def test_a_service_that_starts_meanwhile_waits_for_the_restored_tables(
    registry, backup, tmp_path, empty, postgresql
):
    with ThreadPoolExecutor(1) as threads:
        started = []

        class Slow(Programs):
            def restore(self, *arguments):
                started.append(threads.submit(upgrade, empty))
                with pytest.raises(TimeoutError):
                    started[0].result(timeout=0.3)
                super().restore(*arguments)

        restore(backup, tmp_path / "new", database=empty, programs=Slow(postgresql.programs))

        assert started[0].result(timeout=30) is False
    assert look(empty, tmp_path / "new")[0] == verify_head(registry)


def test_an_interrupted_restoration_stays_unfinished_until_it_is_repeated(
    backup, tmp_path, empty, postgresql
):
    """The interrupt arrives when the server has committed already."""

    class Interrupted(Programs):
        def restore(self, *arguments):
            super().restore(*arguments)
            raise KeyboardInterrupt

    data = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt):
        restore(backup, data, database=empty, programs=Interrupted(postgresql.programs))
    with pytest.raises(DataDirectoryRefused, match="Run 'hotswap restore' again"):
        check_restored(data)

    restore(backup, data, database=empty, programs=Programs(postgresql.programs))

    check_restored(data)
    look(empty, data)


def test_a_database_that_was_filled_from_another_backup_is_not_taken_for_this_one(
    registry, backup, tmp_path, empty, programs
):
    data = tmp_path / "new"
    (data / "restoring").mkdir(parents=True)
    make_live(registry, "3")
    back_up(registry, LocalBlobStore(tmp_path / "blobs"), tmp_path / "later", programs=programs)
    restore(backup, tmp_path / "elsewhere", database=empty, programs=programs)

    with pytest.raises(BackupRefused, match="has tables"):
        restore(tmp_path / "later", data, database=empty, programs=programs)


def test_a_forged_history_is_found_although_every_hash_matches(
    registry, backup, tmp_path, programs
):
    with registry.write() as session:
        session.execute(text("UPDATE history SET actor = 'eve' WHERE seq = 2"))
    with registry.read() as session:
        snapshot = session.scalar(text("SELECT pg_export_snapshot()"))
        programs.dump(registry.url, snapshot, tmp_path / "forged")
    rewrite_dump(backup, (tmp_path / "forged").read_bytes())

    with pytest.raises(BackupDamaged, match="Event 2 was changed"):
        verify_backup(backup, programs)


def test_a_broken_history_is_not_backed_up(registry, blobs, tmp_path, programs):
    with registry.write() as session:
        session.execute(text("UPDATE history SET actor = 'eve' WHERE seq = 2"))

    with pytest.raises(HistoryBroken):
        back_up(registry, blobs, tmp_path / "backup", programs=programs)
    assert not (tmp_path / "backup").exists()


def test_a_database_with_tables_is_not_restored_into(registry, backup, tmp_path, programs):
    before = verify_head(registry)

    with pytest.raises(BackupRefused, match="has tables"):
        restore(backup, tmp_path / "new", database=registry, programs=programs)
    assert not (tmp_path / "new").exists()
    assert verify_head(registry) == before


def test_a_restore_that_fails_in_the_database_leaves_nothing(backup, tmp_path, empty, programs):
    """A view that stands in the way of a table, so that what was restored before it is undone."""
    with empty.write() as session:
        session.execute(text("CREATE VIEW webhooks AS SELECT 1 AS x"))

    with pytest.raises(BackupRefused, match=r"pg_restore failed.*webhooks"):
        restore(backup, tmp_path / "new", database=empty, programs=programs)
    assert not (tmp_path / "new").exists()
    assert tables(empty) == []


@pytest.mark.slow  # needs a server of its own, and a disk
def test_a_server_without_room_restores_nothing_until_it_has_some(backup, tmp_path):
    # Not below pytest's folder, which the user of the server may not enter.
    with (
        tempfile.TemporaryDirectory(prefix="hotswap-pg-full-") as folder,
        small_disk(Path(folder) / "disk", 24 * 1024) as disk,
        running_postgresql() as server,
    ):
        Path(folder).chmod(0o755)
        made = Database(server.create(migrated=False))
        owner = made.engine.execution_options(isolation_level="AUTOCOMMIT")
        with owner.connect() as connection:
            its_own = Path(connection.scalar(text("SHOW data_directory"))).stat()
            os.chown(disk, its_own.st_uid, its_own.st_gid)
            connection.execute(text(f"CREATE TABLESPACE small LOCATION '{disk}'"))
            connection.execute(text("CREATE DATABASE small TEMPLATE template0 TABLESPACE small"))
        made.dispose()
        database = Database(made.url.set(database="small").render_as_string(hide_password=False))
        programs = Programs(server.programs)
        assert tables(database) == []
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(bytes(free - 200_000))

        with pytest.raises(BackupRefused, match=r"pg_restore failed.*No space left on device"):
            restore(backup, tmp_path / "new", database=database, programs=programs)
        assert tables(database) == []
        assert not (tmp_path / "new").exists()
        (disk / "ballast").unlink()
        restore(backup, tmp_path / "new", database=database, programs=programs)

        look(database, tmp_path / "new")
        database.dispose()


def test_a_backup_of_postgresql_is_not_restored_without_a_database(backup, tmp_path, programs):
    with pytest.raises(BackupRefused, match="set HOTSWAP_DATABASE_URL"):
        restore(backup, tmp_path / "new", programs=programs)
    assert not (tmp_path / "new").exists()


def test_a_backup_of_sqlite_is_not_restored_into_postgresql(
    sqlite_database, empty, blobs, tmp_path
):
    back_up(sqlite_database, blobs, tmp_path / "backup")

    with pytest.raises(BackupRefused, match="hotswap db move"):
        restore(tmp_path / "backup", tmp_path / "new", database=empty)
    assert not (tmp_path / "new").exists()


def test_missing_programs_are_named(registry, blobs, tmp_path):
    (tmp_path / "bin").mkdir()

    with pytest.raises(BackupRefused, match=r"pg_dump is not in .*bin.*--pg-bin"):
        back_up(registry, blobs, tmp_path / "backup", programs=Programs(tmp_path / "bin"))
    assert not (tmp_path / "backup").exists()


def test_the_password_is_not_an_argument_that_every_user_can_read(tmp_path):
    """A program in the place of pg_dump that writes what it was given, and fails."""
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" > $0.given\necho "with $PGPASSWORD" >&2\nexit 1\n')
    program.chmod(0o755)
    database = Database("postgresql://ann:secret@db:5433/registry?sslmode=require")

    with pytest.raises(BackupRefused, match=r"pg_dump failed.*with secret"):
        Programs(program.parent).dump(database.url, "00000003-1", tmp_path / "dump")

    arguments = (tmp_path / "bin" / "pg_dump.given").read_text()
    assert "--dbname=postgresql://ann@db:5433/registry?sslmode=require" in arguments
    assert "secret" not in arguments
