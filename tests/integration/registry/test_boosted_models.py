"""Models of XGBoost and LightGBM, read from their own files, predict as their libraries do."""

import contextlib
import functools
import json
import re

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from registry.codecs.batch import build_batch
from registry.engines.boosting_file import from_bytes
from registry.engines.boosting_predictor import pack
from registry.errors import ArtifactRefused, MetadataRefused, PredictionRefused
from registry.intake.boosting.upload import known_example, read_booster
from tests.integration.registry.boosters import (
    BY_CATEGORY,
    CASES,
    FRAME,
    TARGETS,
    X,
    lightgbm_of_frame,
    xgboost_of_frame,
)
from tests.marks import third_fast


@functools.cache
def trained(name):
    make, positions, params = CASES[name]
    return make(*positions, **params)


def predictions(uploaded, rows, *, probabilities=False):
    columns = [[None if cell != cell else cell for cell in column] for column in rows]  # noqa: PLR0124 - NaN
    batch = build_batch(columns, uploaded.signature, lambda row, column: "")
    return uploaded.predictor.predict(batch, probabilities=probabilities)


@pytest.mark.parametrize("name", third_fast(CASES))
def test_a_model_predicts_as_its_library_to_the_last_bit(name):
    case = trained(name)
    uploaded = read_booster(case.content, case.format, None)
    if name.endswith("-masked"):
        assert pack(from_bytes(uploaded.forms["boosting"])).masked

    found = predictions(
        uploaded, case.rows.T.tolist(), probabilities=uploaded.predictor.has_probabilities
    )

    expected = case.expected.astype(np.float64)
    if found.probabilities is None and uploaded.signature.output.classes is None:
        assert found.values == expected[:, 0].tolist()
    elif found.probabilities is None:
        assert found.values == expected[:, 0].astype(int).tolist()
    elif expected.shape[1] == 1:
        assert np.array_equal(found.probabilities[:, 1], expected[:, 0])
        first = 1 - case.expected[:, 0]  # of the library's own dtype
        assert np.array_equal(found.probabilities[:, 0], first.astype(np.float64))
        assert found.values == (expected[:, 0] > 0.5).astype(int).tolist()
    else:
        assert np.array_equal(found.probabilities, expected)
        assert found.values == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("name", ["xgb-softprob", "lgb-binary", "xgb-codes", "lgb-categories"])
def test_a_row_alone_is_predicted_as_in_a_batch(name):
    case = trained(name)
    uploaded = read_booster(case.content, case.format, None)
    together = predictions(uploaded, case.rows[:100].T.tolist()).values

    alone = [
        predictions(uploaded, row[:, np.newaxis].tolist()).values[0] for row in case.rows[:100]
    ]

    assert alone == together


def texts_and_numbers():
    columns = [FRAME[name].astype(object).where(FRAME[name].notna(), None) for name in FRAME]
    return [column.tolist() for column in columns]


@pytest.mark.parametrize("params", [{}, {"max_cat_to_onehot": 100}], ids=["sets", "one-hot"])
def test_xgboost_s_categories_are_sent_as_they_were_in_training(params):
    content, expected = xgboost_of_frame(**params)

    uploaded = read_booster(content, "xgboost", None)

    types = [column.type for column in uploaded.signature.inputs]
    assert uploaded.signature.names == tuple(FRAME)
    assert types == ["number", "string", "number", "number"]
    found = predictions(uploaded, texts_and_numbers())
    assert found.values == expected.astype(np.float64).tolist()


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\t"])
def test_names_of_lightgbm_may_have_signs_that_end_lines_elsewhere(sign):
    names = [f"a{sign}b", "c", "d"]
    data = lightgbm.Dataset(X[:200, :3], X[:200, 5], feature_name=names)
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 3)

    text = booster.model_to_string()

    for content in (text, text.replace("\n", "\r\n")):
        uploaded = read_booster(content.encode(), "lightgbm", None)
        assert list(uploaded.signature.names) == names == booster.feature_name()
        expected = booster.predict(X[:9, :3], num_threads=1)
        assert predictions(uploaded, X[:9, :3].T.tolist()).values == expected.tolist()


@pytest.mark.parametrize("params", [{}, {"max_cat_to_onehot": 100}], ids=["sets", "one-hot"])
def test_lightgbm_s_categories_are_sent_as_they_were_in_training(params):
    content, expected = lightgbm_of_frame(**params)

    uploaded = read_booster(content, "lightgbm", None)

    types = [column.type for column in uploaded.signature.inputs]
    assert types == ["number", "string", "number", "number"]
    assert predictions(uploaded, texts_and_numbers()).values == expected.tolist()


