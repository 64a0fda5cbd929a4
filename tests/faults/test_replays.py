"""What a repeat with the same key has to complete after a crash."""

import pytest

from tests.faults.registries import begin_used, open_registry
from tests.marks import first_fast


@pytest.mark.parametrize(
    "act",
    first_fast(
        [
            lambda registry: registry.promote(3, key="k"),
            lambda registry: registry.upload(key="k"),
            lambda registry: registry.rollback(key="k"),
            lambda registry: registry.split([(2, 90), (3, 10)], key="k"),
        ]
    ),
    ids=["promote", "upload", "rollback", "split"],
)
def test_a_replayed_response_is_announced_again_after_a_crash(tmp_path, act):
    """A worker was killed after it had committed: the others went on with the version before,
    for up to a second after the repeat had been answered."""
    registry = open_registry(tmp_path)
    begin_used(registry)
    act(registry)
    announced = registry.counter.value

    assert act(registry).replayed

    assert registry.counter.value == announced + 1
    registry.close()
