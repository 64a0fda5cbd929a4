"""The data directory is closed to the other users of the machine, whoever made it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.services import Services
from cli.main import main
from config import Settings
from registry.errors import DataDirectoryRefused
from registry.storage.file_modes import close_to_others, open_to_others, refuse_foreign


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory as an earlier release left it, under the usual umask."""
    folder = tmp_path / "data"
    for name in ("blobs/ab", "blobs/damaged", "run/workers"):
        (folder / name).mkdir(parents=True)
    files = ("registry.db", "registry.db-wal", "admin.token", "blobs/ab/abcd", "blobs/damaged/x")
    for name in files:
        (folder / name).write_text(name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def modes(data: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (data, *data.rglob("*"))}


def test_an_existing_directory_is_made_private_with_its_contents(data: Path) -> None:
    assert len(list(open_to_others(data, deep=True))) == 11

    close_to_others(data)

    assert modes(data) == {0o700, 0o600}
    assert list(open_to_others(data, deep=True)) == []


def test_files_of_others_are_not_changed(data: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "elsewhere", data / "notes"):
        target.write_text("mine")
        target.chmod(0o644)
    (data / "blobs" / "link").symlink_to(tmp_path / "elsewhere")

    close_to_others(data)

    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o644
    assert (data / "notes").stat().st_mode & 0o777 == 0o644


def test_a_directory_behind_a_link_is_made_private(data: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(data)

    close_to_others(link)

    assert modes(data) == {0o700, 0o600}


def as_another_user(program: str, data: Path) -> "subprocess.CompletedProcess[str]":
    """Run ``program`` as a user whom ``data`` does not belong to."""
    command = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("it takes root to give a directory to another user")
    os.chown(data, 1, 1)
    return subprocess.run(
        [*command, sys.executable, "-c", program, str(data)],
        capture_output=True,
        text=True,
        check=False,
    )


PROGRAM = """
import sys
from pathlib import Path
from registry.storage.file_modes import close_to_others, open_to_others
close_to_others(Path(sys.argv[1]))
print([path.name for path in open_to_others(Path(sys.argv[1]), deep=True)])
"""


def test_files_of_another_user_are_reported_and_others_made_private(data: Path) -> None:
    reported = as_another_user(PROGRAM, data)

    assert reported.stdout == "['data']\n", reported.stderr


def test_a_world_writable_directory_is_refused(data: Path) -> None:
    data.chmod(0o777)

    refused = as_another_user(PROGRAM, data)

    assert f"{DataDirectoryRefused.__name__}: Every user of this machine" in refused.stderr


EXAMINE = """
import sys
from pathlib import Path
from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Installation
from registry.doctor.storage import check_directory
data = Path(sys.argv[1])
for finding in check_directory(Installation(data, None, LocalBlobStore(data / "blobs"))):
    print(f"{finding.message}: {finding.place}")
"""


def test_a_directory_of_another_user_is_reported(data: Path) -> None:
    data.chmod(0o700)

    reported = as_another_user(EXAMINE, data)

    assert reported.stdout == f"the data directory cannot be written to by this user: {data}\n", (
        reported.stderr
    )


def test_a_folder_shared_by_all_users_is_refused_unchanged(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "shared" / "another's file").touch()

    with pytest.raises(DataDirectoryRefused, match="is shared by all users"):
        Services.build(Settings(data=tmp_path / "shared"))

    assert (tmp_path / "shared").stat().st_mode & 0o7777 == 0o1777
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["another's file"]


def test_a_folder_with_other_files_is_refused_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "a.jpeg").touch()
    folder.chmod(0o755)

    with pytest.raises(DataDirectoryRefused, match=r"but other files \(a\.jpeg\)"):
        Services.build(Settings(data=folder))
    with pytest.raises(DataDirectoryRefused, match="contains no registry"):
        close_to_others(folder)

    assert folder.stat().st_mode & 0o7777 == 0o755
    assert [path.name for path in folder.iterdir()] == ["a.jpeg"]


def test_no_database_is_created_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpeg").touch()

    reported = CliRunner().invoke(main, ["db", "upgrade"], env={"HOTSWAP_DATA": str(tmp_path)})

    assert reported.exit_code == 1
    assert "contains no registry, but other files" in reported.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpeg"]


@pytest.mark.parametrize(
    "held", [(), ("run",), ("blobs", "run"), (".git", "lost+found"), ("cache", "webhooks.key")]
)
def test_a_separate_folder_is_accepted(tmp_path: Path, held: tuple[str, ...]) -> None:
    for name in held:
        (tmp_path / name).mkdir()

    refuse_foreign(tmp_path)
    refuse_foreign(tmp_path / "new")


@pytest.mark.parametrize("sign", ["registry.db", "run/counter"])
def test_a_folder_with_a_registry_may_contain_other_files(tmp_path: Path, sign: str) -> None:
    for name in (sign, "notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    refuse_foreign(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to give files to another user")
def test_root_does_not_change_modes_of_other_users_files(data: Path) -> None:
    belongings = [data / "registry.db", data / "blobs" / "ab", data / "blobs" / "ab" / "abcd"]
    for path in belongings:
        os.chown(path, 1, 1)
    before = [path.stat().st_mode for path in belongings]

    close_to_others(data)

    assert [path.stat().st_mode for path in belongings] == before
    assert set(open_to_others(data, deep=True)) == set(belongings)
