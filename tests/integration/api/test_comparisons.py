"""GET /models/<name>/compare: versions side by side, with what differs marked."""

import numpy as np
import pytest

from registry.reading.comparison import HIGHER_IS_BETTER, LOWER_IS_BETTER
from registry.storage.history import record
from tests.integration.api.conftest import check_problem
from tests.scikit_learn_metrics import classification_metrics, regression_metrics


def compare(caller, name, versions):
    answer = caller.get(f"/models/{name}/compare", query_string={"versions": versions})
    assert answer.status_code == 200, answer.text
    return answer.json


def rows(section):
    return {row["name"]: row for row in section}


@pytest.fixture(scope="module")
def pair(service, artifacts):
    """A linear model and a classifier with other columns, in production and as challenger."""
    name = "pair"
    said = {
        "metrics": {"rmse": 3.5, "r2": 0.5, "made_up": 7},
        "params": {"depth": None, "same": [1, {"a": 1}], "size": 1, "flag": 1, "text": "1"},
        "lineage": {"seed": 0, "recipe": {"kind": "linear", "params": {"depth": 3}}, "empty": {}},
        "environment": {"python": "3.11.7"},
    }
    changed = {
        "metrics": {"rmse": 2.5, "r2": 0.5, "accuracy": 0.9, "made_up": 8},
        "params": {"same": [1, {"a": 1}], "size": 1.0, "flag": True, "text": "2", "new.key": 1},
        "lineage": {"seed": 0, "recipe": {"kind": "linear", "params": {"depth": 4}}, "empty": {}},
        "environment": {"python": "3.12.1"},
    }
    for artifact, metadata in (("plane", said), ("iris-names", changed)):
        answer = service.admin.upload(name, artifacts[artifact], metadata)
        assert answer.status_code == 201, answer.text
    service.admin.promote(name, 1)
    service.admin.promote(name, 2, alias="challenger")
    return name


def test_versions_are_compared_in_the_requested_order(admin, pair):
    answer = compare(admin, pair, "2,1")

    assert answer["model"] == pair
    assert set(answer) == {
        *("model", "versions", "metrics", "measured", "params", "signature", "lineage"),
        "environment",
    }
    first, second = answer["versions"]
    assert (first["version"], second["version"]) == (2, 1)
    assert (first["task"], second["task"]) == ("classification", "regression")
    assert second["aliases"] == ["production"]
    assert rows(answer["metrics"])["rmse"]["values"] == [2.5, 3.5]


def test_references_may_be_aliases_and_are_returned_with_the_result(admin, pair):
    answer = compare(admin, pair, "production, challenger,latest")

    assert [(one["reference"], one["version"]) for one in answer["versions"]] == [
        ("production", 1),
        ("challenger", 2),
        ("latest", 2),
    ]
    twice = admin.get(f"/models/{pair}/compare?versions=1&versions=2")
    assert [one["version"] for one in twice.json["versions"]] == [1, 2]


def test_the_best_metric_is_marked_where_its_direction_is_known(admin, pair):
    metrics = rows(compare(admin, pair, "1,2")["metrics"])

    assert metrics["rmse"] == {
        "name": "rmse",
        "values": [3.5, 2.5],
        "missing": [],
        "differs": True,
        "better": "lower",
        "best": [2],
    }
    assert (metrics["r2"]["differs"], metrics["r2"]["best"]) == (False, [])
    assert (metrics["accuracy"]["missing"], metrics["accuracy"]["best"]) == ([1], [])
    assert (metrics["made_up"]["better"], metrics["made_up"]["best"]) == (None, [])


