"""Directories that are uploaded file by file, on a real disk."""

import threading

import pytest

from registry.blobs.local import LocalBlobStore
from registry.blobs.uploads import KEPT_SECONDS, Uploads, parse_path
from registry.errors import PathMalformed, TooLarge, UploadsFull

OWNER = 7


class House:
    """Uploads in a folder, with a clock that tests move."""

    def __init__(self, root, most_bytes=100, **limits):
        self.now = 1e9
        self.blobs = LocalBlobStore(root)
        self.uploads = Uploads(self.blobs.uploads, most_bytes, clock=lambda: self.now, **limits)

    def add(self, path, content=b"x", owner=OWNER):
        with self.blobs.stage(1000) as blob:
            blob.write(content)
            self.uploads.add(owner, parse_path(path), blob)

    def names(self, path="d", owner=OWNER):
        return [each.name for each in self.uploads.entries(owner, parse_path(path))]

    @property
    def files(self):
        root = self.blobs.root
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def house(tmp_path):
    return House(tmp_path / "blobs")


def test_a_directory_is_removed_a_day_after_its_last_file(house):
    house.add("d/a")
    house.add("e/a")
    house.now += KEPT_SECONDS - 10
    house.add("d/b/c")
    house.now += 20

    assert house.uploads.remove_old(dry_run=True).count == 1
    assert house.names("e") == ["a"]
    removed = house.uploads.remove_old()
    assert (removed.count, removed.size) == (1, 1)
    assert (house.names("d"), house.names("e")) == (["a", "b"], [])
    house.now += KEPT_SECONDS
    assert house.uploads.remove_old().size == 2
    assert house.files == []


def test_no_folder_stays_without_files(house):
    house.add("d/a/b/c/e")
    house.add("d/a/f")
    assert house.uploads.remove(OWNER, ("d", "a", "b", "c", "e"))
    assert house.names("d/a") == ["f"]
    assert house.uploads.remove(OWNER, ("d", "a", "f"))
    assert not (house.blobs.uploads / str(OWNER) / "d").exists()
    assert list((house.blobs.uploads / "removed").iterdir()) == []
    house.add("d/a")
    assert house.names() == ["a"]


def test_what_an_interrupted_removal_leaves_is_removed(house):
    """It was moved aside first: nobody finds half a directory."""
    house.add("d/a")
    removed = house.blobs.uploads / "removed"
    removed.mkdir()
    (house.blobs.uploads / str(OWNER) / "d").rename(removed / "0123")
    (removed / "4567").write_bytes(b"x")
    assert house.names() == []

    house.uploads.remove_old()
    assert list(removed.iterdir()) == []


def test_a_directory_has_limits(tmp_path):
    house = House(tmp_path / "blobs", most_files=2, most_directories=2)
    house.add("d/a", bytes(60))
    with pytest.raises(TooLarge):
        house.add("d/b", bytes(41))
    house.add("d/b", bytes(40))
    house.add("d/b", bytes(40))
    with pytest.raises(UploadsFull, match="2 files"):
        house.add("d/c", b"")
    house.add("e/a")
    with pytest.raises(UploadsFull, match="2 directories"):
        house.add("f/a")
    house.add("f/a", owner=OWNER + 1)
    assert house.uploads.remove(OWNER, ("e",))
    house.add("f/a")
    assert (house.names("d"), house.names("e"), house.names("f")) == (["a", "b"], [], ["a"])
    assert not list((house.blobs.root / "incoming").iterdir())


@pytest.mark.parametrize(
    "path", ["", "a", "a/", "/a/b", "a//b", "a/../b", "a/./b", "a/b\\c", "a/%41"]
)
def test_paths_are_plain_names(house, path):
    with pytest.raises(PathMalformed):
        house.add(path)
    assert house.files == []


def test_a_folder_that_is_read_does_not_change_meanwhile(house):
    house.add("d/m/a")
    with house.uploads.reading(OWNER, ("d", "m")) as folder:
        threads = [
            threading.Thread(target=house.add, args=("d/m/b",)),
            threading.Thread(target=house.uploads.remove, args=(OWNER, ("d",))),
        ]
        for thread in threads:
            thread.start()
        assert [path.name for path in folder.iterdir()] == ["a"]
    for thread in threads:
        thread.join(30)
    assert house.names() in ([], ["m"])  # in whichever order they came
    for path in (("d", "m", "a"), ("d", "none"), ("none",)):
        with house.uploads.reading(OWNER, path) as folder:
            assert folder is None


def test_files_added_at_the_same_time_keep_the_limit(tmp_path):
    house = House(tmp_path / "blobs", most_bytes=50)
    refused = []

    def add(number):
        try:
            house.add(f"d/{number}", bytes(10))
        except TooLarge:
            refused.append(number)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(house.names()), len(refused)) == (5, 3)
