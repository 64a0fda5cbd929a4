"""On which file systems SQLite is refused."""

import pytest

from registry.storage.file_systems import network_file_system

LOCAL = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard"


def mounted(place, type_, source="server:/export"):
    return f"40 27 0:50 / {place} rw,relatime shared:7 master:2 - {type_} {source} rw,vers=4.2"


@pytest.mark.parametrize(
    "type_",
    [
        *("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "afs", "beegfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"),
    ],
)
def test_a_network_file_system_is_known_by_its_type(type_):
    mounts = "\n".join([LOCAL, mounted("/srv", type_)])

    assert network_file_system("/srv/hotswap/registry.db", mounts) == type_


@pytest.mark.parametrize(
    "type_", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse.bcachefs"]
)
def test_a_local_file_system_is_accepted(type_):
    assert network_file_system("/srv/registry.db", mounted("/srv", type_)) is None


def test_the_mount_nearest_to_the_path_decides():
    mounts = "\n".join([LOCAL, mounted("/srv", "nfs4"), mounted("/srv/disk", "ext4")])

    assert network_file_system("/srv/disk/registry.db", mounts) is None
    assert network_file_system("/srv/diskette/registry.db", mounts) == "nfs4"
    assert network_file_system("/srv", mounts) == "nfs4"
    assert network_file_system("/srvant/registry.db", mounts) is None


def test_the_order_of_mounts_matters_only_on_the_same_mount_point():
    mounts = "\n".join([mounted("/srv/disk", "cifs"), mounted("/srv", "ext4"), LOCAL])

    assert network_file_system("/srv/disk/registry.db", mounts) == "cifs"
    hidden = "\n".join([mounted("/srv", "nfs4"), mounted("/srv", "xfs")])
    assert network_file_system("/srv/registry.db", hidden) is None


def test_a_mount_point_with_a_space_is_found():
    assert network_file_system("/my data/registry.db", mounted("/my\\040data", "nfs")) == "nfs"


def test_malformed_lines_are_skipped():
    assert network_file_system("/srv", f"\nnonsense\n1 2 - nfs\n{LOCAL}\n") is None
