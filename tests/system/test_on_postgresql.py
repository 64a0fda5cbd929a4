"""The main paths on a real server whose database is PostgreSQL. Other tests of servers use SQLite.

A backup is in ``test_backups_on_postgresql.py``, two hosts in ``test_keepers_of_hosts.py`` and in
``tests/hosts``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import PostgreSql, running_postgresql
from tests.system.generations import generations
from tests.system.models import upload
from tests.system.real_server import BIN, Server, free_port, running
from tests.system.test_hand_over import ANSWERS, MODEL, check_hand_overs, constant_model
from tests.system.test_idempotency import keyed
from tests.system.test_idempotency import (
    test_twenty_concurrent_requests_with_one_key_have_one_effect as test_one_key_has_one_effect,
)
from tests.system.test_life_of_a_model import (
    test_a_model_is_trained_promoted_swapped_and_rolled_back as test_the_life_of_a_model,
)
from tests.system.test_life_of_a_model import (
    test_every_worker_serves_the_new_version_after_a_promotion as test_every_worker_serves_it,
)
from tests.system.test_swap import (
    test_no_reply_fails_or_is_stale_while_an_alias_alternates as test_swaps_under_load,
)
from tests.system.test_tokens import (
    test_a_token_is_accepted_and_revoked_on_every_worker_at_once as test_tokens_are_revoked,
)

__all__ = [
    "keyed",
    "test_every_worker_serves_it",
    "test_one_key_has_one_effect",
    "test_swaps_under_load",
    "test_the_life_of_a_model",
    "test_tokens_are_revoked",
]
pytestmark = pytest.mark.slow  # their forms on SQLite are in make test

SERVE: list[str | Path] = [BIN / "hotswap", "serve", "--workers", "2"]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSql) -> Iterator[Server]:
    """In the place of the one that all tests share."""
    data = tmp_path_factory.mktemp("postgresql") / "data"
    url = postgresql.create(migrated=False)
    with running(SERVE, data, free_port(), HOTSWAP_DATABASE_URL=url) as started:
        yield started
    assert not (data / "registry.db").exists()


def test_hand_overs_under_load(tmp_path: Path, postgresql: PostgreSql) -> None:
    url, data = postgresql.create(migrated=False), tmp_path / "data"
    with running(SERVE, data, free_port(), HOTSWAP_DATABASE_URL=url) as server:
        for value in ANSWERS.values():
            upload(server, MODEL, constant_model(float(str(value))))
        server.call("POST", f"/models/{MODEL}/1/promote").raise_for_status()

    with generations(data, unix=False, HOTSWAP_DATABASE_URL=url) as service:
        check_hand_overs(service)
