"""A time of day that a test moves while a process runs."""

import struct
import subprocess
from pathlib import Path


class MovedClock:
    """The time of day of a server that is started with ``environment``."""

    def __init__(self, folder):
        library = folder / "moved_clock.so"
        source = Path(__file__).with_name("moved_clock.c")
        subprocess.run(
            ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True
        )
        self._file = folder / "added"
        self.move(0)
        self.environment = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self._file)}

    def move(self, seconds):
        """Let it be ``seconds`` later than it is."""
        with self._file.open("r+b" if self._file.exists() else "xb") as file:
            file.write(struct.pack("l", seconds))
