"""What the service contains besides the demo: models with a history, made as owners make them.

| model | what it is |
|---|---|
| ``rents`` | 1, 2 and 3 were promoted in turn, then 2 was restored; 4 waits; gates and a holdout |
| ``species`` | a classifier with three classes |
| ``quiet`` | versions, and nothing live |
| ``busy`` | 50 versions, so that the page of the model is full |
| ``split`` | production is split over three versions |
| ``rolling`` | 2 is rolled out in place of 1 |
| ``old`` | archived |
| ``hostile`` | ``HOSTILE`` wherever somebody can write |
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import hotswap
from hotswap import Registry
from tests.integration.console.conftest import HOSTILE
from tests.system.real_server import Server

MANY = 50
PLAN = {
    "steps": [
        {"weight": 5, "minutes": 10, "requests": 2000},
        {"weight": 25, "minutes": 30, "requests": 10000},
        {"weight": 100},
    ],
    "guards": ["faults <= champion * 2 + 0.5%", "slow <= champion * 2 + 1%"],
}
GATES = ["rmse <= champion * 1.5", "r2 >= 0.2"]


@cache
def flats(seed: int = 5, rows: int = 400) -> pd.DataFrame:
    """Flats and their rents: numbers, a whole number, a truth value and a text."""
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "area": draws.uniform(18, 160, rows).round(1),
            "rooms": draws.integers(1, 7, rows),
            "furnished": draws.random(rows) < 0.3,
            "district": draws.choice(["Altstadt", "Hafen", "Westend"], rows),
        }
    )
    per_metre = frame["district"].map({"Altstadt": 19.0, "Hafen": 14.5, "Westend": 16.0})
    frame["rent"] = (
        frame["area"] * per_metre
        + 35 * frame["rooms"]
        + 140 * frame["furnished"]
        + draws.normal(0, 90, rows)
    ).round(2)
    return frame


def rents_model(alpha: float) -> Any:
    """A ridge regression of the rents; the larger ``alpha``, the worse."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["area", "rooms"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["district"]),
            ("rest", "passthrough", ["furnished"]),
        ]
    )
    inputs = flats().drop(columns="rent").iloc[:300]
    return make_pipeline(columns, Ridge(alpha=alpha)).fit(inputs, flats()["rent"].iloc[:300])


def log_rents(service: Registry, name: str, alpha: float, **said: Any) -> int:
    """Upload a version of a model of rents, measured on 100 held-out flats; its number."""
    inputs, target = flats().drop(columns="rent"), flats()["rent"]
    version = hotswap.log(
        rents_model(alpha),
        inputs.iloc[:300],
        inputs.iloc[300:],
        target.iloc[300:],
        y_train=target.iloc[:300],
        name=name,
        url=service.url,
        token=service.token,
        **said,
    )
    return version["version"]


def add_rents(service: Registry, name: str) -> str:
    """The model ``name`` with the history of ``rents``; its name."""
    for number, alpha in enumerate((300.0, 30.0, 3.0), start=1):
        log_rents(service, name, alpha, description=f"alpha {alpha:g}", tags={"team": "lettings"})
        service.promote(name, number, reason=f"smaller error than v{number - 1}")
    service.rollback(name, reason="wrong answers for Hafen")
    log_rents(service, name, 0.5)
    return name


def line(slope: float) -> bytes:
    """A model of one column, as a file."""
    rows = np.array([[0.0], [1.0], [2.0]])
    return bytes(skops.io.dumps(LinearRegression().fit(rows, slope * rows.ravel())))


def add_hostile(service: Registry, name: str) -> str:
    """A model with ``HOSTILE`` in everything that its callers can choose; its name."""
    rows, classes = load_iris(return_X_y=True)
    frame = pd.DataFrame(rows, columns=[HOSTILE, "b", "c", "d"]).assign(d=HOSTILE)
    frame.loc[::3, "d"] = "other"
    labels = pd.Series(np.array([HOSTILE, "<b>two</b>", "{{3*3}}"])[classes], name=HOSTILE)
    columns = ColumnTransformer(
        [("numbers", "passthrough", [HOSTILE, "b", "c"]), ("texts", OneHotEncoder(), ["d"])]
    )
    service.create_model(name, description=HOSTILE)
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    for strength in (1.0, 0.1):
        model = make_pipeline(columns, LogisticRegression(C=strength, max_iter=2000))
        hotswap.log(
            model.fit(frame.iloc[train], labels.iloc[train]),
            frame.iloc[train],
            frame.iloc[test],
            labels.iloc[test],
            name=name,
            description=HOSTILE,
            tags={HOSTILE: HOSTILE},
            url=service.url,
            token=service.token,
        )
    made = service.create_token(HOSTILE, ["promote"], kind="person")
    with Registry(service.url, made["token"]) as stranger:
        for number in (1, 2):
            stranger.promote(name, number, reason=HOSTILE)
    return name


def add_everything(server: Server) -> None:
    """All models of the table above."""
    with Registry(server.url, server.token) as service:
        _add(service)
    assert server.call("DELETE", "/models/old").ok


def _add(service: Registry) -> None:
    add_rents(service, "rents")
    service.set_policy("rents", GATES)
    service.set_holdout("rents", flats(seed=6, rows=200), target="rent")
    rows, classes = load_iris(return_X_y=True, as_frame=True)
    names = pd.Series(load_iris().target_names.astype(object)[classes], name="species")
    draws = np.random.default_rng(1).permutation(len(rows))
    train, test = draws[:100], draws[100:]
    hotswap.log(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.iloc[train], names[train]),
        rows.iloc[train],
        rows.iloc[test],
        names[test],
        y_train=names[train],
        name="species",
        promote=True,
        url=service.url,
        token=service.token,
    )
    for number in range(2):
        service.upload(
            "quiet", line(number), {"format": "skops", "metrics": {"rmse": 2.0 - number}}
        )
    for number, metadata in enumerate(_many(), start=1):
        service.upload("busy", line(number), metadata)
    for number in (1, 20, 44):
        service.promote("busy", number, reason=f"figures of v{number}")
    service.create_webhook("https://hooks.example.com/models", ["promoted", "alert.*"])
    for name in ("split", "rolling"):
        for number in range(1, 4):
            service.upload(name, line(number), {"format": "skops", "kind": "linear"})
        service.promote(name, 1, reason="the first")
    service.split("split", {1: 70, 2: 20, 3: 10}, reason="which one do people like?")
    service.start_rollout("rolling", 2, PLAN, reason="half the size")
    service.upload("old", line(1), {"format": "skops"})
    add_hostile(service, "hostile")


def _many() -> Iterator[dict[str, Any]]:
    for number in range(1, MANY + 1):
        rmse = 90 - number + (number * 7) % 11
        yield {
            "format": "skops",
            "kind": "linear",
            "metrics": {"rmse": rmse, "mae": rmse * 0.8, "r2": 1 - rmse / 200},
            "evaluation": {"metric_intervals": {"rmse": [rmse - 9, rmse + 9]}},
        }
