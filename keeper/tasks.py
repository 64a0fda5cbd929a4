"""What the keeper does, in the order in which it is done."""

from typing import Protocol

from config import parse_webhook_allow
from keeper.deliverer import Deliverer
from keeper.loop import Task
from keeper.rollouts import LOOK_SECONDS, RolloutWatcher
from keeper.services import KeeperServices
from registry.deliveries.addresses import Allowed
from registry.deliveries.key_file import NAME, KeyFile
from registry.deliveries.sending import Sender
from registry.operations.report_shares import report_shares
from registry.operations.store_key_counts import store_key_counts
from registry.watching.rollout_counts import read_host_counts

SHARES_SECONDS = 60.0
STORE_SECONDS = 10.0


class Companion(Protocol):
    """Works beside the loop in threads of its own: what waits for others must not delay it."""

    def start(self) -> None:
        """Begin, and return at once."""

    def close(self) -> None:
        """Stop within a few seconds. What was not finished is done after the next start."""


def tasks_of(services: KeeperServices) -> list[Task]:
    """The tasks of the loop."""
    rollouts = RolloutWatcher(
        services.database,
        services.preparer.prepared,
        services.evaluator.results,
        lambda: read_host_counts(services.counts_folder(), services.run),
    )
    of_hosts = Task(
        "storing the keys of splits for other hosts",
        STORE_SECONDS,
        lambda: store_key_counts(services.database, services.counts_folder()),
    )
    return [
        Task("moving rollouts", LOOK_SECONDS, rollouts.look),
        *([] if services.database.is_sqlite else [of_hosts]),
        Task(
            "comparing the keys of splits with their weights",
            SHARES_SECONDS,
            lambda: report_shares(services.database, services.counts_folder()),
        ),
    ]


def companions_of(services: KeeperServices) -> list[Companion]:
    """What works beside the loop."""
    settings = services.settings
    sender = Sender(Allowed(*parse_webhook_allow(settings.webhook_allow)))
    keys = KeyFile(settings.data / NAME)
    return [Deliverer(services.database, sender, keys, settings.public_url)]
