"""Directories that are uploaded file by file, on a real disk, or to the bucket of several hosts."""

import threading
from functools import partial

import pytest

from registry.blobs.uploads import KEPT_SECONDS, parse_path
from registry.errors import PathMalformed, TooLarge, UploadsFull
from tests.integration.registry.buckets import Buckets
from tests.integration.registry.upload_houses import OWNER, House, SharedHouse


@pytest.fixture(params=["local", "shared"])
def make_house(request, tmp_path):
    if request.param == "local":
        return partial(House, tmp_path / "blobs")
    database, seaweedfs = map(request.getfixturevalue, ("shared_database", "seaweedfs"))
    return partial(SharedHouse, Buckets(seaweedfs, database, tmp_path), database)


@pytest.fixture
def house(make_house):
    return make_house()


@pytest.fixture
def local_house(tmp_path):
    return House(tmp_path / "blobs")


def test_a_directory_is_removed_a_day_after_its_last_file(house):
    house.add("d/a")
    house.add("e/a")
    house.wait(KEPT_SECONDS - 10)
    house.add("d/b/c")
    house.wait(20)

    assert house.uploads.remove_old(dry_run=True).count == 1
    assert house.names("e") == ["a"]
    removed = house.uploads.remove_old()
    assert (removed.count, removed.size) == (1, 1)
    assert (house.names("d"), house.names("e")) == (["a", "b"], [])
    house.wait(KEPT_SECONDS)
    assert house.uploads.remove_old().size == 2
    assert house.files == []


def test_no_folder_stays_without_files(house):
    house.add("d/a/b/c/e")
    house.add("d/a/f")
    assert house.uploads.remove(OWNER, ("d", "a", "b", "c", "e"))
    assert house.names("d/a") == ["f"]
    assert house.uploads.remove(OWNER, ("d", "a", "f"))
    assert (house.files, house.uploads.entries(OWNER, ())) == ([], [])
    house.add("d/a")
    assert house.names() == ["a"]


def test_what_an_interrupted_removal_leaves_is_removed(local_house):
    """It was moved aside first: nobody finds half a directory."""
    house = local_house
    house.add("d/a")
    removed = house.blobs.uploads / "removed"
    removed.mkdir()
    (house.blobs.uploads / str(OWNER) / "d").rename(removed / "0123")
    (removed / "4567").write_bytes(b"x")
    assert house.names() == []

    house.uploads.remove_old()
    assert list(removed.iterdir()) == []


def test_a_directory_has_limits(make_house):
    house = make_house(most_files=2, most_directories=2)
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
    assert len(house.files) == 4


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
    house.add("d/m/a")
    for path in (("d", "m", "a"), ("d", "none"), ("none",)):
        with house.uploads.reading(OWNER, path) as folder:
            assert folder is None


def test_files_added_at_the_same_time_keep_the_limit(make_house):
    house = make_house(most_bytes=50)
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


def test_a_file_has_the_name_of_no_folder(house):
    house.add("d/a/b")
    house.add("d/c")
    for path in ("d/a", "d/c/x", "d/c/x/y"):
        with pytest.raises(PathMalformed, match="name of a folder"):
            house.add(path)
    assert (house.names(), house.names("d/a"), house.names("d/c")) == (["a", "c"], ["b"], [])


def test_names_that_differ_in_case_or_form_only_are_different_files(house):
    names = sorted(["a", "A", "\u00e9", "e\u0301", "_"])
    for number, name in enumerate(names):
        house.add(f"d/{name}", bytes([number]))
    assert house.names() == names
    with house.uploads.reading(OWNER, ("d",)) as folder:
        assert [(folder / name).read_bytes() for name in names] == [bytes([n]) for n in range(5)]
    assert house.uploads.remove(OWNER, ("d", "_"))
    assert house.names() == names[:1] + names[2:]


def test_the_longest_path_is_kept(house):
    deep = "/".join(["\u6570" * 66] * 14)  # of more bytes than an entry of an index may have
    house.add(f"d/{deep}", b"deep")
    with house.uploads.open(OWNER, parse_path(f"d/{deep}")) as file:
        assert file.read() == b"deep"


def test_a_file_that_is_replaced_leaves_nothing(house):
    for content in (b"first", b"second", b"second"):
        house.add("d/a", content)
    with house.uploads.open(OWNER, ("d", "a")) as file:
        assert file.read() == b"second"
    assert len(house.files) == 1


def test_the_same_file_sent_twice_at_once_is_one_file(house):
    contents = [bytes([number]) * 9 for number in range(6)]
    threads = [threading.Thread(target=house.add, args=("d/a", each)) for each in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with house.uploads.open(OWNER, ("d", "a")) as file:
        assert file.read() in contents
    assert (house.names(), len(house.files)) == (["a"], 1)
