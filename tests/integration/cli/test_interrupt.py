"""How the main thread of the service waits for signals."""

import subprocess
import sys

from cli.interrupt import Interrupt

OTHER_THREAD = """
import signal, threading, time
from cli.interrupt import Interrupt

def receive():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

interrupt = Interrupt(lambda: False)
signal.signal(signal.SIGUSR1, lambda *_: interrupt.set())
threading.Thread(target=receive).start()
interrupt.wait()
"""


def test_a_signal_that_another_thread_received_ends_the_wait() -> None:
    subprocess.run([sys.executable, "-c", OTHER_THREAD], timeout=20, check=True)


def test_what_was_noted_just_before_the_event_was_cleared_ends_the_wait() -> None:
    assert Interrupt(lambda: True).wait()