def test_an_unknown_category_is_refused_where_xgboost_refuses_it():
    uploaded = read_booster(xgboost_of_frame()[0], "xgboost", None)
    row = known_example(uploaded)
    columns = [[row[name]] for name in uploaded.signature.names]
    assert len(predictions(uploaded, columns).values) == 1

    columns[1] = ["a new word"]

    with pytest.raises(PredictionRefused, match="a category that training never saw"):
        predictions(uploaded, columns)


def test_an_unknown_category_is_a_missing_value_where_it_is_one_to_lightgbm():
    booster_text, _ = lightgbm_of_frame()
    booster = lightgbm.Booster(model_str=booster_text.decode())
    uploaded = read_booster(booster_text, "lightgbm", None)
    strange = FRAME[:1].copy()
    strange["word"] = pd.Categorical(["new"])
    strange["code"] = pd.Categorical([12])
    strange["room"] = 9.0

    found = predictions(uploaded, [[1e38], ["new"], [9.0], [12.0]])

    assert found.values == booster.predict(strange, num_threads=1).tolist()


def test_early_stopping_counts_where_the_library_s_own_predict_counts_it(tmp_path):
    half = len(X) // 2
    model = xgboost.XGBRegressor(
        n_estimators=200, learning_rate=0.8, early_stopping_rounds=3, n_jobs=1
    )
    model.fit(X[:half], TARGETS["number"][:half], eval_set=[(X[half:], TARGETS["number"][half:])],
              verbose=False)  # fmt: skip
    model.save_model(tmp_path / "model.ubj")
    rounds = model.get_booster().num_boosted_rounds()
    assert model.best_iteration + 1 < rounds

    uploaded = read_booster((tmp_path / "model.ubj").read_bytes(), "xgboost", None)
    raw = read_booster(bytes(model.get_booster().save_raw("ubj")), "xgboost", None)

    expected = model.get_booster().predict(
        xgboost.DMatrix(X), iteration_range=(0, model.best_iteration + 1)
    )
    assert predictions(uploaded, X.T.tolist()).values == expected.astype(float).tolist()
    expected = model.get_booster().predict(xgboost.DMatrix(X))
    assert predictions(raw, X.T.tolist()).values == expected.astype(float).tolist()


def test_declared_classes_name_the_library_s_numbers():
    case = trained("lgb-binary")
    own = read_booster(case.content, "lightgbm", None).signature.to_json()
    own["output"] = {"name": "risk", "type": "string", "classes": ["low", "high"]}

    uploaded = read_booster(case.content, "lightgbm", own)

    found = predictions(uploaded, case.rows.T.tolist()).values
    assert found == ["high" if share > 0.5 else "low" for share in case.expected[:, 0]]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda own: own["inputs"].pop(), "signature.inputs"),
        (lambda own: own["inputs"][0].update(name="other"), r"signature.inputs\[0\].name"),
        (lambda own: own["inputs"][0].update(type="string"), r"signature.inputs\[0\].type"),
        (lambda own: own["output"].update(classes=[0, 1, 2]), "signature.output.classes"),
        (lambda own: own["output"].update(classes=["a", "b"]), "signature.output.type"),
    ],
)
def test_a_signature_that_does_not_match_is_refused(change, where):
    case = trained("lgb-binary")
    own = read_booster(case.content, "lightgbm", None).signature.to_json()
    change(own)

    with pytest.raises(MetadataRefused) as refused:
        read_booster(case.content, "lightgbm", own)

    assert any(re.fullmatch(where, fault.at) for fault in refused.value.faults)


