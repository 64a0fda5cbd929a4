"""Models served by scikit-learn in confined processes: equal to the bit, and isolated."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from registry.codecs.batch import Batch, build_batch
from registry.confinement.spawner import Spawner
from registry.engines import model_process
from registry.engines.loading import loader
from registry.engines.model_process import WAITING, ModelProcess
from registry.engines.predictor import SklearnPredictor, example_batch
from registry.engines.served_version import ServedVersion
from registry.errors import (
    ArtifactRefused,
    ModelProcessUnavailable,
    PredictionRefused,
    PredictionTimedOut,
)
from registry.live.pool import Pool
from registry.preprocessing import DateEncoder
from registry.signature import Column, Output, Signature
from tests.attacks.onnx_graphs import looping
from tests.integration.engines.hostile_models import CLASSES, NUMBERS, SIGNATURE
from tests.integration.registry.models import FRAME, MODELS, X
from tests.marks import first_fast, third_fast
from tests.processes import children, confined, is_alive, wait_for, zygotes

HOSTILE = "tests.integration.engines.hostile_models"
ROOT = Path(__file__).parents[3]


def packed(model, format_="skops"):
    content = io.BytesIO()
    (skops.io.dump if format_ == "skops" else joblib.dump)(model, content)
    return content.getvalue()


COLUMNS = (
    Column("age", "number", nullable=True),
    Column("rate", "number"),
    Column("city", "string", nullable=True),
)


def signature_of(model):
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        inputs = tuple(Column(f"x{index}", "number") for index in range(3))
    else:
        inputs = tuple(column for column in COLUMNS if column.name in names)
    classes = tuple(model.classes_.tolist()) if hasattr(model, "classes_") else None
    kind = "number" if classes is None or isinstance(classes[0], int) else "string"
    return Signature(inputs, Output("y", kind, classes))


def rows_for(signature):
    if signature.names == ("x0", "x1", "x2"):
        return Batch({f"x{index}": X[:, index].copy() for index in range(3)}, len(X))
    columns = {name: FRAME[name].to_numpy(copy=True) for name in signature.names}
    if len(columns) > 1:  # the one that takes texts alone has seen no null
        columns["city"][::7] = np.nan
    return Batch(columns, len(FRAME))


def serving(spawner, model, signature, format_="skops", **options):
    content = packed(model, format_)
    return ModelProcess(spawner, lambda: io.BytesIO(content), format_, signature, **options)


@pytest.mark.parametrize("format_", first_fast(["skops", "joblib"]))
@pytest.mark.parametrize("name", third_fast(MODELS))
def test_predictions_equal_scikit_learn_s_to_the_last_bit(spawner, name, format_):
    model = MODELS[name]
    signature = signature_of(model)
    batch = rows_for(signature)
    own = SklearnPredictor(model, signature)
    process = serving(spawner, model, signature, format_)

    assert process.has_probabilities == own.has_probabilities
    expected = own.predict(batch, probabilities=own.has_probabilities)
    answers = process.predict(batch, probabilities=own.has_probabilities)

    assert answers.values == expected.values
    assert set(map(type, answers.values)) == set(map(type, expected.values))
    if own.has_probabilities:
        assert answers.probabilities.tobytes() == expected.probabilities.tobytes()
    assert process.predict(batch).probabilities is None


def test_scores_of_a_detector_equal_scikit_learn_s_to_the_last_bit(spawner):
    model = IsolationForest(n_estimators=3, random_state=0).fit(X)
    names = ("x0", "x1", "x2")
    signature = Signature(
        tuple(Column(name, "number") for name in names), Output("y", "integer", (-1, 1))
    )
    process = serving(spawner, model, signature)

    answers = process.scored(rows_for(signature))

    assert answers.values == model.predict(X).tolist()
    assert answers.scores.tobytes() == model.decision_function(X).tobytes()
    assert process.predict(rows_for(signature)).scores is None
    assert (
        serving(spawner, MODELS["shop-linear"], signature_of(MODELS["shop-linear"])).scored is None
    )


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_texts_in_any_alphabet_are_passed_on_unchanged(spawner):
    model = MODELS["shop-linear"]
    signature = signature_of(model)
    texts = np.array(["Gent", "Ωμέγα", "😀", "", "a\0b", np.nan], dtype=object)
    batch = Batch({"age": np.ones(6), "rate": np.ones(6), "city": texts}, 6)

    answers = serving(spawner, model, signature).predict(batch)

    assert answers == SklearnPredictor(model, signature).predict(batch)


def test_dates_are_passed_on_to_the_second(spawner):
    sold = pd.to_datetime(["2024-02-29T12:30:00", "1969-12-31T23:59:59", "2026-01-01T00:00:00"])
    model = make_pipeline(DateEncoder(fill="median"), KNeighborsRegressor(1))
    model.fit(pd.DataFrame({"sold": sold}), [1.0, 2.0, 3.0])
    signature = Signature((Column("sold", "date", nullable=True),), Output("y", "number"))
    texts = ["2024-02-29T13:30+01:00", "1969-12-31T23:59:59.9", "2026-01-02", None]
    batch = build_batch([texts], signature, lambda *_: "")

    answers = serving(spawner, model, signature).predict(batch)

    assert answers.values == SklearnPredictor(model, signature).predict(batch).values
    assert answers.values == [1.0, 2.0, 3.0, 1.0]


def test_a_refused_row_does_not_affect_the_next_request(spawner):
    model = MODELS["linear"]
    signature = signature_of(model)
    process = serving(spawner, model, signature)
    holes = Batch({name: np.array([np.nan]) for name in signature.names}, 1)

    with pytest.raises(PredictionRefused, match=r"failed on this input: ValueError\.$"):
        process.predict(holes)

    assert process.predict(example_batch(signature, None)).values


def test_a_lone_surrogate_in_a_text_is_refused(spawner):
    model = MODELS["shop-linear"]
    signature = signature_of(model)
    process = serving(spawner, model, signature)
    batch = build_batch([[1.0], [1.0], ["\ud800"]], signature, lambda *_: "")

    with pytest.raises(PredictionRefused, match="surrogate"):
        process.predict(batch)


def test_several_threads_each_get_their_own_predictions(spawner):
    model = MODELS["linear"]
    signature = signature_of(model)
    process = serving(spawner, model, signature)
    own = SklearnPredictor(model, signature)

    def ask(number):
        batch = Batch({name: np.full(number % 5 + 1, number / 7) for name in signature.names}, 1)
        batch = Batch(batch.columns, number % 5 + 1)
        return process.predict(batch).values == own.predict(batch).values

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(200)))


def test_an_artifact_without_a_file_descriptor_is_passed_on(spawner, tmp_path):
    model = MODELS["linear"]
    path = tmp_path / "model.skops"
    path.write_bytes(packed(model))
    signature = signature_of(model)
    asked = example_batch(signature, None)
    by_file = ModelProcess(spawner, lambda: path.open("rb"), "skops", signature)

    assert by_file.predict(asked) == serving(spawner, model, signature).predict(asked)


def test_an_artifact_that_is_not_allowed_is_refused(spawner):
    class Canary:
        def __reduce__(self):
            return os.system, ("true",)

    with pytest.raises(ArtifactRefused, match=r"posix\.system"):
        serving(spawner, Canary(), SIGNATURE, "joblib")


_WORKER = """
import io, json, sys, time
from registry.engines.loading import loader
from registry.engines.served_version import ServedVersion
from registry.engines.predictor import example_batch
from registry.signature import Signature
said = json.load(sys.stdin)
class Blobs:
    def open(self, _):
        return open(said["path"], "rb")
