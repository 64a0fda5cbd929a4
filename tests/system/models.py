"""Small real models, and how a client uploads them."""

import io
import json
from functools import cache
from typing import Any

import pandas as pd
import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.system.real_server import Server


@cache
def iris_artifact() -> bytes:
    """A fitted logistic regression on the irises, by position."""
    data = load_iris()
    model = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
    return bytes(skops.io.dumps(model))


@cache
def iris_table() -> bytes:
    """Irises as CSV, with the columns that ``iris_artifact`` takes and their species."""
    data = load_iris()
    frame = pd.DataFrame(data.data, columns=["x0", "x1", "x2", "x3"])
    text: str = frame.assign(species=data.target_names[data.target]).to_csv(index=False)
    return text.encode()


def upload(
    server: Server, name: str, artifact: bytes | None = None, **metadata: Any
) -> dict[str, Any]:
    """Upload and return the version."""
    reply = server.call(
        "POST",
        f"/models/{name}/versions",
        files={"artifact": ("model.skops", io.BytesIO(artifact or iris_artifact()))},
        data={"metadata": json.dumps(metadata)},
    )
    reply.raise_for_status()
    version: dict[str, Any] = reply.json()
    return version