def test_models_without_trees_or_with_linear_leaves_are_refused_with_a_way_out():
    linear = xgboost.train(
        {"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(X[:, 3:4], TARGETS["number"]), 2
    )
    with pytest.raises(ArtifactRefused, match="Train with booster='gbtree'"):
        read_booster(bytes(linear.save_raw("ubj")), "xgboost", None)
    leaves = lightgbm.train(
        {"linear_tree": True, "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(np.nan_to_num(X[:, 3:5]), TARGETS["number"]),
        2,
    )
    with pytest.raises(ArtifactRefused, match="linear_tree=false"):
        read_booster(leaves.model_to_string().encode(), "lightgbm", None)
    several = xgboost.train(
        {"multi_strategy": "multi_output_tree", "nthread": 1},
        xgboost.DMatrix(X, np.column_stack([BY_CATEGORY, BY_CATEGORY])),
        2,
    )
    with pytest.raises(ArtifactRefused, match="several targets"):
        read_booster(bytes(several.save_raw("json")), "xgboost", None)


def changed(content, change):
    whole = json.loads(content)
    model = whole["learner"]["gradient_booster"]["model"]
    change(model["trees"][0], model, whole["learner"])
    return json.dumps(whole).encode()


HOSTILE = {
    "a cycle": lambda tree, *_: tree["left_children"].__setitem__(1, 0),
    "a child twice": lambda tree, *_: tree["right_children"].__setitem__(0, 1),
    "a child beyond": lambda tree, *_: tree["left_children"].__setitem__(0, 10**6),
    "a child of 70 bits": lambda tree, *_: tree["left_children"].__setitem__(0, 2**70),
    "a feature beyond": lambda tree, *_: tree["split_indices"].__setitem__(0, 6),
    "a leaf that is infinite": lambda tree, *_: tree["split_conditions"].__setitem__(-1, 1e300),
    "a list that is too short": lambda tree, *_: tree["default_left"].pop(),
    "a text among numbers": lambda tree, *_: tree["split_conditions"].__setitem__(0, "x"),
    "a group beyond": lambda _, model, __: model["tree_info"].__setitem__(0, 3),
    "fewer trees": lambda _, model, __: model["trees"].pop(),
    "no trees": lambda _, model, __: (model["trees"].clear(), model["tree_info"].clear()),
    "a billion columns": lambda *each: each[2]["learner_model_param"].update(num_feature="9" * 9),
    "a base score": lambda *each: each[2]["learner_model_param"].update(base_score="[nan]"),
    "an objective": lambda *each: each[2]["objective"].update(name="os.system"),
    "a base score beyond": lambda *each: (
        each[2]["objective"].update(name="reg:logistic"),
        each[2]["learner_model_param"].update(base_score="[1.5]"),
    ),
    "categories that are no list": lambda *each: each[1].update(cats={"enc": 5}),
    "names": lambda *each: each[2].update(feature_names=["a"]),
    "a set that is missing": lambda tree, *_: tree["split_type"].__setitem__(0, 1),
}  # fmt: skip


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_malformed_xgboost_model_is_refused(fault):
    content = changed(trained("xgb-json").content, HOSTILE[fault])

    with pytest.raises(ArtifactRefused):
        read_booster(content, "xgboost", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"left_child=", b"left_child=7"),
        (b"num_leaves=", b"num_leaves=999999999 "),
        (b"num_leaves=", b"num_leaves=9999"),
        (b"split_feature=", b"split_feature=9"),
        (b"threshold=", b"threshold=nan "),
        (b"leaf_value=", b"leaf_value=inf "),
        (b"decision_type=", b"decision_type=99 "),
        (b"cat_boundaries=0 ", b"cat_boundaries=5 "),
        (b"cat_threshold=", b"cat_threshold=-1 "),
        (b"shrinkage=", b"leaf_coeff=1\nshrinkage="),
        (b"end of trees", b""),
        (b"max_feature_idx=", b"max_feature_idx=99999999"),
        (b"Tree=1\n", b"Tree=2\n"),
        (b"version=v4", b"version=v9"),
        (b"objective=", b"objective=none"),
    ],
)
def test_a_malformed_lightgbm_model_is_refused(old, new):
    content = trained("lgb-categories").content.replace(old, new, 1)

    with pytest.raises(ArtifactRefused):
        read_booster(content, "lightgbm", None)


@pytest.mark.parametrize("name", ["xgb-softprob", "xgb-json", "lgb-categories"])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(name):
    case = trained(name)
    draws = np.random.default_rng(7)
    for _ in range(60):
        damaged = bytearray(case.content)
        for place in draws.integers(0, len(damaged), draws.integers(1, 6)).tolist():
            damaged[place] = draws.integers(0, 256)
        if draws.random() < 0.3:
            del damaged[draws.integers(0, len(damaged)) :]
        try:
            uploaded = read_booster(bytes(damaged), case.format, None)
        except (ArtifactRefused, MetadataRefused):
            continue
        texts = [column.type == "string" for column in uploaded.signature.inputs]
        with contextlib.suppress(PredictionRefused):
            predictions(uploaded, [["a", None] if text else [0.5, None] for text in texts])


def test_deep_and_endless_ubjson_is_refused():
    for content in (b"{" + b"[" * 100_000, b"{L\x7f" + b"\xff" * 7, b"{i\x01a[$d#L" + b"\x7f" * 8):
        with pytest.raises(ArtifactRefused):
            read_booster(content, "xgboost", None)
