"""Requests of the Open Inference Protocol: JSON, and binary tensors behind it."""

import json
from typing import Any

import pytest

from registry.codecs.tensor_request import RequestedOutput, parse_request
from registry.errors import BodyMalformed, InputRefused, RegistryError


def body_of(request: dict[str, Any], *binary: bytes) -> tuple[bytes, int]:
    head = json.dumps(request).encode()
    return head + b"".join(binary), len(head)


def tensor(name: str = "x", size: int | None = None, **members: Any) -> dict[str, Any]:
    if size is not None:
        members["parameters"] = {"binary_data_size": size, **members.get("parameters", {})}
    return {"name": name, "shape": [1, 1], "datatype": "FP64", **members}


def test_binary_tensors_follow_in_the_order_of_the_inputs() -> None:
    inputs = [tensor("a", 2), tensor("b", data=[1]), tensor("c", 3)]
    request = parse_request(*body_of({"id": "7", "inputs": inputs}, b"AB", b"CDE"))
    assert request.id == "7"
    assert [(one.name, one.raw and bytes(one.raw), one.data) for one in request.inputs] == [
        ("a", b"AB", None),
        ("b", None, [1]),
        ("c", b"CDE", None),
    ]


def test_unknown_members_are_ignored() -> None:
    request = parse_request(
        json.dumps(
            {
                "model_name": "iris",
                "parameters": {"priority": 1, "custom": "x"},
                "inputs": [tensor(data=[1], parameters={"content_type": "np", "more": [1]})],
            }
        ).encode(),
        None,
    )
    assert (request.id, request.outputs, request.binary) == (None, [], False)
    assert request.inputs[0].content_type == "np"


def test_outputs_are_binary_if_they_say_so_or_else_all_are() -> None:
    outputs = [
        {"name": "a"},
        {"name": "b", "parameters": {"binary_data": False}},
        {"name": "c", "parameters": {"classification": 3}},
    ]
    parameters = {"binary_data_output": True}
    inputs = [tensor(data=[1])]
    body, _ = body_of({"inputs": inputs, "outputs": outputs, "parameters": parameters})
    assert parse_request(body, None).outputs == [
        RequestedOutput("a", True),
        RequestedOutput("b", False),
        RequestedOutput("c", True, 3),
    ]


@pytest.mark.parametrize("size", [1, 20, 1_000_000])
def test_a_size_left_over_from_another_request_is_ignored(size: int) -> None:
    body, _ = body_of({"inputs": [tensor(data=[1])]})
    assert parse_request(body, size).inputs[0].data == [1]


def test_a_wrong_size_before_binary_tensors_is_refused() -> None:
    body, size = body_of({"inputs": [tensor(size=8)]})
    for wrong in (size - 1, size + 1):
        with pytest.raises(BodyMalformed, match="Inference-Header-Content-Length"):
            parse_request(body, wrong)


@pytest.mark.parametrize(
    ("request_", "binary", "said"),
    [
        ({"inputs": [tensor()]}, b"", "inputs['x']: expected either 'data' or"),
        ({"inputs": [tensor(size=8, data=[1])]}, b"8 bytes.", "expected either 'data' or"),
        ({"inputs": [tensor(size=9)]}, b"8 bytes.", "binary_data_size is 9, but 8 bytes are left"),
        ({"inputs": [tensor(size=7)]}, b"8 bytes.", "The body has 1 bytes more than"),
        ({"inputs": [tensor(size=-1)]}, b"", "binary_data_size: expected int >= 0"),
        ({"inputs": [tensor(size=2**60)]}, b"", "inputs[0].parameters.binary_data_size"),
        ({"inputs": [tensor(size=True)]}, b"", "expected int | null, got bool"),
        ({"inputs": [tensor(shape=[-1], data=[1])]}, b"", "inputs[0].shape[0]: expected int >= 0"),
        ({"inputs": [tensor(shape=[1.5], data=[1])]}, b"", "inputs[0].shape[0]"),
        ({"inputs": [tensor(shape=[1] * 9, data=[1])]}, b"", "inputs[0].shape: "),
        ({"inputs": [{"name": "x", "data": [1]}]}, b"", "inputs[0]: object missing"),
        ({"inputs": [tensor(name=3, data=[1])]}, b"", "inputs[0].name: expected str, got int"),
        ({"inputs": {"x": 1}}, b"", "inputs: expected array, got object"),
        ({}, b"", "object missing required field inputs"),
        ([], b"", "body: expected object, got array"),
        ({"id": 7, "inputs": []}, b"", "id: expected str | null, got int"),
        ({"inputs": [], "outputs": [{"name": 1}]}, b"", "outputs[0].name"),
        (
            {"inputs": [tensor(parameters={"shared_memory_region": "r"})]},
            b"",
            "inputs['x']: shared memory is not offered",
        ),
        (
            {"inputs": [], "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]},
            b"",
            "outputs['y']: shared memory is not offered",
        ),
    ],
)
def test_a_refusal_names_the_place(request_: Any, binary: bytes, said: str) -> None:
    with pytest.raises(InputRefused) as caught:
        parse_request(*body_of(request_, binary))
    assert said in caught.value.detail
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"inputs": [{"x": "\xff"}]}', b"[" * 100_000],
    ids=["empty", "cut", "not UTF-8", "not UTF-8 in a skipped text", "deep"],
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(RegistryError):
        parse_request(body, None)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_named(number: str) -> None:
    body = json.dumps({"inputs": [tensor(data=[1.5, float(number)])]}).encode()
    with pytest.raises(BodyMalformed, match="JSON has no NaN and no Infinity: send null, or the"):
        parse_request(body, None)
