"""The commands of the pages in examples/ run as they are, and their models are served.

tests/integration/test_examples.py compares the same models without a server;
tests/deploy/test_proxy_example.py runs the page that needs nginx.
"""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.examples import CLASSIFIERS, EXAMPLES, HOUSES, IRISES, PASSENGERS, SALES, plain_model
from tests.system.example_pages import check_served, follow
from tests.system.real_server import Server

pytestmark = pytest.mark.slow  # they train and upload through a server


def test_house_prices(server: Server, tmp_path: Path) -> None:
    printed = follow(HOUSES, server, tmp_path)

    assert re.search(r"^mse +\d", printed, re.MULTILINE)
    assert (tmp_path / "plots" / "predicted-against-true.svg").is_file()
    check_served(server, HOUSES, "linear")


def test_passengers(server: Server, tmp_path: Path) -> None:
    printed = follow(PASSENGERS, server, tmp_path)

    assert "passengers/production is now version 1" in printed
    for number, kind in enumerate(CLASSIFIERS, 1):
        check_served(server, PASSENGERS, kind, number)
    for metric in ("accuracy", "roc_auc"):
        best = server.call("GET", f"/models/passengers/versions?sort=-metrics.{metric}").json()
        assert best["items"][0]["version"] == 1


def test_irises(server: Server, tmp_path: Path) -> None:
    follow(IRISES, server, tmp_path)

    check_served(server, IRISES, "tree")


def test_monthly_sales(server: Server, tmp_path: Path) -> None:
    printed = follow(SALES, server, tmp_path, port="5000")

    (shown,) = re.findall(r"<output>(.+)</output> units, by version 1", printed)
    row = pd.DataFrame({"rate": [np.nan], "sales_first_month": 3000, "sales_second_month": 3100})
    assert float(shown) == pytest.approx(plain_model(SALES).predict(row)[0], abs=0.05)
    check_served(server, SALES, "linear")


def test_the_form_shows_what_is_wrong_with_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.hotswap("train", "--recipe", str(SALES.recipe), "--promote").check_returncode()
    monkeypatch.setenv("HOTSWAP_URL", server.url)
    monkeypatch.setenv("HOTSWAP_TOKEN", server.token)
    monkeypatch.syspath_prepend(EXAMPLES / "monthly-sales")

    form = {"rate": "<b>", "sales_first_month": "3000", "sales_second_month": "3100"}
    shown = import_module("page").app.test_client().post("/", data=form)

    assert shown.status_code == 422
    assert "rate" in re.findall(r'<p role="alert">(.+)', shown.text)[0]
    assert "<b>" not in shown.text
    assert "<output>" not in shown.text
