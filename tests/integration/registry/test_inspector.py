"""The intake process: what it reads from models, what it refuses, and how it survives."""

import io
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from registry.confinement.spawner import Spawner
from registry.errors import ArtifactRefused, Fault, IntakeBusy, IntakeUnavailable, MetadataRefused
from registry.intake.inspector import Inspector
from registry.intake.messages import read_facts, refusal
from tests.integration.registry.models import LABELS, MODELS, X, Y
from tests.marks import left_to_slow, third_fast
from tests.processes import confined, is_alive, wait_for, zygotes

HOSTILE = "tests.integration.registry.hostile"


@pytest.fixture(scope="module")
def inspector(spawner):
    return Inspector(spawner=spawner)


@pytest.fixture(scope="module")
def hostile():
    """Starts hostile inspections."""
    with closing(Spawner([HOSTILE])) as spawner:
        yield spawner


@pytest.fixture
def artifact(tmp_path):
    """Writes a model to a file."""

    def artifact(model, format_="skops"):
        content = io.BytesIO()
        if format_ == "skops":
            skops.io.dump(model, content)
        else:
            joblib.dump(model, content)
        path = tmp_path / f"model.{format_}"
        path.write_bytes(content.getvalue())
        return path

    return artifact


def look(inspector, path, format_="skops", **declared):
    return inspector.inspect(path, format_, declared)


@pytest.mark.parametrize(
    ("name", "kind", "task"),
    third_fast(
        [
            ("linear", "linear", "regression"),
            ("ridge", "linear", "regression"),
            ("target", "linear", "regression"),
            ("logistic", "logistic", "classification"),
            ("tree", "tree", "regression"),
            ("tree-classes", "tree", "classification"),
            ("forest", "forest", "regression"),
            ("shop-forest", "forest", "classification"),
            ("boosted", "boosting", "regression"),
            ("sgd", "other", "classification"),
        ]
    ),
)
def test_kind_and_task_are_read_from_the_model(inspector, artifact, name, kind, task):
    inspection, signature = look(inspector, artifact(MODELS[name]))

    assert (inspection.kind, inspection.task, signature.task) == (kind, task, task)
    assert inspection.environment["scikit-learn"]


def test_columns_types_nulls_and_classes_are_read_from_a_pipeline(inspector, artifact):
    inspection, signature = look(inspector, artifact(MODELS["shop-forest"]))

    columns = [(c.name, c.type, c.nullable) for c in signature.inputs]
    assert columns == [
        ("age", "number", True),
        ("rate", "number", True),
        ("city", "string", True),
    ]
    assert signature.output.classes == ("high", "low")
    assert (inspection.params["n_estimators"], inspection.params["max_depth"]) == (5, None)


def test_a_model_that_refuses_unknown_categories_gets_an_example_of_known_ones(inspector, artifact):
    frame = pd.DataFrame(
        {
            "city": pd.Series(["Leeds", "Turin"] * 10, dtype=object),
            "rooms": [3, 7] * 10,
            "old": pd.Series([True, False] * 10, dtype=object),
        }
    )
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(frame, range(20))

    inspection, _ = look(inspector, artifact(model))

    assert inspection.input_example == {"city": "Leeds", "rooms": 3, "old": False}


def test_a_model_that_refuses_numbers_beyond_its_training_gets_an_example_within(
    inspector, artifact
):
    years = np.linspace(1990, 2020, 30).reshape(-1, 1)
    splines = SplineTransformer(extrapolation="error")
    model = make_pipeline(StandardScaler(), splines, LinearRegression()).fit(years, range(30))

    inspection, _ = look(inspector, artifact(model))

    assert inspection.input_example == {"x0": pytest.approx(2005.0)}


def test_a_model_that_refuses_every_generated_row_is_refused_with_advice(inspector, artifact):
    model = make_pipeline(PowerTransformer(method="box-cox"), LinearRegression())
    model.fit(np.arange(1.0, 31.0).reshape(-1, 1), range(30))
    model[0].lambdas_[0] = -np.inf

    with pytest.raises(ArtifactRefused, match=r"declare one as metadata\.input_example"):
        look(inspector, artifact(model))


