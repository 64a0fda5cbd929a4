"""A hostile model process, which misbehaves in the way that the first number of a row selects."""

import ctypes
import json
import os
import struct
import time
from collections.abc import Callable

from registry.confinement.channel import Channel
from registry.engines.model_messages import read_request
from registry.signature import Signature

SIGNATURE = Signature.from_json(
    {"inputs": [{"name": "x", "type": "number"}], "output": {"name": "y", "type": "number"}}
)
CLASSES = Signature.from_json(
    {
        "inputs": [{"name": "x", "type": "number"}],
        "output": {"name": "y", "type": "string", "classes": ["a", "b"]},
    }
)
FLOATS = b'{"type":"reply","values":"floats"}'
LABELS = b'{"type":"reply","values":"labels"}'


def serve(channel: Channel, files: list[int]) -> None:
    """Load nothing; answer twice the number, but for those that ask for something else."""
    load = json.loads(channel.receive() or b"{}")
    signature = Signature.from_json(load["signature"])
    channel.send(b'{"type":"loaded","has_probabilities":true,"has_scores":true}')
    while (head := channel.receive()) is not None:
        batch, _ = read_request(head, lambda _: channel.receive() or b"", signature)
        first = batch.columns["x"][0]
        if first in MISDEEDS:
            MISDEEDS[first](channel)
        else:
            values = [2 * value for value in batch.columns["x"]]
            channel.send(FLOATS, struct.pack(f"@{len(values)}d", *values))


def serve_nobody(channel: Channel, files: list[int]) -> None:
    """End before anything is loaded."""
    ctypes.string_at(0)


def load_without_end(channel: Channel, files: list[int]) -> None:
    """Take for ever."""
    time.sleep(3600)


def boast(channel: Channel, files: list[int]) -> None:
    """Send a message during loading that was not requested."""
    channel.receive()
    channel.send(b'{"type":"loaded","has_probabilities":true,"owner":"root"}')


def hang(_: Channel) -> None:
    time.sleep(3600)


def crash(_: Channel) -> None:
    ctypes.string_at(0)


def leave(_: Channel) -> None:
    os._exit(0)


def too_few(channel: Channel) -> None:
    channel.send(FLOATS, b"")


def too_many(channel: Channel) -> None:
    channel.send(FLOATS, bytes(8 * 1000))


def nonsense(channel: Channel) -> None:
    channel.send(b"\xff", bytes(8))


def nested(channel: Channel) -> None:
    channel.send(b"[" * 4000, bytes(8))


def endless_head(channel: Channel) -> None:
    channel.send(b" " * 2**20)


def break_off(channel: Channel) -> None:
    os.write(channel._descriptor, struct.pack("!I", 8))
    os._exit(0)


def labels_of_a_number(channel: Channel) -> None:
    channel.send(LABELS, bytes(8))


def label_below(channel: Channel) -> None:
    channel.send(LABELS, struct.pack("@q", -1))


def label_above(channel: Channel) -> None:
    channel.send(LABELS, struct.pack("@q", 2))


def too_few_scores(channel: Channel) -> None:
    channel.send(LABELS, struct.pack("@q", 1), b"")


def scores_not_finite(channel: Channel) -> None:
    channel.send(LABELS, struct.pack("@q", 1), struct.pack("@d", float("inf")))


def not_finite(channel: Channel) -> None:
    channel.send(FLOATS, struct.pack("@d", float("nan")))


def forge(channel: Channel) -> None:
    channel.send(json.dumps({"type": "refused", "detail": "no\n\x1b[2Jadmin logged in"}).encode())


def unasked_pickle(channel: Channel) -> None:
    channel.send(b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.", bytes(8))


MISDEEDS: dict[float, Callable[[Channel], None]] = dict(
    enumerate(
        (
            *(hang, crash, leave, too_few, too_many, nonsense, nested, endless_head, break_off),
            *(labels_of_a_number, label_below, label_above, not_finite, forge, unasked_pickle),
            *(too_few_scores, scores_not_finite),
        ),
        start=1000,
    )
)
NUMBERS: dict[str, float] = {misdeed.__name__: number for number, misdeed in MISDEEDS.items()}
