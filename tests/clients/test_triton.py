"""tritonclient.http, unmodified: every call, good and bad."""

import numpy as np
import pytest
from conftest import ADMIN_TOKEN, IRIS, House
from tritonclient import http
from tritonclient.http.auth import BasicAuth
from tritonclient.utils import InferenceServerException

ROWS = np.array(IRIS)
COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]


@pytest.fixture(scope="module")
def client(house: House):
    with http.InferenceServerClient(house.address) as made:
        yield made


def matrix(dtype="FP64", rows=ROWS, *, binary=True, name="input-0"):
    made = http.InferInput(name, list(rows.shape), dtype)
    kind = {"FP64": np.float64, "FP32": np.float32}[dtype]
    made.set_data_from_numpy(rows.astype(kind), binary_data=binary)
    return made


def labels(found) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else one for one in found.ravel()]


def refused(call) -> str:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return caught.value.message()


def test_health_needs_no_token(client):
    assert client.is_server_live()
    assert client.is_server_ready()


def test_the_server_and_its_models_describe_themselves(client, house):
    server = client.get_server_metadata(headers=house.headers)
    assert server["name"] == "hotswap"
    assert "binary_tensor_data" in server["extensions"]
    model = client.get_model_metadata("iris", headers=house.headers)
    assert [one["name"] for one in model["inputs"]] == COLUMNS
    assert client.get_model_metadata("iris", "1", headers=house.headers) == model
    config = client.get_model_config("iris", headers=house.headers)
    assert config["max_batch_size"] == 0
    assert "There is no model 'nobody'" in refused(
        lambda: client.get_model_metadata("nobody", headers=house.headers)
    )
    assert refused(lambda: client.get_model_config("iris", "9", headers=house.headers))


def test_models_are_ready_or_not(client, house):
    assert client.is_model_ready("iris", headers=house.headers)
    assert client.is_model_ready("iris", "production", headers=house.headers)
    assert not client.is_model_ready("nobody", headers=house.headers)
    assert not client.is_model_ready("iris", "9", headers=house.headers)
    assert not client.is_model_ready("iris")


@pytest.mark.parametrize("dtype", ["FP32", "FP64"])
@pytest.mark.parametrize("binary", [True, False])
def test_a_matrix_is_predicted(client, house, dtype, binary):
    expected = house.predict("iris", {"instances": IRIS})["predictions"]
    result = client.infer("iris", [matrix(dtype, binary=binary)], headers=house.headers)
    assert labels(result.as_numpy("predict")) == expected
    assert result.get_response()["model_version"] == "1"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_outputs_are_returned_as_requested(client, house, binary, coding):
    own = house.predict("iris", {"instances": IRIS}, "?probabilities=true")
    outputs = [
        http.InferRequestedOutput("predict_proba", binary_data=binary),
        http.InferRequestedOutput("predict", binary_data=not binary),
    ]
    result = client.infer(
        "iris",
        [matrix()],
        outputs=outputs,
        request_id="r-1",
        request_compression_algorithm=coding,
        headers=house.headers,
    )
    assert result.as_numpy("predict_proba").tolist() == [
        list(row.values()) for row in own["probabilities"]
    ]
    assert labels(result.as_numpy("predict")) == own["predictions"]
    assert result.get_response()["id"] == "r-1"


def test_the_name_of_the_signature_is_the_predictions(client, house):
    names = {"species", "target"}
    for name in names:
        output = http.InferRequestedOutput(name)
        try:
            result = client.infer("iris", [matrix()], outputs=[output], headers=house.headers)
        except InferenceServerException:
            names = names - {name}
        else:
            assert result.as_numpy(name) is not None
    assert len(names) == 1


def test_the_most_probable_classes_are_returned(client, house):
    output = http.InferRequestedOutput("predict_proba", class_count=2)
    result = client.infer("iris", [matrix()], outputs=[output], headers=house.headers)
    found = result.as_numpy("predict_proba")
    assert found.shape == (2, 2)
    expected = house.predict("iris", {"instances": IRIS})["predictions"]
    assert [text.split(":")[2] for text in labels(found[:, 0])] == expected


def test_a_request_in_the_background_is_answered(client, house):
    result = client.async_infer("iris", [matrix()], headers=house.headers).get_result()
    assert result.as_numpy("predict").shape == (2, 1)


@pytest.mark.parametrize("version", ["1", "production", "latest"])
def test_versions_and_aliases_are_found(client, house, version):
    result = client.infer("iris", [matrix()], model_version=version, headers=house.headers)
    assert result.get_response()["model_version"] == "1"


def test_columns_of_numbers_and_texts_are_predicted(client, house):
    described = client.get_model_metadata("house-prices", headers=house.headers)["inputs"]
    count = 3
    inputs, columns = [], {}
    for place, column in enumerate(described):
        made = http.InferInput(column["name"], [count, 1], column["datatype"])
        if column["datatype"] == "BYTES":
            values = ["INLAND", "é", ""]
            made.set_data_from_numpy(np.array(values, dtype=object).reshape(count, 1))
        else:
            values = [1 + place, 20 + place, 100]
            kind = np.int64 if column["datatype"] == "INT64" else np.float64
            made.set_data_from_numpy(np.array(values, kind).reshape(count, 1))
        inputs.append(made)
        columns[column["name"]] = values
    result = client.infer("house-prices", inputs, headers=house.headers)
    expected = house.predict("house-prices", {"inputs": columns})["predictions"]
    assert result.as_numpy("predict").ravel().tolist() == expected


