"""MLflow's own client of a scoring server, unmodified, with what it can send and what it reads."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from conftest import IRIS, House, running
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from scipy.sparse import csr_matrix

COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
FRAME = pd.DataFrame(IRIS, columns=COLUMNS)
BODIES = {
    "frame": FRAME,
    "frame with an index": FRAME.set_index(pd.Index(["a", "b"])),
    "frame in another order": FRAME[COLUMNS[::-1]],
    "array": np.array(IRIS),
    "sparse matrix": csr_matrix(IRIS),
    "rows": IRIS,
    "records": FRAME.to_dict("records"),
    "text": json.dumps({"instances": IRIS[:1]}),
}
"""A dict is not among them: the client fails on it before it sends anything."""
PATHS = ["", "/models/iris", "/models/iris/production", "/models/iris/1", "/models/iris/latest"]


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server that predicts without a token, since this client sends none."""
    settings = {"HOTSWAP_ANONYMOUS_PREDICT": "1", "HOTSWAP_INVOCATIONS_MODEL": "iris"}
    with running(tmp_path_factory.mktemp("scoring"), **settings) as started:
        yield started


def client_of(house: House, path: str = "") -> ScoringServerClient:
    """The client knows no path; what stands behind the port becomes a part of its addresses."""
    host, port = house.address.split(":")
    return ScoringServerClient(host, f"{port}{path}")


@pytest.fixture
def client(open_house: House) -> ScoringServerClient:
    return client_of(open_house, "/models/iris/production")


@pytest.mark.parametrize("path", PATHS)
def test_the_server_and_each_version_are_pinged_and_invoked(open_house, path):
    client = client_of(open_house, path)
    client.wait_server_ready(timeout=30)
    client.ping()
    answer = client.invoke(FRAME)
    assert answer.get_predictions("ndarray").tolist() == expected(open_house)


def expected(house: House) -> list[str]:
    return house.predict("iris", {"instances": IRIS})["predictions"]


def test_the_release_of_the_server_is_a_text(open_house):
    assert "version" in client_of(open_house).get_version()


@pytest.mark.parametrize("body", BODIES)
def test_each_kind_of_data_is_predicted(client, open_house, body):
    predicted = client.invoke(BODIES[body]).get_predictions()
    assert isinstance(predicted, pd.DataFrame)
    assert predicted[0].tolist() == expected(open_house)[: len(predicted)]
    assert len(predicted) == (1 if body == "text" else 2)


@pytest.mark.parametrize("params", [{}, {"temperature": 0.5}])
def test_parameters_change_nothing(client, open_house, params):
    answer = client.invoke(FRAME, params=params)
    assert answer.get_predictions("ndarray").tolist() == expected(open_house)


def test_numbers_are_predicted_as_numbers(open_house):
    client = client_of(open_house, "/models/diabetes")
    columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    frame = pd.DataFrame([[0.01 * at for at in range(10)]] * 3, columns=columns)
    own = open_house.predict("diabetes", {"instances": frame.to_numpy().tolist()})["predictions"]
    assert client.invoke(frame).get_predictions("ndarray", np.float64).tolist() == own


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (FRAME[COLUMNS[:3]], "petal width"),
        (FRAME.assign(**{COLUMNS[0]: ["a", "b"]}), "dataframe_split.data[0][0]"),
        (FRAME.assign(**{COLUMNS[1]: [1.0, None]}), "dataframe_split.data[1][1]"),
        (np.array([[1.0, 2.0]]), "BAD_REQUEST"),
        ([], "BAD_REQUEST"),
        ("no JSON", "not JSON"),
        ('{"rows": []}', "BAD_REQUEST"),
    ],
    ids=["missing column", "text", "gap", "too few columns", "no rows", "no JSON", "unknown key"],
)
def test_what_does_not_fit_is_refused_with_400(client, data, told):
    with pytest.raises(Exception, match=r"error code 400") as caught:
        client.invoke(data)
    assert '"error_code":"BAD_REQUEST"' in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("path", ["/models/nobody", "/models/iris/9", "/models/iris/staging"])
def test_unknown_models_and_versions_are_404(open_house, path):
    client = client_of(open_house, path)
    with pytest.raises(Exception, match=r"ping failed \(error code 404\)"):
        client.ping()
    with pytest.raises(Exception, match="error code 404") as caught:
        client.invoke(FRAME)
    assert '"error_code":"RESOURCE_DOES_NOT_EXIST"' in str(caught.value)


def test_without_anonymous_predictions_the_client_is_told_so(house):
    client = client_of(house, "/models/iris")
    client.ping()
    with pytest.raises(Exception, match="error code 401") as caught:
        client.invoke(FRAME)
    assert '"error_code":"UNAUTHENTICATED"' in str(caught.value)
