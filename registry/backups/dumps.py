"""Dumps of PostgreSQL databases: pg_dump writes them, pg_restore reads them.

Both are programs of PostgreSQL's own distribution, at least as new as the server.
Source: https://www.postgresql.org/docs/current/app-pgdump.html
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from sqlalchemy import URL

from registry.confinement.kernel import PR_SET_PDEATHSIG, prctl
from registry.errors import BackupDamaged, BackupRefused
from registry.storage.all_tables import NOT_BACKED_UP

_SAID = 400
_TOO_NEW = "unsupported version"
"""What pg_restore says of a dump in a later format than it knows."""


class Programs:
    """``pg_dump`` and ``pg_restore``, in ``folder``; None: where PATH has them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def dump(self, url: URL, snapshot: str, target: Path) -> None:
        """Write the database at ``url``, as the exported ``snapshot`` shows it, to ``target``.

        Raises BackupRefused where pg_dump is not installed or fails.
        """
        self._run(
            url,
            *("pg_dump", "--format=custom", "--no-owner", "--no-privileges"),
            *(f"--exclude-table-data={table}" for table in NOT_BACKED_UP),
            *(f"--snapshot={snapshot}", f"--file={target}", f"--dbname={_without_password(url)}"),
        )

    def restore(self, dump: Path, url: URL) -> None:
        """Restore ``dump`` into the empty database at ``url``, in one transaction.

        Raises BackupRefused where pg_restore is not installed or fails.
        """
        self._run(
            url,
            *("pg_restore", "--single-transaction", "--exit-on-error", "--no-owner"),
            *("--no-privileges", f"--dbname={_without_password(url)}", str(dump)),
        )

    @contextmanager
    def script(self, dump: Path, tables: tuple[str, ...]) -> Iterator[Iterator[str]]:
        """The lines of the SQL script that fills ``tables`` as ``dump`` has them.

        Raises BackupDamaged after the last line where pg_restore could not read the dump,
        BackupRefused where that of a later release can.
        """
        command = [self._path("pg_restore"), "--data-only", "--file=-"]
        command += [f"--table={table}" for table in tables]
        with subprocess.Popen(  # noqa: S603 - PostgreSQL's own program, no shell
            [*command, str(dump)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
        ) as process:
            try:
                yield cast("IO[str]", process.stdout)
            except BaseException:
                process.kill()
                raise
            said = cast("IO[str]", process.stderr).read()
        if process.returncode and _TOO_NEW in said:
            raise BackupRefused.program_too_old(dump.parent, _short(said))
        if process.returncode:
            raise BackupDamaged(dump.parent, f"pg_restore cannot read it: {_short(said)}")

    def _run(self, url: URL, program: str, *arguments: str) -> None:
        environment = dict(os.environ)
        if url.password is not None:
            # Every user of the machine can read the arguments of a process.
            environment["PGPASSWORD"] = str(url.password)
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, no shell
            [self._path(program), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise BackupRefused.program_failed(program, _short(done.stderr))

    def _path(self, program: str) -> str:
        found = shutil.which(program, path=None if self._folder is None else str(self._folder))
        if found is None:
            raise BackupRefused.program_missing(program, self._folder)
        return found


def _end_with_parent() -> None:
    """Have this process killed when its parent ends, so that it does not go on unattended."""
    with suppress(OSError):  # systems other than Linux have no such thing
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _without_password(url: URL) -> str:
    """``url`` as libpq reads it."""
    plain = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    )
    return plain.render_as_string(hide_password=False)


def _short(said: str) -> str:
    return " ".join(said.split())[:_SAID] or "it said nothing"