def test_refusals_say_what_is_wrong(client, house):
    def infer(*inputs, model="iris", **options):
        return lambda: client.infer(model, list(inputs), headers=house.headers, **options)

    assert "There is no model 'nobody'" in refused(infer(matrix(), model="nobody"))
    assert "has no version '9'" in refused(infer(matrix(), model_version="9"))
    assert "shape [n, 4]" in refused(infer(matrix(rows=ROWS[:, :3])))
    assert "the outputs of the model are predict" in refused(
        infer(matrix(), outputs=[http.InferRequestedOutput("nothing")])
    )
    assert "null is not allowed" in refused(infer(matrix(rows=np.full((2, 4), np.nan))))
    assert "JSON has no NaN" in refused(infer(matrix(rows=np.full((2, 4), np.nan), binary=False)))
    column = matrix(rows=ROWS[:, :1], name=COLUMNS[0])
    assert "Columns of the model are missing" in refused(infer(column))
    text = http.InferInput("input-0", [1, 4], "BYTES")
    text.set_data_from_numpy(np.array([["a", "b", "c", "d"]], dtype=object))
    assert "not 'BYTES'" in refused(infer(text))
    assert "A token is required" in refused(lambda: client.infer("iris", [matrix()]))
    bad = {"Authorization": "Bearer hsw_nobody"}
    assert "not valid" in refused(lambda: client.infer("iris", [matrix()], headers=bad))


def test_one_dictionary_of_headers_serves_all_calls(client, house):
    headers = house.headers
    for binary in (True, False, True):
        for coding in ("gzip", None, "deflate"):
            result = client.infer(
                "iris",
                [matrix(binary=binary)],
                headers=headers,
                request_compression_algorithm=coding,
            )
            assert result.as_numpy("predict").shape == (2, 1)
            assert client.is_model_ready("iris", headers=headers)
            assert client.get_model_repository_index(headers=headers)


def test_the_plugin_for_basic_authentication_sends_the_token(house):
    with http.InferenceServerClient(house.address) as client:
        client.register_plugin(BasicAuth("anybody", house.token))
        assert client.is_model_ready("iris")
        assert client.infer("iris", [matrix()]).as_numpy("predict").shape == (2, 1)


def test_the_repository_lists_loads_and_never_unloads(client, house):
    index = client.get_model_repository_index(headers=house.headers)
    assert {(one["name"], one["state"]) for one in index} == {
        ("iris", "READY"),
        ("diabetes", "READY"),
        ("diabetes", "UNAVAILABLE"),
        ("house-prices", "READY"),
    }
    client.load_model("iris", headers=house.headers)
    assert "config" in refused(
        lambda: client.load_model("iris", headers=house.headers, config="{}")
    )
    assert "not unloaded" in refused(lambda: client.unload_model("iris", headers=house.headers))


def test_statistics_count_requests_and_rows(client, house):
    def counted(model="iris", version="1"):
        found = client.get_inference_statistics(model, version, headers=house.headers)
        (entry,) = found["model_stats"]
        stats = entry["inference_stats"]
        counts = entry["inference_count"], stats["success"]["count"], stats["fail"]["count"]
        return np.array(counts)

    before = counted()
    for _ in range(3):
        client.infer("iris", [matrix()], headers=house.headers)
    house.predict("iris", {"instances": IRIS})
    refused(lambda: client.infer("iris", [matrix(rows=ROWS[:, :2])], headers=house.headers))
    assert (counted() - before).tolist() == [8, 4, 1]
    assert counted("diabetes", "2").tolist() == [0, 0, 0]
    for found in (
        client.get_inference_statistics(headers=house.headers),
        client.get_inference_statistics("iris", headers=house.headers),
    ):
        assert ("iris", "1") in [(one["name"], one["version"]) for one in found["model_stats"]]
    assert "There is no model 'nobody'" in refused(
        lambda: client.get_inference_statistics("nobody", headers=house.headers)
    )


def test_what_is_not_offered_is_refused(client, house):
    headers = house.headers
    for call in (
        lambda: client.get_system_shared_memory_status(headers=headers),
        lambda: client.get_system_shared_memory_status("r", headers=headers),
        lambda: client.register_system_shared_memory("r", "/r", 8, headers=headers),
        lambda: client.unregister_system_shared_memory(headers=headers),
        lambda: client.unregister_system_shared_memory("r", headers=headers),
        lambda: client.get_cuda_shared_memory_status(headers=headers),
        lambda: client.register_cuda_shared_memory("r", b"handle", 0, 8, headers=headers),
        lambda: client.unregister_cuda_shared_memory(headers=headers),
        lambda: client.get_trace_settings(headers=headers),
        lambda: client.get_trace_settings("iris", headers=headers),
        lambda: client.update_trace_settings(settings={"trace_rate": "1"}, headers=headers),
        lambda: client.get_log_settings(headers=headers),
        lambda: client.update_log_settings({"log_info": True}, headers=headers),
    ):
        assert "offered" in refused(call)
    shared = http.InferInput("input-0", [2, 4], "FP64")
    shared.set_shared_memory("r", 64)
    assert "shared memory" in refused(lambda: client.infer("iris", [shared], headers=headers))


def test_an_admin_may_predict_too(client):
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert client.infer("iris", [matrix()], headers=headers).as_numpy("predict") is not None
