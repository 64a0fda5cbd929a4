"""Requests that are answered before their bodies have arrived: the answer reaches the client."""

from concurrent.futures import Executor

from tests.integration.cli.watched_pair import received_after_early_answer

MEGABYTE = 2**20


def test_a_client_that_sends_its_body_to_the_end_receives_the_answer(preloaded: Executor) -> None:
    length = 8 * MEGABYTE

    sent, received = preloaded.submit(received_after_early_answer, length).result()

    assert (sent, received) == (length, b"refused")


def test_a_client_that_sends_without_end_is_disconnected(preloaded: Executor) -> None:
    sent, _ = preloaded.submit(received_after_early_answer, 512 * MEGABYTE).result()

    assert sent < 128 * MEGABYTE
