"""Removes every right of the calling process except to compute and to answer."""

import os
import signal
import sys
from pathlib import Path

from registry.confinement import landlock, seccomp
from registry.confinement.kernel import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    drop_capabilities,
    prctl,
)
from registry.confinement.limits import Limits
from registry.confinement.plan import Plan

NO_FOLDER = "/nowhere"
"""TMPDIR of a process without a temporary folder."""


def confine(plan: Plan, limits: Limits, user: int, folder: Path | None, parent: int) -> None:
    """Confine this process irrevocably, as ``plan`` says, under ``limits``.

    ``user`` is the id that it takes if the plan changes users, ``folder`` the only place where it
    may write, ``parent`` the process whose end ends it. It must have one thread. Without a
    ``folder`` it keeps the working folder of ``parent``, which ``plan.isolate`` has chosen.

    Raises OSError where a part of the plan fails: then nothing untrusted may run.
    """
    os.setsid()
    os.umask(0o077)
    if folder is not None:
        os.chdir(folder)
    os.environ["TMPDIR"] = str(folder or NO_FOLDER)
    limits.apply(folder=folder is not None)
    if plan.users != "same":
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if sys.platform == "linux":
        drop_capabilities()
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        # No tracing or inspection by other processes of the same user, and no core dump.
        prctl(PR_SET_DUMPABLE, 0)
        # After the change of user, which resets it.
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        raise OSError("the parent process has ended")
    if plan.landlock:
        landlock.restrict(plan.readable, folder)
    if plan.seccomp:
        seccomp.restrict()
