"""How much memory bodies take, and that of refused ones goes back to the system."""

import subprocess
import sys
import tracemalloc

import pytest

from api.bodies import read_body
from api.receiving import ARRIVAL, Arrival
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


def test_the_pieces_of_a_body_are_not_kept_beside_it():
    size, held = 2**20, []

    class Input:
        def read(self, most):
            held.append(tracemalloc.get_traced_memory()[0])
            return bytes(most)

    tracemalloc.start()
    try:
        body = read_body(
            {"CONTENT_LENGTH": str(size), "wsgi.input": Input(), ARRIVAL: Whole()}, size
        )
    finally:
        tracemalloc.stop()

    assert len(body) == size
    piece = size // len(held)
    assert len(held) == 4
    # What has arrived, with room to grow, and the last piece.
    assert held[2] - held[0] < 3.5 * piece


class Whole:
    """A body that arrives at once."""

    def begin_wait(self):
        pass

    def arrival(self, _size):
        return Arrival.WHOLE
