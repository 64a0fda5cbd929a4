"""A Unix socket at a path that may exist already."""

import os
import socket
import stat
from pathlib import Path

import pytest

from cli.exits import CommandFailed
from cli.listening import listen
from cli.unix_socket import LONGEST_PATH
from config import Settings


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A relative path, since that of a test's folder may be too long for a socket."""
    monkeypatch.chdir(tmp_path)
    return Path("http.sock")


def settings_of(path: Path, **more: str) -> Settings:
    return Settings(uds=os.fspath(path), **more)  # type: ignore[arg-type]


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
    return True


@pytest.fixture
def short_folder(path: Path) -> None:
    if len(os.fsencode(path.absolute())) > LONGEST_PATH:
        pytest.skip("the temporary folder has a path that is too long for a socket")


@pytest.mark.usefixtures("short_folder")
@pytest.mark.parametrize("mode", ["0660", "0600", "666"])
def test_the_socket_file_has_the_configured_mode_and_is_removed_at_the_end(
    path: Path, mode: str
) -> None:
    listeners = listen(settings_of(path, uds_mode=mode))

    assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
    assert connects(path), "connections wait for the workers"
    listeners.close()
    assert not path.exists()


@pytest.mark.usefixtures("short_folder")
def test_the_socket_file_of_a_dead_service_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
        dead.listen()
    assert not connects(path)

    listeners = listen(settings_of(path))

    assert connects(path)
    listeners.close()


@pytest.mark.usefixtures("short_folder")
def test_the_socket_of_a_running_service_is_not_replaced(path: Path) -> None:
    first = listen(settings_of(path))

    with pytest.raises(CommandFailed, match=r"http\.sock: Address already in use"):
        listen(settings_of(path), patience=0)

    assert connects(path)
    first.close()


@pytest.mark.usefixtures("short_folder")
def test_a_service_does_not_remove_the_socket_of_its_successor(path: Path) -> None:
    first = listen(settings_of(path))
    path.unlink()
    second = listen(settings_of(path))

    first.close()

    assert connects(path)
    second.close()


@pytest.mark.usefixtures("short_folder")
def test_a_path_that_is_not_a_socket_is_refused_and_not_changed(path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(CommandFailed, match="exists and is not a socket"):
        listen(settings_of(path), patience=0)

    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_refused_with_the_limit(
    tmp_path: Path,
) -> None:
    long = tmp_path / ("x" * LONGEST_PATH)

    with pytest.raises(CommandFailed, match=f"may have {LONGEST_PATH} bytes, and this one has"):
        listen(settings_of(long))


def test_a_missing_folder_for_the_socket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"Cannot listen on .*: No such file or directory"):
        listen(settings_of(Path("/nowhere/http.sock")), patience=0)
