"""The Python client against the real server, with the types of data that callers have."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris

from hotswap import Registry, Retries, errors
from tests.system.real_server import Server

pytestmark = pytest.mark.slow  # integration/client has each call against an API in this process

MANY = 700_000
"""Rows of iris data; more than 16 MiB in every encoding."""


@pytest.fixture
def registry(server: Server) -> Iterator[Registry]:
    with Registry(server.url, server.token) as registry:
        yield registry


@pytest.fixture(scope="module", autouse=True)
def trained(server: Server) -> None:
    done = server.hotswap(
        "train", "sklearn:iris", "--kind", "tree", "--name", "held", "--seed", "3", "--promote"
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return load_iris(as_frame=True).data


def test_data_frames_records_arrays_and_arrow_tables_give_the_same_predictions(
    registry: Registry, frame: pd.DataFrame
) -> None:
    by_name = registry.predict("held", frame.sample(frac=1.0, axis=1, random_state=0))
    assert by_name["version"] == 1
    assert set(by_name["predictions"]) == {"setosa", "versicolor", "virginica"}
    for rows in (
        frame.to_dict(orient="records"),
        frame.to_numpy(),
        frame.to_numpy().tolist(),
        pa.Table.from_pandas(frame),
        frame.set_axis(range(4), axis=1),
    ):
        assert registry.predict("held", rows)["predictions"] == by_name["predictions"]
    one = registry.predict("held", frame.iloc[0].to_dict(), probabilities=True)
    assert one["prediction"] == by_name["predictions"][0]
    assert sum(one["probabilities"].values()) == pytest.approx(1)


def test_a_batch_too_large_for_one_request_is_answered_completely(
    server: Server, frame: pd.DataFrame
) -> None:
    large = frame.iloc[np.arange(MANY) % len(frame)].reset_index(drop=True)
    with Registry(server.url, server.token, largest_prediction=2**40) as registry:
        answer = registry.predict("held", large)
        expected = registry.predict("held", frame)["predictions"]
    predicted = np.array(answer["predictions"])
    assert (predicted == np.array(expected)[np.arange(MANY) % len(frame)]).all()


def test_a_refusal_names_the_row_and_its_class(registry: Registry, frame: pd.DataFrame) -> None:
    broken = frame.copy()
    broken.iloc[7, 0] = np.nan
    with pytest.raises(errors.Refused) as caught:
        registry.predict("held", broken)
    assert type(caught.value).__name__ == "InputRefused"
    assert caught.value.errors[0].at == "rows[7].sepal length (cm)"


def test_the_client_shows_its_token_and_checks_readiness(server: Server) -> None:
    body = {"name": "reader", "scopes": ["predict"], "models": ["held"]}
    token = server.call("POST", "/tokens", json=body).json()["token"]
    with Registry(server.url, token, retries=Retries(attempts=2)) as registry:
        registry.wait_ready(5)
        own = registry.own_token()
    assert (own["name"], own["scopes"], own["models"]) == ("reader", ["predict"], ["held"])
