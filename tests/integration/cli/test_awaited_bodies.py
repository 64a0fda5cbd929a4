"""The time before a body is read is not its caller's, who may wait to be asked for it."""

from concurrent.futures import Executor

import pytest

from tests.integration.cli.watched_pair import body_is_ended


@pytest.mark.parametrize("awaited", [False, True])
def test_a_body_is_slow_only_once_it_is_waited_for(preloaded: Executor, *, awaited: bool) -> None:
    assert preloaded.submit(body_is_ended, awaited=awaited).result() is awaited
