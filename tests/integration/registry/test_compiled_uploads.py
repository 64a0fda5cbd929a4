"""What an upload keeps of a compiled model, and what a worker that serves it imports."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import registry
from registry.blobs.local import LocalBlobStore
from registry.engines import forest
from registry.intake.inspector import Inspector
from registry.live.snapshot import served_version
from registry.operations.register import Metadata, register
from registry.reading.queries import find_version
from registry.storage.database import Database
from tests.integration.registry.shops import EXAMPLE, FRAME, TARGET, preparation, signature_of

ROOT = Path(registry.__file__).parents[1]


@pytest.fixture(scope="module")
def inspector(spawner):
    return Inspector(spawner=spawner)


def registered(model, tmp_path, database: Database, inspector, example=None):
    """Upload ``model``: what the API shows of the version, and what a worker loads it by."""
    blobs = LocalBlobStore(tmp_path / "blobs")
    said = Metadata(format="skops", signature=signature_of(model).to_json(), input_example=example)
    with blobs.stage(10**8) as artifact:
        skops.io.dump(model, artifact)
        view = register(database, inspector, "shop", artifact, said, actor="tests").view
    with database.read() as session:
        return view, served_version(find_version(session, "shop", "1")), blobs


_WORKER = """
import json, os, sys
from pathlib import Path
from registry.blobs.local import LocalBlobStore
from registry.engines.loading import loader
from registry.engines.served_version import ServedVersion
from registry.engines.predictor import example_batch
from registry.signature import Signature
said = json.load(sys.stdin)
signature = Signature.from_json(said["signature"])
version = ServedVersion("shop", 1, "skops", said["sha256"], 1, signature, said["example"],
                        said["compiled"])
predictor = loader(LocalBlobStore(Path(said["blobs"])))(version)
answers = predictor.predict(example_batch(signature, said["example"]))
heavy = ["sklearn", "pandas", "skops", "scipy", "joblib", "onnx", "skl2onnx", "pyarrow"]
threads = len(os.listdir("/proc/self/task"))
json.dump([answers.values, [name for name in heavy if name in sys.modules], threads], sys.stdout)
"""


def test_a_worker_serves_a_compiled_model_without_scikit_learn_and_pandas(
    sqlite_database, inspector, tmp_path
):
    model = make_pipeline(preparation(), RandomForestRegressor(10, random_state=0))
    model.fit(FRAME, TARGET)
    view, version, blobs = registered(model, tmp_path, sqlite_database, inspector, EXAMPLE)
    said = {
        "signature": version.signature.to_json(),
        "sha256": "0" * 64,  # the artifact itself is not looked at
        "example": EXAMPLE,
        "compiled": dict(version.compiled),
        "blobs": str(blobs.root),
    }

    home = tmp_path / "home"
    home.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", _WORKER],
        input=json.dumps(said),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ
        | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "OPENBLAS_NUM_THREADS": "1"},
    )

    values, heavy, threads = json.loads(run.stdout)
    assert threads == 1
    assert list(home.iterdir()) == []  # onnxruntime would keep its telemetry there
    assert heavy == []
    row = pd.DataFrame([EXAMPLE | {"city": np.nan}])[FRAME.columns.tolist()]
    row["city"] = row["city"].astype(object)
    assert values == model.predict(row).tolist()
    assert view["engine"]["name"] == ("trees" if forest.AVAILABLE else "onnx")
    assert "compiled" not in view


def test_an_upload_that_does_not_convert_is_served_by_scikit_learn(
    sqlite_database, inspector, tmp_path
):
    model = make_pipeline(
        preparation(),
        TransformedTargetRegressor(LinearRegression(), transformer=MinMaxScaler()),
    ).fit(FRAME, TARGET)

    view, version, _ = registered(model, tmp_path, sqlite_database, inspector)

    assert view["engine"]["name"] == "scikit-learn"
    assert "A target that a MinMaxScaler transforms" in view["engine"]["reason"]
    assert version.compiled == {}


def test_the_reason_against_a_faster_engine_is_stored_with_the_version(
    sqlite_database, inspector, tmp_path
):
    model = make_pipeline(preparation(), PCA(2), LinearRegression()).fit(FRAME, TARGET)

    view, version, _ = registered(model, tmp_path, sqlite_database, inspector)

    assert view["engine"]["name"] == "onnx"
    assert view["engine"]["reason"].startswith("A faster engine is not used: PCA")
    assert list(version.compiled) == ["onnx"]


def test_the_server_itself_never_imports_a_converter():
    program = (
        "import sys, registry.intake.inspector, registry.operations.register;"
        "print([m for m in ('onnx', 'skl2onnx', 'sklearn', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert run.stdout.strip() == "[]"