signature = Signature.from_json(said["signature"])
version = ServedVersion("m", 1, "skops", "0" * 64, 1, signature, None)
predictor = loader(Blobs())(version)
values = predictor.predict(example_batch(signature, None)).values
heavy = [m for m in ("sklearn", "pandas", "skops", "joblib", "pickle5") if m in sys.modules]
print(json.dumps([values, heavy]), flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """A process that serves a model: itself, its predictions and what it imported for them."""
    model = MODELS["shop-linear"]
    path = tmp_path_factory.mktemp("worker") / "model.skops"
    path.write_bytes(packed(model))
    said = {"path": str(path), "signature": signature_of(model).to_json()}
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        process.stdin.write(json.dumps(said).encode())
        process.stdin.close()
        yield process, *json.loads(process.stdout.readline())
        process.kill()


@pytest.mark.slow  # test_forest_kernel.py has the imports of one that serves compiled models
def test_the_worker_itself_never_imports_scikit_learn(worker):
    _, values, heavy = worker

    row = pd.DataFrame([{"age": 0.5, "rate": 0.5, "city": "a"}])
    assert values == MODELS["shop-linear"].predict(row).tolist()
    assert heavy == []


@pytest.mark.slow  # confinement/test_lifetimes.py has the end of a worker
def test_a_model_process_ends_with_its_worker_even_if_that_is_killed(worker):
    process, *_ = worker
    (zygote,) = zygotes(process.pid)
    helpers = children(zygote)
    assert len(helpers) == 1

    process.kill()
    process.wait()

    wait_for(lambda: not any(map(is_alive, (zygote, *helpers))))


@pytest.fixture(scope="module")
def hostile_spawner():
    with closing(Spawner([HOSTILE])) as spawner:
        spawner.missing()  # its zygote runs
        yield spawner


@pytest.fixture
def hostile(hostile_spawner):
    """A predictor whose process misbehaves on request, with a limit of one second per batch."""

    def hostile(signature=SIGNATURE, seconds=1.0, entry="serve"):
        return ModelProcess(
            hostile_spawner,
            io.BytesIO,
            "skops",
            signature,
            seconds=seconds,
            entry=f"{HOSTILE}:{entry}",
        )

    return hostile


def ask(process, number, rows=1):
    return process.predict(Batch({"x": np.full(rows, float(number))}, rows)).values


def test_a_model_that_hangs_is_stopped_and_the_next_request_is_answered(hostile):
    process = hostile()
    began = time.monotonic()

    with pytest.raises(PredictionTimedOut, match=r"took more than 1 s for the rows .*\(1\)"):
        ask(process, NUMBERS["hang"])

    assert time.monotonic() - began < 20
    assert ask(process, 21) == [42]


def test_a_model_that_crashes_is_retried_once_and_then_refused(hostile):
    process = hostile()

    with pytest.raises(PredictionRefused, match=r"ended twice during this prediction \(SIGSEGV\)"):
        ask(process, NUMBERS["crash"])

    assert ask(process, 21) == [42]


def test_a_process_that_is_killed_is_replaced_at_once(hostile):
    before = confined()
    process = hostile()
    (helper,) = confined() - before

    os.kill(helper, signal.SIGKILL)

    assert ask(process, 21) == [42]
    assert not is_alive(helper)


def test_a_batch_is_retried_after_its_process_was_killed(hostile):
    before = confined()
    process = hostile(seconds=20)
    (helper,) = confined() - before
    killer = threading.Timer(0.3, os.kill, (helper, signal.SIGKILL))
    # Stopped, it cannot answer before it is killed.
    os.kill(helper, signal.SIGSTOP)
    killer.start()

    assert ask(process, 21) == [42]


def test_a_process_that_dies_repeatedly_is_restarted_with_a_delay(hostile):
    process = hostile()
    for _ in range(2):
        with pytest.raises((PredictionRefused, ModelProcessUnavailable)):
            ask(process, NUMBERS["leave"])

    with pytest.raises(ModelProcessUnavailable, match="ended repeatedly"):
        ask(process, 21)

    def answers():
        try:
            return ask(process, 21)
        except ModelProcessUnavailable:
            return None

    assert wait_for(answers) == [42]


@pytest.mark.parametrize(
    "misdeed",
    [
        *("too_few", "too_many", "nonsense", "nested", "endless_head", "break_off"),
        *("labels_of_a_number", "unasked_pickle"),
    ],
)
def test_a_malformed_reply_is_refused(hostile, misdeed):
    process = hostile()

    with pytest.raises(PredictionRefused, match="malformed reply"):
        ask(process, NUMBERS[misdeed])

    assert ask(process, 21) == [42]


@pytest.mark.parametrize("misdeed", ["label_below", "label_above", "too_few"])
def test_a_label_outside_the_signature_is_refused(hostile, misdeed):
    with pytest.raises(PredictionRefused, match="malformed reply"):
        ask(hostile(CLASSES), NUMBERS[misdeed])


def test_a_prediction_that_is_not_finite_is_refused(hostile):
    with pytest.raises(PredictionRefused, match="row 0 is not a finite number"):
        ask(hostile(), NUMBERS["not_finite"])


def test_messages_of_a_model_cannot_forge_log_lines(hostile):
    with pytest.raises(PredictionRefused) as refused:
        ask(hostile(), NUMBERS["forge"])

    assert refused.value.detail.isprintable()


@pytest.mark.parametrize(
    ("entry", "said"), [("serve_nobody", r"\(SIGSEGV\)"), ("boast", "malformed reply")]
)
def test_an_artifact_that_does_not_load_is_refused(hostile, entry, said):
    with pytest.raises(ArtifactRefused, match=said):
        hostile(entry=entry)


def test_the_time_limit_for_loading_begins_with_the_process(hostile, monkeypatch):
    """A zygote that is not scheduled at once, as on a busy machine."""
    monkeypatch.setattr(model_process, "LOAD_SECONDS", 2)
    with ThreadPoolExecutor(1) as threads:
        for zygote in zygotes():
            os.kill(zygote, signal.SIGSTOP)
        loading = threads.submit(hostile)
        time.sleep(2.1)
        for zygote in zygotes():
            os.kill(zygote, signal.SIGCONT)

        assert loading.result(60).signature == SIGNATURE


def test_a_regression_has_no_probabilities_whatever_the_process_reports(hostile):
    assert not hostile().has_probabilities
    assert hostile().scored is None


@pytest.mark.parametrize("misdeed", ["too_few_scores", "scores_not_finite"])
def test_malformed_scores_are_refused(hostile, misdeed):
    batch = Batch({"x": np.array([NUMBERS[misdeed]])}, 1)
    with pytest.raises(PredictionRefused, match=r"malformed reply|score for row 0 is not a finite"):
        hostile(CLASSES).scored(batch)


def test_the_number_of_waiting_requests_is_limited(hostile):
    process = hostile(seconds=2)
    with ThreadPoolExecutor(WAITING + 3) as threads:
        asked = [threads.submit(ask, process, NUMBERS["hang"]) for _ in range(WAITING + 3)]
        wait_for(lambda: sum(each.done() for each in asked) >= 2, 2)
        errors = [each.exception(60) for each in asked]

    turned_away = [error for error in errors if "too many" in str(error)]
    assert len(turned_away) == 2
    assert all(isinstance(error, ModelProcessUnavailable) for error in turned_away)


class Shelf:
    """Holds one ONNX file, under every digest."""

    def open(self, _):
        return io.BytesIO(looping(1).SerializeToString())


def test_other_models_are_unaffected_by_waiting_requests(spawner):
    load = loader(Shelf(), spawner)
    inputs = tuple(Column(f"x{index}", "number") for index in range(3))
    signature = Signature(inputs, Output("y", "number"))
    row = Batch({column.name: np.zeros(1) for column in inputs}, 1)
    before = confined()
    slow = [load(ServedVersion("slow", n, "onnx", "0" * 64, 1, signature, None)) for n in range(2)]
    stopped = confined() - before
    for helper in stopped:
        os.kill(helper, signal.SIGSTOP)

    with ThreadPoolExecutor(2 * (WAITING + 1)) as threads:
        asked = [threads.submit(each.predict, row) for each in slow for _ in range(WAITING + 1)]
        wait_for(lambda: not any(each._admitted._value for each in slow))
        other = load(ServedVersion("other", 1, "onnx", "0" * 64, 1, signature, None))

        assert other.predict(row).values == [0.0]

        assert not any(each.done() for each in asked)
        for helper in stopped:
            os.kill(helper, signal.SIGCONT)
        assert [each.result(30).values for each in asked] == [[0.0]] * len(asked)


def test_an_uploaded_graph_that_never_ends_is_killed(spawner):
    content = looping(2**40).SerializeToString()
    signature = Signature.from_json(
        {
            "inputs": [{"name": f"x{index}", "type": "number"} for index in range(3)],
            "output": {"name": "y", "type": "number"},
        }
    )
    process = ModelProcess(spawner, lambda: io.BytesIO(content), "onnx", signature, seconds=1)

    def ask_for(turns):
        columns = {"x0": np.array([turns]), "x1": np.array([0.0]), "x2": np.array([0.0])}
        return process.predict(Batch(columns, 1)).values

    with pytest.raises(PredictionTimedOut, match="took more than 1 s"):
        ask_for(100.0)

    assert ask_for(0.0) == [0.0]


def test_the_process_ends_when_the_version_is_dropped(hostile):
    pool = Pool(lambda version: hostile(version.signature), 10**9)
    version = ServedVersion("m", 1, "skops", "0" * 64, 1, SIGNATURE, None)
    before = confined()
    pool.get(version)
    (helper,) = confined() - before

    pool.drop([("m", 1)])

    wait_for(lambda: not is_alive(helper))
    pool.close()