@pytest.mark.parametrize(
    "expected",
    [
        ("depth", [None, None], [2], True),
        ("same", [[1, {"a": 1}], [1, {"a": 1}]], [], False),
        ("size", [1, 1.0], [], False),
        ("flag", [1, True], [], True),
        ("text", ["1", "2"], [], True),
        ("new.key", [None, 1], [1], True),
    ],
)
def test_params_are_compared_as_json(admin, pair, expected):
    name, values, missing, differs = expected
    row = rows(compare(admin, pair, "1,2")["params"])[name]

    assert row == {"name": name, "values": values, "missing": missing, "differs": differs}
    assert [type(value) for value in row["values"]] == [type(value) for value in values]


def test_nested_lineage_is_compared_leaf_by_leaf(admin, pair):
    lineage = rows(compare(admin, pair, "1,2")["lineage"])

    assert list(lineage) == ["seed", "recipe.kind", "recipe.params.depth", "empty"]
    assert [name for name, row in lineage.items() if row["differs"]] == ["recipe.params.depth"]
    environment = rows(compare(admin, pair, "1,2")["environment"])
    assert environment["python"]["differs"]
    assert not environment["scikit-learn"]["differs"]


def test_columns_and_their_order_are_compared_separately(admin, fresh_name, artifacts):
    signature = {
        "inputs": [{"name": "a", "type": "number"}, {"name": "b", "type": "number"}],
        "output": {"name": "y", "type": "number"},
    }
    turned = {**signature, "inputs": signature["inputs"][::-1]}
    for one in (signature, turned):
        assert admin.upload(fresh_name, artifacts["plane"], {"signature": one}).status_code == 201
    compared = rows(compare(admin, fresh_name, "1,2")["signature"])

    assert compared["inputs"]["values"] == [["a", "b"], ["b", "a"]]
    assert [name for name, row in compared.items() if row["differs"]] == ["inputs"]
    assert compared["inputs.a"]["values"] == [{"type": "number", "nullable": False}] * 2
    assert compared["output.name"]["values"] == ["y", "y"]


def test_classes_of_one_version_are_missing_in_the_other(admin, pair):
    signature = rows(compare(admin, pair, "1,2")["signature"])

    assert signature["output.classes"]["missing"] == [1]
    assert signature["inputs.sepal_l"]["missing"] == [1]


def test_measured_metrics_are_shown_beside_claimed_ones(service, admin, pair):
    outcomes = [
        {"gate": "rmse < 9", "passed": True, "candidate": 4.25, "measured": "holdout"},
        {"gate": "r2 > 0", "passed": True, "candidate": 0.5, "measured": "claimed"},
        {"gate": "latency_ms <= 5", "passed": True, "candidate": 0.1, "measured": None},
        "no outcome",
    ]
    with service.services.database.write() as session:
        for shift in (1, 0):  # the later one counts
            moved = [{**outcomes[0], "candidate": 4.25 + shift}, *outcomes[1:]]
            record(
                *(session, "promoted"),
                actor="gates",
                model=pair,
                alias="measured",
                to_version=1,
                details={"gates": moved},
            )
    answer = compare(admin, pair, "1,2")

    measured = rows(answer["measured"])
    assert list(measured) == ["rmse"]
    assert (measured["rmse"]["values"], measured["rmse"]["missing"]) == ([4.25, None], [2])
    assert rows(answer["metrics"])["rmse"]["values"] == [3.5, 2.5]


def note_promotion(service, model, versions, figures, holdout):
    """The event of a promotion of the first of ``versions`` over the second, whose gate measured
    the ``figures`` of both."""
    gate = {"gate": "rmse < champion", "passed": True, "measured": "holdout"}
    gate |= dict(zip(("candidate", "champion"), figures, strict=True))
    gate |= {} if holdout is None else {"holdout": holdout}
    with service.services.database.write() as session:
        record(
            *(session, "promoted"),
            actor="gates",
            model=model,
            alias="measured",
            to_version=versions[0],
            from_version=versions[1],
            details={"gates": [gate]},
        )