def test_a_model_that_accepts_any_row_of_its_types_gets_no_example(inspector, artifact):
    inspection, _ = look(inspector, artifact(MODELS["shop-forest"]))

    assert inspection.input_example is None


def test_columns_without_names_are_numbered(inspector, artifact):
    _, signature = look(inspector, artifact(MODELS["linear"], "joblib"), "joblib")

    assert signature.names == ("x0", "x1", "x2")


def test_a_declared_signature_completes_what_the_model_knows(inspector, artifact):
    declared = {
        "inputs": [{"name": n, "type": "integer"} for n in ("a", "b", "c")],
        "output": {"name": "size", "type": "integer"},
    }
    _, signature = look(inspector, artifact(MODELS["tree-classes"]), signature=declared)

    assert signature.names == ("a", "b", "c")
    assert (signature.output.name, signature.output.classes) == ("size", (0, 1, 2))


def says(names, output=None):
    return {
        "inputs": [{"name": name, "type": "number"} for name in names],
        "output": {"name": "y", "type": "number", **(output or {})},
    }


@pytest.mark.parametrize(
    ("name", "declared", "at"),
    [
        ("linear", {"signature": says("ab")}, "signature.inputs"),
        ("linear", {"signature": says("abc", {"type": "string"})}, "signature.output.type"),
        ("linear", {"signature": says("abc", {"classes": [1]})}, "signature.output.classes"),
        ("linear", {"signature": {"inputs": []}}, "signature.inputs"),
        ("linear", {"kind": "forest"}, "kind"),
        ("logistic", {"kind": "linear"}, "kind"),
        ("tree-classes", {"signature": says("abc")}, "signature.output.type"),
        (
            "tree-classes",
            {"signature": says("abc", {"type": "integer", "classes": [0, 1]})},
            "signature.output.classes",
        ),
        ("shop-linear", {"signature": says(["rate", "age", "city"])}, "signature.inputs[0].name"),
        ("linear", {"input_example": {"x0": 1, "x1": "one", "x2": 2}}, "input_example.x1"),
        ("linear", {"input_example": {"x0": 1}}, "input_example.x1"),
    ],
)
def test_declared_metadata_must_match_the_model(inspector, artifact, name, declared, at):
    with pytest.raises(MetadataRefused) as refused:
        look(inspector, artifact(MODELS[name]), **declared)

    assert at in [fault.at for fault in refused.value.faults]


def test_several_outputs_are_a_list_of_so_many_values(inspector, artifact):
    two = LinearRegression().fit(X, np.column_stack([Y, Y]))
    classes = DecisionTreeClassifier().fit(X, np.column_stack([LABELS, LABELS]))

    for model in (two, classes):
        assert look(inspector, artifact(model))[1].output.size == 2


@pytest.mark.parametrize("model", [LinearRegression(), DecisionTreeClassifier()], ids=str)
def test_an_unfitted_model_is_refused(inspector, artifact, model):
    with pytest.raises(ArtifactRefused):
        look(inspector, artifact(model))


def test_a_model_that_cannot_predict_its_own_example_is_refused(inspector, artifact):
    declared = {
        "inputs": [{"name": f"x{i}", "type": "string"} for i in range(3)],
        "output": {"name": "y", "type": "number"},
    }
    with pytest.raises(ArtifactRefused, match="cannot predict"):
        look(inspector, artifact(MODELS["linear"]), signature=declared)


def test_probabilities_for_other_classes_are_refused(inspector, artifact):
    model = DecisionTreeClassifier().fit(X, LABELS)
    model.classes_ = np.array(["high", "low", "medium"])

    with pytest.raises(ArtifactRefused):
        look(inspector, artifact(model))


def named(*names):
    """A regression that says it was trained on columns of these names."""
    model = LinearRegression().fit(np.zeros((2, len(names))), [0.0, 1.0])
    model.feature_names_in_ = np.array(names, dtype=object)
    return model


