"""The service does not start with SQLite on a network file system."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness import ROOT
from tests.marks import first_fast

MOUNTS = "40 27 0:50 / {data} rw,relatime - nfs4 server:/export rw,vers=4.2\n"
COMMAND = "from cli.main import main; main()"
START_THE_APP = (
    "import sys; from pathlib import Path;"
    "from api.app import create_app; from config import Settings;"
    "create_app(Settings(data=Path(sys.argv[1])))"
)


@pytest.mark.parametrize(
    "command",
    first_fast([["-c", COMMAND, "serve", "--port", "18999", "--data"], ["-c", START_THE_APP]]),
    ids=["command", "application"],
)
def test_a_network_file_system_is_refused_and_nothing_is_created(
    tmp_path: Path, command: list[str]
) -> None:
    """The kernel's list of mounts is played by a file, in a mount namespace of its own."""
    data, proc = tmp_path / "data", tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "mountinfo").write_text(MOUNTS.format(data=tmp_path))
    in_namespace = ["unshare", "-Urm", "sh", "-c", 'mount --bind "$0" /proc && exec "$@"', proc]

    tried = subprocess.run([*in_namespace, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespace can be made here: {tried.stderr.decode()}")
    refused = subprocess.run(
        [*in_namespace, sys.executable, *command, data],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 1
    assert "network file system (nfs4)" in refused.stderr
    assert "HOTSWAP_DATABASE_URL at a PostgreSQL server" in refused.stderr
    assert not data.exists()
