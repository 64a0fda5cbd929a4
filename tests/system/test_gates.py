"""Gates on the real server and its workers, used by the command."""

import json
from pathlib import Path

import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.system.models import iris_table, upload
from tests.system.real_server import Server


def worse_artifact() -> bytes:
    """A logistic regression, regularised so strongly that it hardly uses the features."""
    data = load_iris()
    model = LogisticRegression(C=1e-4).fit(data.data, data.target_names[data.target])
    return bytes(skops.io.dumps(model))


@pytest.mark.slow  # integration/api/test_gates.py and cli/test_gates.py have its parts
def test_only_a_version_that_is_better_on_the_holdout_becomes_live(
    server: Server, tmp_path: Path
) -> None:
    table = tmp_path / "holdout.csv"
    table.write_bytes(iris_table())
    claims = {"metrics": {"accuracy": 0.1}}
    upload(server, "gated", worse_artifact(), **claims)
    server.hotswap("promote", "gated", "1").check_returncode()
    upload(server, "gated", **claims)  # the second: better, and says nothing of it
    upload(server, "gated", worse_artifact(), metrics={"accuracy": 1.0, "log_loss": 0.0})
    kept = server.hotswap("holdout", "gated", str(table), "--target", "species")
    assert kept.returncode == 0, kept.stderr
    gates = ("--set", "log_loss < champion @ 95%", "--set", "signature compatible")
    assert server.hotswap("policy", "gated", *gates).returncode == 0

    refused = server.hotswap("promote", "gated", "3")
    assert refused.returncode == 1
    assert "log_loss < champion @ 95%" in refused.stderr

    asked = server.hotswap("evaluate", "gated/2", "--json")
    assert asked.returncode == 0, asked.stderr
    report = json.loads(asked.stdout)
    assert report["differences"]["log_loss"]["interval"][1] < 0

    promoted = server.hotswap("promote", "gated", "2", "--json")
    assert promoted.returncode == 0, promoted.stderr
    assert json.loads(promoted.stdout)["gates"] == report["gates"]
    for _ in range(4):  # whichever worker answers
        again = json.loads(server.hotswap("evaluate", "gated/1", "--json").stdout)
        assert again["champion"]["version"] == 2
        assert again["candidate"]["metrics"] == report["champion"]["metrics"]
    assert server.hotswap("rollback", "gated").returncode == 0
