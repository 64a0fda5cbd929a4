"""Everything in the protobuf of an uploaded ONNX file is looked at, wherever it is in the file."""

import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from registry.errors import ArtifactRefused
from registry.intake import onnx_file
from tests.attacks.attack import canary_in
from tests.attacks.onnx_graphs import ATTACKS, _function

OUTSIDE = "has external data"
REFUSED = {
    "data in a file beside it": OUTSIDE,
    "an attribute with data outside": OUTSIDE,
    "a function with a default outside": OUTSIDE,
    "a function with a graph for a default, with data outside": OUTSIDE,
    "a sparse tensor": "sparse tensors",
    "training": "training information",
    "an operator beside a function of its domain": "'System' of the domain 'own'",
    "a function among ONNX Runtime's own operators": "reserved for operators of ONNX Runtime",
    "a field that is not known": "does not know",
}
"""A part of each refusal."""


@pytest.mark.parametrize("name", list(REFUSED))
def test_files_are_refused_by_their_contents(name, tmp_path):
    attack = next(each for each in ATTACKS if each.name == name)
    with canary_in(tmp_path / "canary") as canary, pytest.raises(ArtifactRefused) as refused:
        onnx_file.parse(attack.make(canary))

    assert REFUSED[name] in refused.value.detail


def test_a_function_may_be_called_by_its_domain_and_name():
    onnx_file.parse(_function(recursive=False).SerializeToString())


def test_every_domain_of_onnx_runtime_is_allowed_or_reserved():
    domains = {schema.domain for schema in get_all_operator_schema()}

    assert "com.microsoft.nchwc" in domains
    for domain in domains - onnx_file.DOMAINS:
        assert domain.startswith(onnx_file._RESERVED)
