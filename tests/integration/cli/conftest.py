"""Processes in which ``connections.c`` watches connections."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from cli.connections import do_not_preload, preload


@pytest.fixture(scope="module")
def preloaded() -> Iterator[Executor]:
    """A process that preloads the library."""
    if not preload(os.environ):
        pytest.skip("installed without a C compiler")
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            process.submit(int).result()
            yield process
    finally:
        do_not_preload(os.environ)
