"""Compiled forms on their way from a confined process to the service."""

import errno
import os
import socket
import threading
from pathlib import Path

import pytest

from registry.confinement.channel import Channel, Deadline
from registry.confinement.spawner import Confined
from registry.errors import StorageFull
from registry.intake.forms import FORM_LIMITS, check_form, receive_form


@pytest.fixture
def pair():
    """A process as the service sees it, and the channel of that process."""
    ours, theirs = socket.socketpair()
    status, reporting = socket.socketpair()
    with ours, theirs, status, reporting:
        yield Confined(ours, status), Channel(theirs.fileno())


def test_a_form_is_received_into_a_file_without_a_name(pair, tmp_path: Path) -> None:
    process, channel = pair
    content = os.urandom(3 * 2**20)
    sender = threading.Thread(target=channel.send, args=[content])
    sender.start()

    received = receive_form(process, "forest", tmp_path, Deadline(20))
    sender.join()

    assert received == content
    assert list(tmp_path.iterdir()) == []


def test_an_ended_process_sends_no_form(pair, tmp_path: Path) -> None:
    process, channel = pair
    with socket.socket(fileno=os.dup(channel._descriptor)) as theirs:
        theirs.shutdown(socket.SHUT_RDWR)

    assert receive_form(process, "onnx", tmp_path, Deadline(20)) is None


class FullDisk:
    """A process whose form does not fit on the disk."""

    def receive_into(self, *_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_for_a_form_is_not_an_error_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        receive_form(FullDisk(), "onnx", tmp_path, Deadline(20))


def test_a_form_above_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="it takes 3 bytes; at most 2 are allowed"):
        check_form("linear", b"abc", {**FORM_LIMITS, "linear": 2})
