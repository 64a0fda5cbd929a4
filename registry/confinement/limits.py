"""How much a confined process may use."""

import os
import resource

import msgspec

MEGABYTE = 2**20
MAX_MEMORY = min(8 * 2**30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
"""Bytes of address space: 8 GiB, but no more than half of the machine's memory."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """``cpu_seconds``: of processor time, over its whole life; None: unlimited.

    ``memory``: bytes of address space; ``folder``: bytes of its temporary folder; ``niceness``:
    added to that of the processes that serve.
    """

    memory: int = MAX_MEMORY
    cpu_seconds: int | None = None
    folder: int = 64 * MEGABYTE
    open_files: int = 64
    niceness: int = 0

    def apply(self, *, folder: bool) -> None:
        """Limit this process irrevocably; without a ``folder`` it cannot write files."""
        os.nice(self.niceness)
        for kind, limit in (
            (resource.RLIMIT_AS, self.memory),
            (resource.RLIMIT_FSIZE, self.folder if folder else 0),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, self.open_files),
            # Root is exempt from this one; the filter of system calls applies to it too.
            (resource.RLIMIT_NPROC, 0),
            (resource.RLIMIT_MEMLOCK, 0),
        ):
            resource.setrlimit(kind, (limit, limit))
        if self.cpu_seconds is not None:
            # The soft limit ends it by SIGXCPU, which shows the cause; the hard limit by SIGKILL.
            resource.setrlimit(resource.RLIMIT_CPU, (self.cpu_seconds, self.cpu_seconds + 1))
