"""The memory that control groups leave to a training."""

import pytest

from trainers.control_groups import memory_left

NO_LIMIT = 9223372036854771712
"""That of version 1."""


class Groups:
    """The files of the system for a process in ``line``."""

    def __init__(self, folder, line):
        self.process, self.mounted = folder / "cgroup", folder / "mounted"
        self.process.write_text(f"9:name=systemd:/\n{line}\n")

    def add(self, path, limit, used, unused=0, version=2):
        folder = self.mounted / path
        folder.mkdir(parents=True, exist_ok=True)
        one = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        files = one if version == 1 else ("memory.max", "memory.current", "inactive_file")
        (folder / files[0]).write_text(f"{limit}\n")
        (folder / files[1]).write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\n{files[2]} {unused}\nfile 7\n")

    def left(self):
        return memory_left(self.process, self.mounted)


def test_files_that_were_read_and_are_not_used_count_as_free(tmp_path):
    groups = Groups(tmp_path, "0::/jobs/one")
    groups.add("jobs/one", 1000, used=900, unused=850)

    assert groups.left() == 950


@pytest.mark.parametrize(
    ("inner", "outer", "left"), [((500, 100), (1000, 950), 50), (("max", 100), (1000, 200), 800)]
)
def test_the_smallest_rest_of_the_group_and_those_around_it_counts(tmp_path, inner, outer, left):
    groups = Groups(tmp_path, "0::/jobs/one")
    groups.add("jobs/one", *inner)
    groups.add("jobs", *outer)
    groups.add("other", 10, 9)

    assert groups.left() == left


@pytest.mark.parametrize("line", ["0::/", "0::/docker/abc", "0::/../../elsewhere"])
def test_a_container_has_the_limit_where_its_groups_are_mounted(tmp_path, line):
    groups = Groups(tmp_path, line)
    groups.add("", 1000, used=400)

    assert groups.left() == 600


def test_groups_of_the_first_version_are_read_too(tmp_path):
    groups = Groups(tmp_path, "4:cpu,memory:/jobs/one\n0::/")
    groups.add("memory/jobs/one", 1000, used=900, unused=300, version=1)
    groups.add("memory", NO_LIMIT, used=5000, version=1)

    assert groups.left() == 400


@pytest.mark.parametrize("line", ["0::/jobs", "nothing"])
def test_without_a_limit_nothing_is_told(tmp_path, line):
    groups = Groups(tmp_path, line)
    groups.add("jobs", "max", used=400)

    assert groups.left() is None
