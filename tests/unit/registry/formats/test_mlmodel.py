"""MLmodel, MLflow's description of a model: which file becomes which artifact, and what is told
of it."""

import json

import pytest

from registry.errors import ArtifactRefused
from registry.formats.mlmodel import MAX_MLMODEL, first_row, read_mlmodel

SKOPS = """
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.skops
    predict_fn: predict_proba
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: model.skops
    serialization_format: skops
    sklearn_version: 1.9.1
mlflow_version: 3.17.2
model_id: m-1089
run_id: b4c0
saved_input_example_info:
  artifact_path: input_example.json
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "sepal length", "required": true},
    {"type": "long", "name": "count", "required": false}]'
  outputs: '[{"type": "long", "name": "species", "required": true}]'
  params: null
"""


def changed(was: str, now: str) -> bytes:
    assert was in SKOPS
    return SKOPS.replace(was, now).encode()


def test_a_model_of_scikit_learn_is_described() -> None:
    model = read_mlmodel(SKOPS.encode())

    assert (model.format, model.file) == ("skops", "model.skops")
    assert model.signature == {
        "inputs": [
            {"name": "sepal length", "type": "number"},
            {"name": "count", "type": "integer"},
        ],
        "output": {"name": "species"},
    }
    assert model.environment == {"python": "3.11.7", "scikit-learn": "1.9.1", "mlflow": "3.17.2"}
    assert (model.example_file, model.predict_function) == ("input_example.json", "predict_proba")
    assert (model.run_id, model.model_id) == ("b4c0", "m-1089")


@pytest.mark.parametrize("written", ["pickle", "cloudpickle", "''"])
def test_pickles_are_read_as_joblib(written: str) -> None:
    content = changed("serialization_format: skops", f"serialization_format: {written}")
    assert read_mlmodel(content).format == "joblib"


def test_an_older_model_says_nothing_but_its_file() -> None:
    model = read_mlmodel(b"flavors: {sklearn: {pickled_model: model.pkl}}")
    assert (model.format, model.file, model.signature) == ("joblib", "model.pkl", None)
    assert (model.example_file, model.predict_function, model.run_id) == (None, "predict", "")


def test_an_onnx_file_has_its_own_columns() -> None:
    content = b"flavors: {onnx: {data: model.onnx}}\nsignature: {inputs: '[]'}"
    model = read_mlmodel(content)
    assert (model.format, model.file, model.signature) == ("onnx", "model.onnx", None)


@pytest.mark.parametrize(
    "inputs",
    [
        '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]',
        '[{"type": "datetime", "name": "day"}]',
        '[{"type": "double"}]',
        '[{"type": {"a": 1}, "name": "day"}]',
        "[1]",
        "[]",
        "{",
        "[" * 100_000,
    ],
)
def test_a_signature_that_a_version_cannot_have_is_left_to_the_model(inputs: str) -> None:
    text = f"flavors: {{sklearn: {{pickled_model: a}}}}\nsignature: {{inputs: '{inputs}'}}"
    assert read_mlmodel(text.encode()).signature is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"flavors: {xgboost: {data: a}, python_function: {}}", "'xgboost'"),
        (b"flavors: {python_function: {}}", "python_function alone"),
        (b"flavors: {sklearn: {pickled_model: a}, pytorch: {}}", "also has the flavor 'pytorch'"),
        (b"flavors: {sklearn: {pickled_model: a}, onnx: {data: a}}", "also has the flavor 'onnx'"),
        (b"flavors: []", "no flavors"),
        (b"", "no flavors"),
        (b"a: [", "cannot be read"),
        (b"#" * (MAX_MLMODEL + 1), "more than"),
        (changed("code: null", "code: code"), "code of its own"),
        (changed("pickled_model: model.skops", "pickled_model: MLmodel"), "of another file"),
        (changed("code: null", "code: nUlL"), "code of its own"),
        (changed("predict_fn: predict_proba", "code: code"), "code of its own"),
        (changed("predict_fn: predict_proba", "<<: {code: code}"), "merge keys"),
        (changed("code: null", "<<: {code: code}"), "merge keys"),
        (changed("loader_module: mlflow.sklearn", "loader_module: evil"), "loaded by 'evil'"),
        (changed("loader_module: mlflow.sklearn", "loader_module: [a]"), "loaded by"),
        (changed("model_path: model.skops", "data: other.pkl"), "'other.pkl'"),
        (changed("model_path: model.skops", "model_path: [a]"), "for python_function"),
        (changed("serialization_format: skops", "serialization_format: dill"), "'dill'"),
    ],
)
def test_what_cannot_become_a_version_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ArtifactRefused, match=said):
        read_mlmodel(content)


@pytest.mark.parametrize(
    "file", ["../model.pkl", "/etc/passwd", "a/b", "..", ".", "''", "[a]", "null", "'a\\b'"]
)
def test_the_file_is_a_name_without_a_path(file: str) -> None:
    content = changed("pickled_model: model.skops", f"pickled_model: {file}")
    with pytest.raises(ArtifactRefused, match="without a path"):
        read_mlmodel(content)


def test_an_input_example_elsewhere_is_not_read() -> None:
    assert read_mlmodel(changed("input_example.json", "../../x.json")).example_file is None


def test_the_first_row_of_an_input_example() -> None:
    content = b'{"columns": ["a", "b", "c"], "data": [[1, "x", NaN], [2, "y", 3.5]]}'
    assert first_row(content) == {"a": 1, "b": "x", "c": None}


@pytest.mark.parametrize(
    "example",
    [[], {"data": [[1]]}, {"columns": ["a"], "data": []}, {"columns": ["a"], "data": [[1, 2]]},
     {"columns": ["a"], "data": [[[1]]]}, {"columns": [1], "data": [[1]]}],
)  # fmt: skip
def test_an_example_without_columns_of_single_values_has_no_row(example: object) -> None:
    assert first_row(json.dumps(example).encode()) is None


@pytest.mark.parametrize(
    "content", [b"{", b'{"columns": ["a"], "data": [[1e999]]}', b"[" * 100_000]
)
def test_an_example_that_is_no_json_of_finite_numbers_has_no_row(content: bytes) -> None:
    assert first_row(content) is None
