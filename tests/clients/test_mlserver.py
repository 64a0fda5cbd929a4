"""Requests that MLServer's codecs write, and responses that they read."""

import numpy as np
import pandas as pd
import pytest
import requests
from conftest import IRIS, House
from mlserver.codecs import (
    Base64Codec,
    NumpyCodec,
    NumpyRequestCodec,
    PandasCodec,
    StringCodec,
)
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput, RequestOutput

COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
FRAME = pd.DataFrame(IRIS, columns=COLUMNS)


def send(house: House, request: InferenceRequest, model: str = "iris") -> requests.Response:
    return requests.post(
        f"{house.url}/v2/models/{model}/infer",
        data=request.model_dump_json(exclude_none=True),
        headers=house.headers,
        timeout=60,
    )


def read(reply: requests.Response) -> InferenceResponse:
    assert reply.status_code == 200, reply.text
    return InferenceResponse.model_validate_json(reply.content)


def expected(house: House) -> list[str]:
    return house.predict("iris", {"instances": IRIS})["predictions"]


def test_a_numpy_request_is_a_matrix(house):
    reply = read(send(house, NumpyRequestCodec.encode_request(np.array(IRIS))))
    assert StringCodec.decode_output(reply.outputs[0]) == expected(house)


@pytest.mark.parametrize("order", [COLUMNS, COLUMNS[::-1]])
def test_a_frame_is_a_tensor_for_each_column(house, order):
    reply = read(send(house, PandasCodec.encode_request(FRAME[order])))
    assert StringCodec.decode_output(reply.outputs[0]) == expected(house)
    frame = PandasCodec.decode_response(reply)
    assert frame["predict"].tolist() == expected(house)


@pytest.mark.parametrize("use_bytes", [True, False])
def test_a_frame_with_texts_and_gaps_is_predicted(house, use_bytes):
    url = f"{house.url}/v2/models/house-prices"
    described = requests.get(url, headers=house.headers, timeout=60).json()["inputs"]
    columns = {
        column["name"]: ["INLAND", "é", ""]
        if column["datatype"] == "BYTES"
        else [1.0, np.nan if column.get("parameters", {}).get("nullable") else 7.0, 100.0]
        for column in described
    }
    frame = pd.DataFrame(columns)
    request = PandasCodec.encode_request(frame, use_bytes=use_bytes)
    reply = read(send(house, request, "house-prices"))
    plain = {
        name: [None if value != value else value for value in values]  # noqa: PLR0124
        for name, values in columns.items()
    }
    own = house.predict("house-prices", {"inputs": plain})["predictions"]
    assert NumpyCodec.decode_output(reply.outputs[0]).ravel().tolist() == own


@pytest.mark.parametrize(
    "encode",
    [
        lambda name, values: Base64Codec.encode_input(name, [one.encode() for one in values]),
        lambda name, values: StringCodec.encode_input(name, values, use_bytes=False),
    ],
)
def test_texts_may_be_encoded(house, encode):
    url = f"{house.url}/v2/models/house-prices"
    described = requests.get(url, headers=house.headers, timeout=60).json()["inputs"]
    texts = ["INLAND", "NEAR BAY"]
    inputs = [
        encode(column["name"], texts)
        if column["datatype"] == "BYTES"
        else NumpyCodec.encode_input(column["name"], np.array([1.0, 2.0]))
        for column in described
    ]
    reply = read(send(house, InferenceRequest(inputs=inputs), "house-prices"))
    assert len(NumpyCodec.decode_output(reply.outputs[0])) == 2


def test_probabilities_are_decoded(house):
    request = NumpyRequestCodec.encode_request(np.array(IRIS))
    request.id = "r-1"
    request.outputs = [RequestOutput(name="predict_proba"), RequestOutput(name="predict")]
    reply = read(send(house, request))
    own = house.predict("iris", {"instances": IRIS}, "?probabilities=true")
    found = NumpyCodec.decode_output(reply.outputs[0])
    assert found.tolist() == [list(row.values()) for row in own["probabilities"]]
    assert (reply.id, reply.model_name, reply.model_version) == ("r-1", "iris", "1")


@pytest.mark.parametrize(
    "request_",
    [
        NumpyRequestCodec.encode_request(np.array([[1.0, 2.0]])),
        PandasCodec.encode_request(FRAME[COLUMNS[:3]]),
        PandasCodec.encode_request(FRAME.assign(**{COLUMNS[0]: ["a", "b"]})),
        PandasCodec.encode_request(FRAME.assign(**{COLUMNS[0]: [np.nan, 1.0]})),
        InferenceRequest(
            inputs=[RequestInput(name="x", shape=[2, 4], datatype="FP64", data=[1.0])]
        ),
    ],
    ids=["columns", "missing column", "texts", "gap", "too few values"],
)
def test_what_does_not_fit_is_refused(house, request_):
    reply = send(house, request_)
    assert reply.status_code == 400
    assert reply.json()["error"] == reply.json()["detail"]
