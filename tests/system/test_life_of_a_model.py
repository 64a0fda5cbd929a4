"""From training to rollback by commands, on a server with two workers."""

import json

import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from benchmarks.swap import constant_model
from tests.system.models import upload
from tests.system.real_server import Server

ROW = {"x0": 1.0, "x1": 2.0}
IRIS = {
    "sepal length (cm)": "5.1",
    "sepal width (cm)": "3.5",
    "petal length (cm)": "1.4",
    "petal width (cm)": "0.2",
}


def test_a_model_is_trained_promoted_swapped_and_rolled_back(server: Server) -> None:
    trained = server.hotswap(
        "train", "sklearn:iris", "--kind", "logistic", "--name", "irises", "--promote"
    )
    assert trained.returncode == 0, trained.stderr
    assert "accuracy" in trained.stdout

    irises = load_iris(as_frame=True)
    other = LogisticRegression(C=0.1).fit(irises.data, irises.target_names[irises.target])
    upload(server, "irises", bytes(skops.io.dumps(other)))
    assert _version(server, "irises") == 1

    assert server.hotswap("promote", "irises", "2", "--reason", "better").returncode == 0
    run = server.hotswap("predict", "irises", *map("=".join, IRIS.items()), "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"model": "irises", "version": 2, "prediction": "setosa"}

    assert server.hotswap("rollback", "irises").returncode == 0
    assert _version(server, "irises") == 1
    assert _version(server, "irises/2") == 2

    events = json.loads(server.hotswap("history", "irises", "--json").stdout)
    moves = [(event["type"], event["from_version"], event["to_version"]) for event in events]
    assert moves[:2] == [("rolled_back", 2, 1), ("promoted", 1, 2)]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in ("linear", "tree", "forest")]
)
def test_a_regression_of_each_kind_is_served(server: Server, kind: str) -> None:
    name = f"diabetes-{kind}"
    trained = server.hotswap(
        "train", "sklearn:diabetes", "--kind", kind, "--name", name, "--promote", "--json"
    )
    assert trained.returncode == 0, trained.stderr
    shown = json.loads(server.hotswap("show", f"{name}/1", "--json").stdout)

    predicted = server.call("POST", f"/models/{name}/predict", json=shown["input_example"]).json()

    assert shown["kind"] == kind
    assert shown["metrics"]["rmse"] > 0
    assert 25 <= predicted["prediction"] <= 346, "outside of what diabetes was ever measured at"


def test_every_worker_serves_the_new_version_after_a_promotion(server: Server) -> None:
    for value in (100.0, 200.0):
        upload(server, "planes", constant_model(value))

    for number in (1, 2, 1, 2):
        server.call("POST", f"/models/planes/{number}/promote").raise_for_status()
        answers = [server.call("POST", "/models/planes/predict", json=ROW) for _ in range(12)]
        assert {answer.json()["version"] for answer in answers} == {number}
        assert {answer.json()["prediction"] for answer in answers} == {100.0 * number}


def test_the_history_verifies_in_the_database_and_its_end_serves_as_an_anchor(
    server: Server,
) -> None:
    server.call("POST", "/models", json={"name": "anchored"}).raise_for_status()
    verified = server.hotswap("history", "--verify", "--json")
    assert verified.returncode == 0, verified.stderr
    head = json.loads(verified.stdout)
    server.call("PATCH", "/models/anchored", json={"description": "later"}).raise_for_status()

    anchor = f"{head['seq']}:{head['hash']}"
    assert server.hotswap("history", "--verify", "--anchor", anchor).returncode == 0


@pytest.mark.slow  # registry/test_history.py has what does not match
def test_an_anchor_that_the_history_does_not_have_is_refused(server: Server) -> None:
    head = json.loads(server.hotswap("history", "--verify", "--json").stdout)
    forged = f"{head['seq']}:{'0' * 64}"
    assert server.hotswap("history", "--verify", "--anchor", forged).returncode == 1


def _version(server: Server, reference: str) -> int:
    row = {name: float(cell) for name, cell in IRIS.items()}
    answer = server.call("POST", f"/models/{reference}/predict", json=row)
    assert answer.json()["prediction"] == "setosa"
    return int(answer.json()["version"])
