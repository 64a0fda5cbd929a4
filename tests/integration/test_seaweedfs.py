"""The server of S3 that tests use starts although another process has taken one of its ports."""

import socket
from collections.abc import Iterator

import pytest

from registry.blobs.bucket import open_bucket
from tests.seaweedfs import free_ports, running_seaweedfs


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process has, and on which it does not listen."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield int(other.getsockname()[1])


def test_it_starts_again_with_other_ports_if_one_is_taken(taken: int) -> None:
    chosen: list[list[int]] = []

    def choose(number: int) -> list[int]:
        ports = free_ports(number)
        chosen.append(ports if chosen else [*ports[:-2], taken, ports[-1]])
        return chosen[-1]

    with running_seaweedfs(choose) as server:
        bucket = open_bucket(server.url(), server.endpoint)
        bucket.put("blobs/one", b"bytes")

        assert b"".join(bucket.read("blobs/one")) == b"bytes"

    assert len(chosen) == 2
    assert taken not in chosen[1]


def test_it_says_why_it_does_not_start(taken: int) -> None:
    with (
        pytest.raises(AssertionError, match="not available"),
        running_seaweedfs(lambda number: [taken] * number),
    ):
        pass
