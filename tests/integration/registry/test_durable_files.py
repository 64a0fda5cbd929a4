"""Files that are written completely or not at all, and survive a power cut."""

import os
import resource

import pytest

from registry.storage.durable import new_file, write_whole
from tests.integration.registry.file_calls import file_calls


def test_content_is_durable_before_the_name_and_the_name_before_the_return(tmp_path):
    code = (
        "import sys; from pathlib import Path; from registry.storage.durable import write_whole\n"
        "write_whole(Path(sys.argv[1]), b'content')"
    )

    calls = file_calls(code, tmp_path, "card.md")

    assert [name for name, _ in calls] == ["write", "fsync", "rename", "fsync"]
    paths = [parts for _, parts in calls]
    assert paths[0] == paths[1] == paths[2] != ["card.md"]
    assert paths[3] == []


def test_a_replaced_file_gets_the_given_mode(tmp_path):
    file = tmp_path / "card.md"
    file.write_text("a longer text than the next")
    before = os.umask(0o077)
    try:
        write_whole(file, b"short", 0o644)
    finally:
        os.umask(before)

    assert file.read_bytes() == b"short"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_leaves_the_previous_file_and_nothing_else(tmp_path):
    file = tmp_path / "admin.token"
    write_whole(file, b"before")
    assert file.stat().st_mode & 0o777 == 0o600
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            write_whole(file, b"x" * 1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    assert failed.value.filename == str(file)
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_replaces_no_other(tmp_path):
    (tmp_path / "registry.db").write_bytes(b"before")

    with pytest.raises(FileExistsError), new_file(tmp_path / "registry.db"):
        pass

    assert (tmp_path / "registry.db").read_bytes() == b"before"
