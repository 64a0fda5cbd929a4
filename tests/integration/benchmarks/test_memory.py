"""How much memory a server and its children take."""

import subprocess
import sys

from benchmarks.memory import family, memory_of

SLEEPS = "import sys; print(flush=True); sys.stdin.read()"
STARTS_ANOTHER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPS!r}])"


def test_memory_includes_child_processes() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()

        found = memory_of(process.pid)

        assert len(family(process.pid)) == found.processes == 2
        assert 0 < found.worker < found.resident
        assert 0 < found.proportional <= found.resident
        process.communicate(b"")
