"""The option ``--scheduler``: a Dask cluster to train on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cli.stages import Stage

if TYPE_CHECKING:  # it imports scikit-learn, which --help must not wait for
    from trainers.cluster.connection import Cluster


def scheduler_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --scheduler to ``command``."""
    return click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="A Dask scheduler, such as tcp://host:8786, whose workers try the candidates of a "
        "search and grow forests. The version is the same.",
    )(command)


@contextmanager
def on_cluster(address: str | None, stage: Stage) -> "Iterator[Cluster | None]":
    """The cluster of the scheduler at ``address``; None where none is given.

    Raises ClusterUnavailable, ClusterFailed.
    """
    if address is None:
        yield None
        return
    stage(f"connecting to {address}")
    from trainers.cluster.connection import connected

    with connected(address) as cluster:
        yield cluster
