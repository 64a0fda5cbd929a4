"""Models that predict several values for a row: a list in every reply and file."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, RegressorChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeRegressor

from hotswap.files.formats import file_type
from hotswap.files.output import answer_columns, output_of
from registry.codecs.arrow_reply import encode_arrow
from registry.codecs.json_reply import JsonWriter
from registry.codecs.predictions import Predictions
from registry.engines.model_messages import Required, read_reply, write_reply
from registry.engines.predictor import SklearnPredictor
from registry.errors import HoldoutRefused, MetadataRefused
from registry.gates.compatibility import incompatibilities
from registry.gates.holdout_predictions import predict_holdout
from registry.intake.compilation import compile_model
from registry.intake.inspection import inspect
from registry.intake.onnx_upload import read_upload
from registry.signature import Column, Output, Signature
from tests.attacks.opcodes import written
from tests.integration.registry.onnx_exports import exported
from tests.integration.registry.popular_models import BOTH, TWO, X
from tests.integration.registry.test_popular_models import batch_of

LABELS = np.column_stack([TWO, np.where(X[:, 0] > 0, "up", "down")])
MODELS = {
    "linear": LinearRegression().fit(X, BOTH),
    "tree": DecisionTreeRegressor(max_depth=3).fit(X, BOTH),
    "forest": RandomForestRegressor(3).fit(X, BOTH),
    "chain": RegressorChain(LinearRegression()).fit(X, BOTH),
    "labels": RandomForestClassifier(3).fit(X, LABELS),
    "neighbors": KNeighborsClassifier().fit(X, LABELS),
    "estimators": MultiOutputClassifier(KNeighborsClassifier()).fit(X, LABELS),
    "numbers": ClassifierChain(RandomForestClassifier(2)).fit(X, (BOTH > 0).astype(int)),
}
PAIR = Signature((Column("x", "number"),), Output("pair", "number", size=2))
WORDS = Signature(PAIR.inputs, Output("words", "string", ("a", "b"), size=2))


@pytest.mark.parametrize("name", MODELS)
def test_each_row_gets_a_list(name):
    found = inspect(io.BytesIO(written(MODELS[name], "skops")), "skops", {})
    batch = batch_of(X, found.signature)

    reply = SklearnPredictor(found.model, found.signature).predict(batch)

    assert found.signature.output.size == 2
    assert reply.values == MODELS[name].predict(X).tolist()
    assert compile_model(found.model, found.signature, None).engine["name"] == "scikit-learn"


def test_the_classes_are_those_of_all_outputs():
    found = inspect(io.BytesIO(written(MODELS["labels"], "joblib")), "joblib", {})

    assert found.signature.output.classes == ("down", "no", "up", "yes")
    assert found.signature.to_json()["output"]["size"] == 2


def test_another_number_of_outputs_than_the_model_s_is_refused():
    inputs = [{"name": f"x{number}", "type": "number"} for number in range(4)]
    declared = {"inputs": inputs, "output": {"name": "y", "type": "number", "size": 3}}

    with pytest.raises(MetadataRefused) as refused:
        inspect(io.BytesIO(written(MODELS["linear"], "skops")), "skops", {"signature": declared})

    assert refused.value.faults[0].message == "the model predicts 2 for each row"


@pytest.mark.parametrize(
    ("signature", "values"),
    [(PAIR, [[1.5, 2.0], [3.0, -1.0]]), (WORDS, [["a", "b"], ["b", "b"]])],
    ids=["numbers", "labels"],
)
def test_lists_pass_from_a_model_process_to_each_kind_of_reply(signature, values):
    sent = iter(write_reply(Predictions(values), signature))

    predictions = read_reply(lambda _: next(sent), signature, Required(2))

    assert predictions.values == values
    writer = JsonWriter("pairs", 1, signature)
    assert json.loads(writer.write(predictions, single=False))["predictions"] == values
    assert json.loads(writer.write(predictions, single=True))["prediction"] == values[0]
    table = pa.ipc.open_stream(encode_arrow(predictions, signature)).read_all()
    assert table.column(0).to_pylist() == values


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_lists_are_written_to_files(ending):
    kind = file_type(f"out.{ending}")
    names = answer_columns(PAIR.to_json(), probabilities=True)
    output = output_of(kind, {}, names, PAIR.to_json())
    file = io.BytesIO()

    output.join([output.part({"prediction": [[1.5, 2.0]]})], file)

    if ending == "parquet":
        file.seek(0)
        assert pa.parquet.read_table(file).column(0).to_pylist() == [[1.5, 2.0]]
    else:
        text = {"csv": '"[1.5, 2.0]"', "jsonl": '{"prediction": [1.5, 2.0]}'}[ending]
        assert text in file.getvalue().decode()


def test_an_onnx_file_of_several_outputs_predicts_lists():
    model = LinearRegression().fit(X[:, :3], BOTH)
    content = exported(model).SerializeToString()

    predictor = read_upload(content, {}).predictor
    reply = predictor.predict(batch_of(X[:, :3], predictor.signature))

    assert predictor.signature.output.size == 2
    assert np.allclose(reply.values, model.predict(X[:, :3]), rtol=1e-5, atol=1e-5)


def test_callers_of_one_prediction_cannot_read_a_list():
    one = Signature(PAIR.inputs, Output("pair", "number"))

    assert list(incompatibilities(PAIR, one)) == [
        "a row gets a list of 2, the champion gives it one prediction"
    ]


def test_a_holdout_of_one_target_is_refused():
    predictor = SklearnPredictor(MODELS["linear"], PAIR)

    with pytest.raises(HoldoutRefused, match="a list of 2 values"):
        predict_holdout(predictor, io.BytesIO(), None)