def with_parameter(**parameters):
    model = Ridge().fit(X, Y)
    vars(model).update(parameters)
    return model


def with_classes(*classes):
    model = DecisionTreeClassifier().fit(X, LABELS)
    model.classes_ = np.array(classes)
    return model


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: named("a" * 1001), "text of 1 to 1000 characters without NUL"),
        (lambda: named(""), "text of 1 to 1000 characters without NUL"),
        (lambda: named("a\0b"), "text of 1 to 1000 characters without NUL"),
        (lambda: named("a", "a"), r"inputs\[1\]\.name: the name appears twice"),
        (lambda: named(*map(str, range(10_001))), "takes 10001 columns; at most 10000"),
        (lambda: with_parameter(solver="x" * 10_001), r"length <= 10000 - at `\$\.params"),
        (lambda: with_classes(0.0, np.inf), "finite numbers"),
    ],
    ids=[
        *("a-long-name", "an-empty-name", "a-nul", "a-name-twice", "many-columns", "a-long-text"),
        "an-infinite-class",
    ],
)
def test_an_exceeded_limit_is_named(inspector, artifact, model, said):
    with pytest.raises(ArtifactRefused, match=said):
        look(inspector, artifact(model(), "joblib"), "joblib")


def refused_with(faults):
    with pytest.raises(MetadataRefused) as refused:
        read_facts(refusal(MetadataRefused("y" * 20_000, faults)))
    return refused.value


def test_a_refusal_is_truncated_to_the_limits_of_messages():
    long = refused_with([Fault("signature", "x" * 20_000)] * 4_000)
    many = refused_with([Fault("signature", "x")] * 100_001)

    assert len(long.detail) == 10_000
    assert {len(fault.message) for fault in long.faults} == {10_000}
    assert len(long.faults) == 1_000, "more of them would take more than 32 MB"
    assert len(many.faults) == 100_000


def test_disallowed_types_are_refused_with_the_reason(inspector, artifact):
    class Canary:
        def __reduce__(self):
            return os.system, ("true",)

    with pytest.raises(ArtifactRefused, match=r"posix\.system"):
        look(inspector, artifact(Canary(), "joblib"), "joblib")


def test_eight_concurrent_inspections_succeed(inspector, artifact):
    path = artifact(MODELS["linear"])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: look(inspector, path)[1], range(8)))

    assert found == [found[0]] * 8


@pytest.fixture(scope="module")
def taken_over(hostile):
    """An inspector with hostile processes; each has two seconds."""
    return Inspector(2, spawner=hostile, entry=f"{HOSTILE}:answer")


@pytest.fixture
def file_that(tmp_path):
    """Writes an artifact that has its inspection do something hostile."""

    def file_that(hostility):
        path = tmp_path / hostility
        path.write_text(hostility)
        return path

    return file_that


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("hang", r"inspection took over 2 s\."),
        left_to_slow(("spin", r"took over 2 s|SIGXCPU|SIGKILL")),
        ("crash", r"without a result \(SIGSEGV\)"),
        ("say-nothing", r"without a result \(no answer\)"),
        ("allocate", r"without a result \(no answer\)"),
        ("write-ten-gigabytes", r"without a result \(no answer\)"),
        ("read-passwords", r"without a result \(no answer\)"),
        ("connect", r"without a result \(no answer\)"),
        ("fork", r"without a result \(no answer\)"),
        ("kill-everybody", r"without a result \(no answer\)"),
    ],
)
def test_an_inspection_that_is_stopped_refuses_the_artifact(taken_over, file_that, kind, said):
    with pytest.raises(ArtifactRefused, match=said):
        look(taken_over, file_that(kind))


