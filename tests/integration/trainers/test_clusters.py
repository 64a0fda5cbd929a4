"""Training on a Dask cluster makes the same versions as without one, whatever its workers do."""

import hashlib
import os
import signal
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed

from hotswap.errors import ClusterFailed
from tests.marks import first_fast
from tests.missing_library import missing_library
from trainers.cluster import backend
from trainers.cluster.connection import connected
from trainers.errors import ClusterUnavailable, FitRefused
from trainers.recipe import Recipe
from trainers.search_space import Range, Search
from trainers.training import train

# distributed's own, when a worker or scheduler ends
pytestmark = pytest.mark.filterwarnings("ignore")

GRID = Search(method="grid", params={"max_depth": (1, 2, 4), "min_samples_leaf": (2, 6)}, folds=3)


@contextmanager
def local_cluster(**how):
    import dask
    from distributed import LocalCluster

    # A loaded machine may take longer to start a worker again; then LocalCluster gives it up.
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "10m"})
    with patient, LocalCluster(dashboard_address=None, **how) as started:
        yield started


@pytest.fixture(scope="module")
def address():
    """A cluster whose only worker has two threads of this process."""
    with local_cluster(n_workers=1, threads_per_worker=2, processes=False) as started:
        yield started.scheduler_address


def made(model):
    return hashlib.sha256(model.artifact()).hexdigest(), model.metadata()


def on_cluster(address, recipe, **how):
    with connected(address) as cluster:
        return train(recipe, cluster=cluster, **how)


@pytest.mark.parametrize(
    "fields",
    first_fast(
        [
            {
                "kind": "forest",
                "target": "thrives",
                "params": {"n_estimators": 5},
                "search": Search(
                    method="random", params={"max_depth": Range(1, 9)}, draws=2, folds=2
                ),
            },
            {
                "kind": "forest",
                "target": "sales",
                "params": {"n_estimators": 12, "oob_score": True},
            },
            {"kind": "tree", "target": "sales", "search": GRID},
        ]
    ),
    ids=["search of forests", "forest", "search"],
)
def test_a_training_on_a_cluster_makes_the_same_version(shops_csv, address, fields, monkeypatch):
    monkeypatch.setattr(backend, "LARGE", 100)  # also these few rows are kept by the workers
    recipe = Recipe(data=str(shops_csv), **fields)
    reported = []

    model = on_cluster(address, recipe, progress=lambda *done: reported.append(done))

    assert made(model) == made(train(recipe))
    assert reported[-1][0] == reported[-1][1]


def test_warnings_of_workers_are_kept_as_those_of_this_process(shops_csv, address):
    search = Search(method="grid", params={"C": (1.0, 10.0)}, folds=2)
    recipe = Recipe(
        data=str(shops_csv), target="thrives", kind="logistic", search=search,
        params={"max_iter": 2},
    )  # fmt: skip

    model = on_cluster(address, recipe)

    assert any("lbfgs failed to converge" in note for note in model.notes)
    assert made(model) == made(train(recipe))


def test_an_error_of_a_worker_is_refused_as_one_of_this_process(shops_csv, address):
    search = Search(
        method="grid", params={"solver": ("lbfgs", "liblinear"), "dual": (True, False)}, folds=2
    )
    recipe = Recipe(data=str(shops_csv), target="thrives", kind="logistic", search=search)
    with pytest.raises(FitRefused) as here:
        train(recipe)

    with pytest.raises(FitRefused) as there:
        on_cluster(address, recipe)

    assert str(there.value) == str(here.value)


def test_a_worker_with_other_libraries_is_refused(address):
    with connected(address) as cluster, cluster.parallel({"numpy": "1.0", "lost": "3"}):
        tasks = [delayed(int)() for _ in range(3)]
        with pytest.raises(
            ClusterFailed, match=r"has other versions: numpy \S+ instead of 1\.0, lost missing"
        ):
            Parallel(n_jobs=-1)(tasks)


def test_without_the_extra_a_cluster_is_refused():
    with (
        missing_library("distributed"),
        pytest.raises(ClusterUnavailable, match="Install the extra 'dask'"),
        connected("tcp://127.0.0.1:1"),
    ):
        pass


@pytest.fixture(scope="module")
def houses_csv(tmp_path_factory):
    """3,000 rows, so that a training takes long enough to lose a worker."""
    draws = np.random.default_rng(3)
    table = pd.DataFrame(draws.normal(size=(3_000, 6)), columns=list("abcdef"))
    table["price"] = table @ draws.normal(size=6) + draws.normal(size=3_000)
    path = tmp_path_factory.mktemp("houses") / "houses.csv"
    table.to_csv(path, index=False)
    return path


def killer(cluster, which, at):
    """Progress that kills the workers at the positions ``which`` when ``at`` parts are done."""
    killed = []

    def progress(done, total):
        if done >= at and not killed:
            assert done < total
            for place in which:
                killed.append(list(cluster.workers.values())[place].pid)
                os.kill(killed[-1], signal.SIGKILL)

    return progress, killed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("searched", "which"),
    [(True, [0]), (True, [0, 1]), (False, [1]), (False, [0, 1])],
    ids=["search, one", "search, both", "forest, one", "forest, both"],
)
def test_workers_that_are_killed_do_not_change_the_version(houses_csv, searched, which):
    depths = Search(method="grid", params={"max_depth": (4, 8, 12)}, folds=4)
    recipe = Recipe(
        data=str(houses_csv),
        target="price",
        kind="forest",
        params={"n_estimators": 5 if searched else 40},
        search=depths if searched else None,
    )
    with local_cluster(n_workers=2, threads_per_worker=1) as started:
        progress, killed = killer(started, which, at=4)
        model = on_cluster(started.scheduler_address, recipe, progress=progress)

    assert len(killed) == len(which)
    assert made(model) == made(train(recipe))
