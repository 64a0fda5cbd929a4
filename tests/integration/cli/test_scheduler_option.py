"""``hotswap retrain`` and ``reproduce`` with ``--scheduler``.

system/test_training_clusters.py has them with two worker processes, one of which is killed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_registry import FakeRegistry
from tests.integration.cli.fake_service import Answer, multipart, running
from trainers.recipe import Recipe
from trainers.search_space import Search
from trainers.training import train

pytestmark = pytest.mark.filterwarnings("ignore")  # distributed's own


@pytest.fixture
def service() -> Iterator[FakeRegistry]:
    with running(FakeRegistry) as service:
        assert isinstance(service, FakeRegistry)
        yield service


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster whose only worker has two threads of this process."""
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster


def computed(cluster: Any) -> int:
    """How many tasks of fits have been computed."""
    keys = {str(key) for key, *_ in cluster.scheduler.transition_log}
    return sum(key.startswith("run-") for key in keys)


def test_a_version_is_retrained_and_reproduced_on_a_cluster(
    hotswap: Hotswap, service: FakeRegistry, tmp_path: Path, cluster: Any
) -> None:
    address = cluster.scheduler_address
    table = tmp_path / "sales.csv"
    rows = [f"{x},{x % 7},{3 * x + x % 7}" for x in range(60)]
    table.write_text("january,region,march\n" + "\n".join(rows) + "\n")
    recipe = tmp_path / "sales.toml"
    recipe.write_text(
        'name = "sales"\ndata = "sales.csv"\ntarget = "march"\nkind = "tree"\n'
        '[search]\nmethod = "grid"\nfolds = 3\n[search.params]\nmax_depth = [2, 4]\n'
    )
    grid = Search(method="grid", params={"max_depth": (2, 4)}, folds=3)
    here = train(Recipe(data=str(table), target="march", kind="tree", search=grid))

    retrained = hotswap("retrain", str(recipe), "--scheduler", address, "--json")

    assert retrained.exit_code == 0, retrained.stderr
    assert f"trying 2 candidates by 3 folds, on 1 worker at {address} …" in retrained.stderr
    (sent,) = service.of("POST", "/models/sales/versions")
    assert multipart(sent)["artifact"][1] == here.artifact()
    assert service.promotions() == [1]
    of_retrain = computed(cluster)
    assert of_retrain > 0

    predicted = here.pipeline.predict(here.held_out).tolist()
    answer = {"model": "sales", "version": 1, "predictions": predicted}
    service.script("POST", "/models/sales/1/predict", Answer(200, answer))
    again = hotswap("reproduce", "sales/1", "--data", str(table), "--scheduler", address, "--json")

    assert again.exit_code == 0, again.stderr
    assert computed(cluster) > of_retrain
    assert json.loads(again.stdout)["predictions"] == {"rows": 12, "agree": 12, "largest": 0.0}