@pytest.mark.parametrize(
    "kind",
    [
        *("say-nonsense", "say-without-end", "announce-much-and-say-little"),
        *("compile-without-end", "boast-of-an-engine", "claim-another-engine"),
        *("kind-unknown", "task-of-another", "more-than-asked", "params-nested", "params-many"),
        *("params-long", "environment-long", "signature-none", "signature-a-list"),
        *("signature-column-twice", "signature-columns-many"),
    ],
)
def test_a_malformed_reply_of_an_inspection_refuses_the_artifact(taken_over, file_that, kind):
    with pytest.raises(ArtifactRefused, match="sent an invalid message"):
        look(taken_over, file_that(kind))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("hang-while-compiling", "took over 2 s"), ("crash-while-compiling", "SIGSEGV")],
)
def test_a_model_whose_compilation_crashes_is_served_by_scikit_learn(
    taken_over, file_that, kind, said
):
    inspection, signature = look(taken_over, file_that(kind))

    assert signature.names == ("x",)
    assert inspection.engine["name"] == "scikit-learn"
    assert said in inspection.engine["reason"]
    assert inspection.compiled == {}


def test_messages_of_an_inspection_cannot_forge_log_lines(taken_over, file_that):
    with pytest.raises(ArtifactRefused) as refused:
        look(taken_over, file_that("forge-a-log-line"))

    assert refused.value.detail.isprintable()


@pytest.fixture
def waiting(tmp_path):
    """An artifact whose inspection ends, without an answer, once the file is written to."""
    path = tmp_path / "waiting"
    path.touch()
    yield path
    path.write_text("end")  # also where a test fails


def test_a_hanging_inspection_does_not_block_others(hostile, waiting, file_that):
    patient = Inspector(60, spawner=hostile, entry=f"{HOSTILE}:end_when_told")
    others = confined()
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(look, patient, waiting)
        wait_for(lambda: confined() - others)

        with pytest.raises(ArtifactRefused):
            look(patient, file_that("say-nothing"))

        assert not hanging.done()
        waiting.write_text("end")
        with pytest.raises(ArtifactRefused, match="no answer"):
            hanging.result(60)


def test_uploads_above_the_limit_wait_and_are_then_refused_as_busy(hostile, waiting):
    narrow = Inspector(60, spawner=hostile, entry=f"{HOSTILE}:end_when_told", at_once=2, wait=0.3)
    others = confined()
    with ThreadPoolExecutor(2) as threads:
        hanging = [threads.submit(look, narrow, waiting) for _ in range(2)]
        wait_for(lambda: len(confined() - others) == 2)

        with pytest.raises(IntakeBusy):
            look(narrow, waiting)

        assert not any(each.done() for each in hanging)
        waiting.write_text("end")
        for each in hanging:
            with pytest.raises(ArtifactRefused):
                each.result(60)
    with pytest.raises(ArtifactRefused):
        look(narrow, waiting)


def test_the_time_limit_of_an_inspection_begins_with_its_process(hostile, file_that):
    """A zygote that is not scheduled at once, as on a busy machine."""
    hasty = Inspector(2, spawner=hostile, entry=f"{HOSTILE}:answer")
    hostile.missing()  # its zygote runs
    with ThreadPoolExecutor(1) as threads:
        for zygote in zygotes():
            os.kill(zygote, signal.SIGSTOP)
        looking = threads.submit(look, hasty, file_that("say-nothing"))
        time.sleep(2.1)
        for zygote in zygotes():
            os.kill(zygote, signal.SIGCONT)

        with pytest.raises(ArtifactRefused, match="no answer"):
            looking.result(60)


def test_without_a_process_the_intake_is_unavailable(file_that):
    inspector = Inspector(spawner=Spawner(["there.is.no.such.module"]))

    with pytest.raises(IntakeUnavailable):
        look(inspector, file_that("hang"))


def test_a_zygote_killed_between_uploads_is_replaced(file_that):
    others = set(zygotes())
    with closing(Spawner([HOSTILE])) as spawner:
        inspector = Inspector(2, spawner=spawner, entry=f"{HOSTILE}:answer")
        upload = file_that("crash-while-compiling")  # after all that an upload requires
        look(inspector, upload)
        (zygote,) = set(zygotes()) - others

        os.kill(zygote, signal.SIGKILL)
        wait_for(lambda: not is_alive(zygote))

        assert look(inspector, upload)[1].names == ("x",)
    assert set(zygotes()) == others
