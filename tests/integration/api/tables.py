"""Holdouts for the small models, as bytes, and what scikit-learn makes of them."""

import io

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"


def parquet(frame, **options):
    body = io.BytesIO()
    frame.to_parquet(body, index=False, **options)
    return body.getvalue()


def csv(frame):
    return frame.to_csv(index=False).encode()


def line(slope=2.0, rows=200, noise=0.5):
    """What a line of that slope would be measured on: its one column and the target ``y``."""
    draws = np.random.default_rng(6)
    x = draws.uniform(0, 10, rows)
    return pd.DataFrame({"x0": x, "y": slope * x + noise * draws.normal(size=rows)})


def irises():
    iris = load_iris()
    frame = pd.DataFrame(iris.data, columns=["sepal_l", "sepal_w", "petal_l", "petal_w"])
    return frame.assign(species=iris.target_names[iris.target])


def set_holdout(caller, name, body, target=None, content_type=PARQUET):
    query = {} if target is None else {"target": target}
    return caller.put(
        f"/models/{name}/holdout", data=body, content_type=content_type, query_string=query
    )


def set_policy(caller, name, *gates):
    answer = caller.put(f"/models/{name}/policy", json={"gates": list(gates)})
    assert answer.status_code == 200, answer.text
    return answer.json
