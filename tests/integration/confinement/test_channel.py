"""Messages of the confined, whole, cut off, too long or made up."""

import io
import os
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.confinement.channel import (
    Channel,
    Deadline,
    MessageRefused,
    receive,
    receive_into,
    send,
)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_messages_arrive_in_both_directions(ends):
    ours, theirs = ends
    channel = Channel(theirs.fileno())
    send(ours, Deadline(5), b"", b"question")
    channel.send(b"answer", b"")

    assert (channel.receive(), channel.receive()) == (b"", b"question")
    assert receive(ours, 10, Deadline(5)) == b"answer"
    assert receive(ours, 10, Deadline(5)) == b""


def test_a_message_larger_than_any_buffer_arrives(ends):
    ours, theirs = ends
    message = os.urandom(5_000_000)
    sender = threading.Thread(target=Channel(theirs.fileno()).send, args=(message,))
    sender.start()

    assert receive(ours, 5_000_000, Deadline(10)) == message
    sender.join()


def test_the_end_of_the_stream_is_not_a_message(ends):
    ours, theirs = ends
    theirs.close()

    assert receive(ours, 10, Deadline(5)) is None


WHOLE = struct.pack("!I", 5) + b"hello"


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_a_truncated_message_is_refused_on_both_sides(cut):
    for read in (
        lambda end: receive(end, 10, Deadline(5)),
        lambda end: receive_into(end, io.BytesIO(), 10, Deadline(5)),
        lambda end: Channel(end.fileno()).receive(),
    ):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(WHOLE[:cut])
            theirs.close()
            with pytest.raises(MessageRefused):
                read(ours)


def test_a_message_over_the_limit_is_refused_before_it_is_read(ends):
    ours, theirs = ends
    theirs.sendall(struct.pack("!I", 2**32 - 1))

    with pytest.raises(MessageRefused, match="4294967295 bytes; at most 100 are allowed"):
        receive(ours, 100, Deadline(5))


def test_a_slow_sender_times_out(ends):
    ours, theirs = ends
    stop = threading.Event()

    def drip():
        theirs.sendall(struct.pack("!I", 1000))
        while not stop.wait(0.02):
            theirs.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(ours, 1000, Deadline(0.3))
    assert time.monotonic() - began < 10
    stop.set()
    dripping.join()


def test_a_receiver_that_does_not_read_times_out(ends):
    ours, _ = ends

    with pytest.raises(TimeoutError):
        send(ours, Deadline(0.3), bytes(10_000_000))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_a_refusal_or_the_end(sent):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.close()
        try:
            message = receive(ours, 30, Deadline(5))
        except MessageRefused:
            return
        assert (
            message is None or struct.pack("!I", len(message)) + message == sent[: 4 + len(message)]
        )