def test_candidate_and_champion_of_a_promotion_both_show_measurements(service, admin, uploaded):
    name, _ = uploaded
    note_promotion(service, name, (2, 1), (4.0, 5.0), "a" * 64)

    measured = rows(compare(admin, name, "1,2,3")["measured"])["rmse"]

    assert (measured["values"], measured["missing"]) == ([5.0, 4.0, None], [3])
    assert measured["best"] == [2]
    assert measured["holdouts"] == ["a" * 64, "a" * 64, None]


def test_metrics_on_a_common_holdout_are_compared_even_if_later_ones_differ(
    service, admin, uploaded
):
    name, _ = uploaded
    note_promotion(service, name, (2, 1), (4.0, 5.0), "a" * 64)
    note_promotion(service, name, (3, 2), (1.0, 2.0), "b" * 64)

    first = rows(compare(admin, name, "1,2")["measured"])["rmse"]
    second = rows(compare(admin, name, "2,3")["measured"])["rmse"]

    assert (first["values"], first["best"]) == ([5.0, 4.0], [2])
    assert (second["values"], second["best"]) == ([2.0, 1.0], [3])


@pytest.mark.parametrize("holdouts", [("a" * 64, "b" * 64), (None, None)])
def test_no_version_is_best_if_holdouts_differ(service, admin, uploaded, holdouts):
    name, _ = uploaded
    for number, holdout in enumerate(holdouts, start=1):
        note_promotion(service, name, (number, None), (4.0 + number, None), holdout)

    measured = rows(compare(admin, name, "1,2")["measured"])["rmse"]

    assert measured["values"] == [5.0, 6.0]
    assert measured["best"] == []
    assert len(set(measured["holdouts"])) == 2


def test_up_to_ten_versions_are_compared_including_archived_ones(admin, uploaded):
    name, _ = uploaded
    admin.delete(f"/models/{name}/3")
    answer = compare(admin, name, ",".join(["1", "2", "3", "3", "2", "1", "1", "1", "1", "1"]))
    assert answer["versions"][2]["status"] == "archived"
    assert rows(answer["metrics"])["rmse"]["best"] == [3]


@pytest.mark.parametrize(
    ("versions", "slug"),
    [
        (None, "parameter-malformed"),
        ("", "parameter-malformed"),
        ("1", "parameter-malformed"),
        (",".join("1" * 11), "parameter-malformed"),
        ("1," * 600, "parameter-malformed"),
        ("1,", "reference-malformed"),
        ("1,-1", "reference-malformed"),
        ("1,compare", "reference-malformed"),
        ("1,<script>", "reference-malformed"),
        ("1,\x00", "parameter-malformed"),
    ],
)
def test_an_invalid_list_of_versions_is_400(admin, unchanged, versions, slug):
    name, _ = unchanged
    query = {} if versions is None else {"versions": versions}
    check_problem(admin.get(f"/models/{name}/compare", query_string=query), 400, slug)


@pytest.mark.parametrize("versions", ["1,9", "1,production", "99999999999,1"])
def test_an_unknown_version_is_404(admin, unchanged, versions):
    name, _ = unchanged
    answer = admin.get(f"/models/{name}/compare", query_string={"versions": versions})
    check_problem(answer, 404, "version-not-found")
    nobody = admin.get("/models/nobody/compare?versions=1,2")
    check_problem(nobody, 404, "model-not-found")


def test_a_token_of_another_model_is_refused(service, unchanged):
    name, _ = unchanged
    other = service.caller("predict", models=["other-*"])
    check_problem(other.get(f"/models/{name}/compare?versions=1,2"), 403, "model-forbidden")


def test_every_metric_of_the_trainers_has_a_direction():
    numbers = np.array([1.0, 2.0, 3.0])
    labels = np.array(["a", "b", "a"])
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    named = {
        *regression_metrics(numbers, numbers + 0.5),
        *classification_metrics(labels, labels, chances, np.array(["a", "b"])),
    }
    assert named == HIGHER_IS_BETTER | LOWER_IS_BETTER
