"""A head is read in the same way however the network divides it."""

from concurrent.futures import Executor

import pytest

from tests.integration.cli.watched_pair import delivered

HEAD = (
    b"POST %b HTTP/1.1\r\nHo_st: e_v:i_l\r\nHost:local_host\r\n_a_: b_c\r\n"
    b"long_%b_name: a_b\r\nContent_Length: 9\r\n\r\n"
)
SPOILED = b"\r\n@\r\n\r\n"
"""A field that no HTTP library accepts."""


def sent(target: bytes) -> bytes:
    return HEAD % (target, b"x" * 200)


def received(preloaded: Executor, head: bytes) -> set[bytes]:
    """What the server receives of a head in two parts, divided anywhere, and byte by byte."""
    halves = [preloaded.submit(delivered, head[:at], head[at:]) for at in range(1, len(head))]
    bytewise = preloaded.submit(delivered, *(bytes([byte]) for byte in head))
    return {future.result() for future in (*halves, bytewise)}


@pytest.mark.parametrize("target", [b"/a_b:c", b"http://local_host/a_b"])
def test_fields_with_underscores_are_renamed(preloaded: Executor, target: bytes) -> None:
    line, fields = sent(target).split(b"\r\n", 1)
    for name in (b"Ho_st:", b"_a_:", b"long_", b"x_name:", b"Content_Length:"):
        fields = fields.replace(name, name.replace(b"_", b"."))

    assert received(preloaded, sent(target)) == {line + b"\r\n" + fields}


@pytest.mark.parametrize("target", [b"http://localhost/", b"ftp://local_host/", b"local_host"])
def test_a_target_with_another_authority_is_made_invalid(
    preloaded: Executor, target: bytes
) -> None:
    assert all(head.endswith(SPOILED) for head in received(preloaded, sent(target)))
