"""The code in a card runs, and trained versions can be compared and drawn."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.marks import first_fast
from tests.system.models import upload
from tests.system.real_server import Server

ROW = {"it's $HOME `id` | %s": 'O\'Neil \u202e \\ "quoted" $(id) \n `x` 水', "instances": "b"}
"""Names and values that would run if they were not escaped."""


def listing(server: Server, name: str, language: str) -> str:
    """The code in this language in the card of a model's first version."""
    card = server.hotswap("card", f"{name}/1")
    assert card.returncode == 0, card.stderr
    found = re.search(rf"^(`{{3,}}){language}\n(.*?)\n\1$", card.stdout, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[2]


@pytest.fixture
def hostile(server: Server) -> str:
    rows = pd.DataFrame([ROW, dict.fromkeys(ROW, "other")])
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    artifact = skops.io.dumps(model.fit(rows, ["right", "wrong"]))
    upload(server, "hostile", bytes(artifact), input_example=ROW)
    return "hostile"


@pytest.mark.parametrize("command", first_fast([["bash", "-c"], [sys.executable, "-c"]]))
def test_the_example_code_of_a_card_predicts(
    server: Server, hostile: str, command: list[str]
) -> None:
    code = listing(server, hostile, "sh" if command[0] == "bash" else "python")
    run = subprocess.run(
        [*command, code],
        env={**os.environ, "HOTSWAP_TOKEN": server.token},
        capture_output=True,
        text=True,
        check=True,
    )
    assert server.token not in code
    assert "right" in run.stdout
    assert "wrong" not in run.stdout


@pytest.mark.slow  # unit/cli/test_compare.py, test_plots.py and test_card.py have its parts
def test_a_trained_version_can_be_compared_drawn_and_described(
    server: Server, tmp_path: Path
) -> None:
    for kind in ("logistic", "tree"):
        trained = server.hotswap("train", "sklearn:wine", "--kind", kind, "--name", "compared")
        assert trained.returncode == 0, trained.stderr
    compared = server.hotswap("compare", "compared", "1", "latest", "--json")
    assert compared.returncode == 0, compared.stderr
    metrics = {row["name"]: row for row in json.loads(compared.stdout)["metrics"]}
    assert metrics["log_loss"]["best"] == [1]
    assert metrics["accuracy"]["better"] == "higher"

    drawn = server.hotswap("plots", "compared/1", "--out", str(tmp_path / "plots"))
    assert drawn.returncode == 0, drawn.stderr
    assert {file.stem for file in (tmp_path / "plots").glob("*.svg")} == {
        *("confusion-matrix", "roc", "precision-recall", "calibration", "coefficients")
    }
    assert {file.suffix for file in (tmp_path / "plots").iterdir()} == {".svg", ".png"}

    card = server.hotswap("card", "compared/1")
    assert "It is a logistic regression and predicts `target`" in card.stdout
    assert "It was measured on only 36 rows" in card.stdout
