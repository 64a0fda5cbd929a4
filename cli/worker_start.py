"""What a worker does first, before it imports anything large."""

import gc
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.preparation import Part

SUCCEEDED = signal.SIGUSR2
"""Sent to a worker to stop it when a successor accepts from the same listening socket."""

ENDS = frozenset({signal.SIGTERM, SUCCEEDED})
"""The signals that stop a worker. They are blocked before it starts a thread."""


def load_application(
    target: str,
    draining: Connection,
    comes_up: Connection,
    becomes_ready: Connection,
    preparation: "Part | None" = None,
) -> Any:
    """The application that a worker serves, from ``module:attribute``.

    The worker stops when ``draining`` is closed. It writes to ``comes_up`` when it can serve, and
    to ``becomes_ready`` when it has loaded the live versions. These are pipes, not files, because
    process ids are reused and other PID namespaces may share the data directory. ``preparation`` is
    its part in that of the service.
    """
    # Blocked before any thread is started, so that only the thread that waits for it receives it.
    # Child processes inherit the block; they end when their pipe is closed.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    # Of 173,000 objects that imports create, 2,000 are garbage. To look for them again and again
    # takes a tenth of the start. ``application_of`` enables the collector.
    gc.disable()
    # Imported late: it imports numpy, which starts threads, and Flask, which the main process does
    # not need.
    from cli.worker import application_of

    application = application_of(target, draining, becomes_ready, preparation)
    with suppress(BrokenPipeError):  # the main process is gone; this one will end because of it
        comes_up.send_bytes(b"up")
    comes_up.close()
    return application
