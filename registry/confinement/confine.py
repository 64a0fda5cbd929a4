"""Takes every right from the process that calls it, but those to compute and to answer."""

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
"""The temporary folder of a process that has none."""


def confine(plan: Plan, limits: Limits, user: int, folder: Path | None, parent: int) -> None:
    """Confine this process for good, as ``plan`` says, under ``limits``.

    ``user`` is the id that it takes where the plan changes users, ``folder`` the one place where it
    may write, ``parent`` the process whose death ends it. It must have one thread. Without a
    ``folder`` it keeps the working folder of ``parent``, which ``plan.isolate`` has chosen.

    Raises OSError where something that the plan asks for fails: then nothing untrusted may run.
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
        # Not to be traced or looked into by others of the same user, and without a core.
        prctl(PR_SET_DUMPABLE, 0)
        # After the change of user, which takes it back.
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        raise OSError("the process that made this one has ended")
    if plan.landlock:
        landlock.restrict(plan.readable, folder)
    if plan.seccomp:
        seccomp.restrict()
