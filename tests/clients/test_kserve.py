"""KServe's InferenceRESTClient, unmodified, with both of its protocols."""

import asyncio

import httpx
import numpy as np
import pytest
from conftest import IRIS, House
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig

CONFIG = {"protocol": "v2", "retries": 0}
V1 = {"protocol": "v1"}


def ask(house: House, call, **options):
    """What ``call`` returns of a new client."""

    async def run():
        client = InferenceRESTClient(RESTConfig(**CONFIG | options))
        try:
            return await call(client)
        finally:
            await client.close()

    return asyncio.run(run())


def request(*, binary: bool, rows=IRIS, outputs=None) -> InferRequest:
    tensor = InferInput("input-0", [len(rows), len(rows[0])], "FP64")
    tensor.set_data_from_numpy(np.array(rows), binary_data=binary)
    return InferRequest("iris", [tensor], request_outputs=outputs)


def refused(house: House, call, **options) -> str:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        ask(house, call, **options)
    assert caught.value.response.headers["Content-Type"] == "application/json"
    return str(caught.value)


def test_the_server_is_live_and_ready(house):
    assert ask(house, lambda client: client.is_server_live(house.url)) is True
    assert ask(house, lambda client: client.is_server_ready(house.url)) is True


def test_models_are_ready_or_not(house):
    def ready(name):
        return lambda client: client.is_model_ready(house.url, name, headers=house.headers)

    assert ask(house, ready("iris")) is True
    assert ask(house, ready("nobody")) is False


@pytest.mark.parametrize("binary", [True, False])
def test_rows_are_predicted(house, binary):
    result = ask(
        house,
        lambda client: client.infer(
            house.url, request(binary=binary), "iris", headers=house.headers
        ),
    )
    expected = house.predict("iris", {"instances": IRIS})["predictions"]
    assert result.outputs[0].data == expected


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_are_returned_as_requested(house, binary):
    from kserve.protocol.infer_type import RequestedOutput

    outputs = [
        RequestedOutput("predict_proba", {"binary_data": binary}),
        RequestedOutput("predict"),
    ]
    result = ask(
        house,
        lambda client: client.infer(
            house.url, request(binary=True, outputs=outputs), "iris", headers=house.headers
        ),
    )
    own = house.predict("iris", {"instances": IRIS}, "?probabilities=true")
    found = result.outputs[0].as_numpy().reshape(2, -1).tolist()
    assert found == [list(row.values()) for row in own["probabilities"]]


def test_one_dictionary_of_headers_serves_all_calls(house):
    headers = house.headers

    async def several(client):
        for binary in (True, False, True, False):
            result = await client.infer(house.url, request(binary=binary), "iris", headers=headers)
            assert len(result.outputs) == 1
            assert await client.is_model_ready(house.url, "iris", headers=headers)

    ask(house, several)


def test_basic_authentication_sends_the_token(house):
    result = ask(
        house,
        lambda client: client.infer(house.url, request(binary=True), "iris"),
        auth=httpx.BasicAuth("anybody", house.token),
    )
    assert len(result.outputs) == 1


def test_refusals_say_what_is_wrong(house):
    def infer(sent, **options):
        return lambda client: client.infer(
            house.url, sent, "iris", **{"headers": house.headers, **options}
        )

    short = request(binary=True, rows=[[1.0, 2.0, 3.0]])
    assert "[n, 4]" in refused(house, infer(short))
    nan = request(binary=True, rows=[[float("nan")] * 4])
    assert "null is not allowed" in refused(house, infer(nan))
    assert "token" in refused(house, infer(request(binary=True), headers={}))
    wrong = request(binary=False)
    wrong.inputs[0].data = wrong.inputs[0].data[:3]
    assert "3 values" in refused(house, infer(wrong))


def test_v1_the_server_is_live(house):
    assert ask(house, lambda client: client.is_server_live(house.url), **V1) is True


def test_v1_models_are_ready_or_unknown(house):
    def ready(name):
        return lambda client: client.is_model_ready(house.url, name, headers=house.headers)

    assert ask(house, ready("iris"), **V1) is True
    assert "nobody" in refused(house, ready("nobody"), **V1)


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ({"instances": IRIS}, "predictions"),
        ({"inputs": IRIS}, "outputs"),
    ],
)
def test_v1_rows_are_predicted(house, rows, key):
    result = ask(
        house, lambda client: client.infer(house.url, rows, "iris", headers=house.headers), **V1
    )
    assert result == {key: house.predict("iris", {"instances": IRIS})["predictions"]}


def test_v1_basic_authentication_sends_the_token(house):
    result = ask(
        house,
        lambda client: client.infer(house.url, {"instances": IRIS}, "iris"),
        auth=httpx.BasicAuth("anybody", house.token),
        **V1,
    )
    assert len(result["predictions"]) == 2


def test_v1_refusals_say_what_is_wrong(house):
    def infer(sent, name="iris", **options):
        return lambda client: client.infer(
            house.url, sent, name, **{"headers": house.headers, **options}
        )

    assert "instances[0]" in refused(house, infer({"instances": [[1.0]]}), **V1)
    assert "instances" in refused(house, infer({"rows": IRIS}), **V1)
    assert "nobody" in refused(house, infer({"instances": IRIS}, "nobody"), **V1)
    assert "token" in refused(house, infer({"instances": IRIS}, headers={}), **V1)
    explained = refused(
        house,
        lambda client: client.explain(house.url, "iris", {"instances": IRIS}, house.headers),
        **V1,
    )
    assert "not offered" in explained
