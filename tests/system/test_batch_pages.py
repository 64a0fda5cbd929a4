"""The examples of docs/batches.md run as they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from hotswap import Registry
from tests.system.models import iris_table, upload
from tests.system.real_server import ROOT, Server


@pytest.mark.slow
def test_the_dask_example_predicts_as_the_service_does(server: Server, tmp_path: Path) -> None:
    upload(server, "housing")
    server.call("POST", "/models/housing/1/promote").raise_for_status()
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "batches.md").read_text(), re.DOTALL
    )
    (tmp_path / "example.py").write_text(example.replace('"f8"', '"str"'))  # labels, no prices
    (tmp_path / "rows.csv").write_bytes(iris_table())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "example.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "HOTSWAP_URL": server.url,
            "HOTSWAP_TOKEN": server.token,
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with Registry(server.url, server.token) as registry:
        expected = registry.predict("housing", pd.read_csv(tmp_path / "rows.csv"))["predictions"]
    assert pd.read_csv(tmp_path / "predictions.csv")["prediction"].tolist() == expected
    assert list((tmp_path / "cache" / "hotswap").iterdir())
