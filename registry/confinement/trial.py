"""A minimal confined process, which shows whether one can run at all."""

import os
import tempfile

from registry.confinement.channel import Channel
from registry.confinement.confine import NO_FOLDER


def answer(channel: Channel, _files: list[int]) -> None:
    """Write to the temporary folder, if there is one; send what failed, or nothing."""
    fault = ""
    try:
        if os.environ["TMPDIR"] != NO_FOLDER:
            with tempfile.TemporaryFile() as file:
                file.write(b"confined")
    except OSError as error:
        fault = f"a confined process cannot write to its temporary folder: {error}"
    channel.send(fault.encode())
