"""The memory of refused bodies goes back to the system, in a process of its own."""

import subprocess
import sys

import pytest

from tests.marks import first_fast

RESIDENT = r"""
from pathlib import Path

def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
"""

LARGE_BODY = r"""
import gzip
import io

from api.bodies import read_body
from registry.errors import BodyMalformed
from registry.engines.allocator import map_large_blocks

SIZE = 30 * 2**20
others = []


class Input(io.BytesIO):
    # While a body arrives, other requests take memory too, and some of it stays in use.
    def read(self, size=-1):
        others.append(b"x" * 50_000)
        return super().read(size)


map_large_blocks()
body = gzip.compress(bytes(SIZE), 1)
environ = {
    "CONTENT_LENGTH": str(len(body)),
    "HTTP_CONTENT_ENCODING": "gzip",
    "wsgi.input": Input(body[:-100]),
    "REMOTE_ADDR": "192.0.2.1",
}
before = resident()
try:
    read_body(environ, SIZE)
except BodyMalformed:
    pass  # and with it go the frames that hold the body
else:
    raise AssertionError
print(resident() - before)
"""


SMALL_BODIES = r"""
from contextlib import ExitStack

from api.receiving import Bodies

bodies = Bodies()
before = resident()
with ExitStack() as arriving:
    for _ in range(80):
        arriving.enter_context(bodies.arriving("somebody")).hold(2**19)
    pieces = [bytes(2**16) for _ in range(80 * 8)]
    behind = b"x" * 50_000  # what another request keeps; the heap cannot shrink below it
    del pieces
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and is about glibc")
@pytest.mark.parametrize(
    "bodies", first_fast([LARGE_BODY, SMALL_BODIES]), ids=["a large one", "many small"]
)
def test_refused_bodies_leave_no_memory_in_use(bodies: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT + bodies], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 16
