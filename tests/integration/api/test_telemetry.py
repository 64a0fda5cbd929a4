"""Where metrics are stored: not on the disk of the data, and never so that serving fails."""

import errno
import os
import shutil
import subprocess
import sys

import pytest

from api.prometheus_internals import ROOM
from registry.watching import telemetry_folders
from tests.integration.api.conftest import check_problem
from tests.marks import first_fast


@pytest.fixture
def bases(tmp_path, monkeypatch):
    """Two folders to keep figures in, the second for when the first will not do."""
    found = [tmp_path / "memory", tmp_path / "temporary"]
    for base in found:
        base.mkdir()
    monkeypatch.setattr(telemetry_folders, "_bases", lambda: iter(found))
    return found


def test_without_room_for_metrics_the_service_still_serves(make_app, bases, monkeypatch):
    allocate = os.posix_fallocate

    def refuse(descriptor: int, offset: int, size: int) -> None:
        if size in ROOM.values():
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    service = make_app()
    assert service.admin.get("/models").status_code == 200
    assert service.admin.get("/livez").status_code == 200
    check_problem(service.admin.get("/metrics"), 503, "unavailable")


def test_metrics_are_stored_outside_the_data_directory(make_app, bases):
    service = make_app()
    (folder,) = bases[0].iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size for path in folder.iterdir())
    assert not (service.data / "run" / "metrics").exists()
    assert service.admin.get("/metrics").status_code == 200


@pytest.mark.parametrize("taken", ["link", "open to all"])
def test_a_folder_that_another_user_may_control_is_not_used(make_app, bases, tmp_path, taken):
    name = telemetry_folders._name(tmp_path / "data-0")
    if taken == "link":
        (tmp_path / "trap").mkdir(mode=0o700)
        (bases[0] / name).symlink_to(tmp_path / "trap")
    else:
        (bases[0] / name).mkdir()
        (bases[0] / name).chmod(0o777)
    make_app()
    assert list((bases[0] / name).iterdir()) == []
    assert (bases[1] / name).is_dir()


HOLDER = """
import sys, time
from pathlib import Path
from registry.watching import telemetry_folders
telemetry_folders._bases = lambda: iter([Path(sys.argv[1])])
print(telemetry_folders.own_folder(Path("/anywhere"), Path(sys.argv[1]), 1).path.name, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("namespace", first_fast(["another", "this"]))
def test_folders_of_running_servers_stay_and_those_of_dead_ones_are_removed(
    make_app, bases, namespace
):
    """Also of servers whose process ids mean nothing here, as those of other containers."""
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    command = apart if namespace == "another" else []
    if command and (shutil.which("unshare") is None or subprocess.call([*apart, "true"]) != 0):
        pytest.skip("this machine allows no PID namespaces")
    holder = subprocess.Popen(
        [*command, sys.executable, "-c", HOLDER, str(bases[0])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    held = bases[0] / holder.stdout.readline().strip()
    left = bases[0] / f"{telemetry_folders._prefix()}left-{os.getpid()}"
    left.mkdir(mode=0o700)

    make_app()
    assert (held.exists(), left.exists()) == (True, False)

    holder.communicate("")
    make_app()
    assert not held.exists()


SERVER = """
import sys
from pathlib import Path
from registry.watching import telemetry_folders
telemetry_folders._bases = lambda: iter([Path(sys.argv[1])])
folder = telemetry_folders.own_folder(Path("/anywhere"), Path(sys.argv[1]), int(sys.argv[2]))
for line in sys.stdin:
    (folder.path / line.strip()).touch()
    print(sorted(path.name for path in folder.path.glob("counts*")), flush=True)
if sys.argv[3] == "released":
    folder.release()
"""


class Server:
    """A server with the process id ``number``; releases its folder at its end, or is killed."""

    def __init__(self, base, number, end="released"):
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(base), str(number), end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def writes(self, name):
        """Write a file; returns the names of all files in the folder of this server."""
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def stop(self):
        self._process.communicate("")


def test_a_successor_continues_the_metrics_of_its_predecessor(tmp_path):
    before = Server(tmp_path, 1)
    before.writes("counts-1")
    after = Server(tmp_path, 2)

    assert after.writes("counts-2") == "['counts-1', 'counts-2']"
    before.stop()

    assert after.writes("counts-3") == "['counts-1', 'counts-2', 'counts-3']"
    after.stop()
    assert list(tmp_path.iterdir()) == []


def test_metrics_continue_after_all_workers_died_but_only_on_the_same_server(tmp_path):
    worker = Server(tmp_path, 1, end="killed")
    worker.writes("counts-1")
    worker.stop()

    successor = Server(tmp_path, 1, end="killed")
    assert successor.writes("counts-2") == "['counts-1', 'counts-2']"
    successor.stop()

    restarted = Server(tmp_path, 2)
    assert restarted.writes("counts-3") == "['counts-3']"
    restarted.stop()
