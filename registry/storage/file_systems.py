"""Which file system a path is on, and whether it is safe for SQLite.

SQLite needs reliable locks, and memory that all processes of a host share. Network file systems do
not always provide them, and then the database may be damaged.
Source: https://www.sqlite.org/useovernet.html
"""

import os
import re
from pathlib import Path

from registry.errors import NetworkFileSystem

_NETWORK = frozenset(
    {
        *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs"),
        *("lustre", "ncpfs", "nfs", "nfs4", "orangefs", "pvfs2", "smb3", "smbfs", "vboxsf"),
        *("fuse.ceph", "fuse.ceph-fuse", "fuse.davfs", "fuse.davfs2", "fuse.gcsfuse"),
        *("fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.nfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.smbnetfs", "fuse.sshfs"),
    }
)
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def refuse_network_file_system(path: Path) -> None:
    """Raise NetworkFileSystem if ``path`` is, or would be created, on a network file system.

    Where the mounts are not known (they are on Linux), every path passes.
    """
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return
    real = os.path.realpath(path)
    if (found := network_file_system(real, mounts)) is not None:
        raise NetworkFileSystem(found)


def network_file_system(real_path: str, mounts: str) -> str | None:
    """The type of the network file system that ``real_path`` (absolute, without links) is on.

    None where it is on a local one. ``mounts`` is the text of /proc/self/mountinfo, whose lines
    have the mount point in their fifth field and the type after a dash: proc_pid_mountinfo(5).
    """
    longest, type_ = "", ""
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        place = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        inside = place in {"/", real_path} or real_path.startswith(f"{place}/")
        # Of two mounts on one mount point the later hides the earlier.
        if inside and len(place) >= len(longest):
            longest, type_ = place, after.split(" ")[0]
    return type_ if type_ in _NETWORK else None
