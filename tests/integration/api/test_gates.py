"""Gates: policies, promotions, evaluations, and the record in the history."""

import threading

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier
from sqlalchemy import select

from registry.storage.tables import VersionRow
from tests.integration.api.conftest import check_problem, places
from tests.integration.api.tables import irises, line, parquet, set_holdout, set_policy
from tests.scikit_learn_metrics import classification_metrics, regression_metrics

VERSIONS = select(VersionRow).order_by(VersionRow.number)
FRAME = line()
"""A line of slope 2: of the uploaded lines the second is the best by far."""


def slope(value, columns=("x0",), **given):
    """A fitted line, as an artifact."""
    model = LinearRegression(**given)
    rows = FRAME.assign(**dict.fromkeys(columns, 0.0)).assign(x0=FRAME["x0"])
    model.fit(rows[list(columns)], value * rows["x0"])
    return skops.io.dumps(model)


def expected_metrics(value):
    true = FRAME["y"].to_numpy()
    return regression_metrics(true, value * FRAME["x0"].to_numpy())


@pytest.fixture
def measured(admin, uploaded):
    """The name of a model of lines with slopes 1, 2 and 3, the third of them in production, and a
    holdout."""
    name, _ = uploaded
    admin.promote(name, 3)
    assert set_holdout(admin, name, parquet(FRAME), "y").status_code == 201
    return name


def evaluate(caller, name, version, **body):
    return caller.post(f"/models/{name}/{version}/evaluate", json=body)


def last_event(caller, name):
    return caller.get(f"/models/{name}/history").json["items"][0]


def live(caller, name):
    return caller.get(f"/models/{name}").json["aliases"]


class TestPolicy:
    def test_a_new_model_has_no_gates(self, admin, unchanged):
        name, _ = unchanged
        assert admin.get(f"/models/{name}/policy").json == {
            "gates": [],
            "updated_at": None,
            "updated_by": None,
        }

    def test_a_policy_records_who_set_it(self, service, uploaded):
        name, _ = uploaded
        gates = ["rmse <= champion * 1.02", "signature compatible", "engine in linear, trees"]
        keeper = service.caller("promote")

        set_policy(keeper, name, *gates)

        shown = service.admin.get(f"/models/{name}/policy").json
        assert (shown["gates"], shown["updated_by"]) == (gates, "promote")
        event = last_event(service.admin, name)
        assert (event["type"], event["actor"]) == ("policy_changed", "promote")
        assert event["details"] == {"gates": gates}

    def test_setting_the_same_gates_again_changes_nothing(self, admin, uploaded):
        name, _ = uploaded
        first = set_policy(admin, name, "r2 >= 0.6")
        before = admin.get(f"/models/{name}/history").json["total"]
        assert set_policy(admin, name, "  r2  >=  0.6 ") == first
        assert admin.get(f"/models/{name}/history").json["total"] == before

    @pytest.mark.parametrize(
        ("gates", "slug", "at"),
        [
            (["r2 >= 0.6", "rmse =< 3"], "gate-malformed", ["gates[1]"]),
            (["mape <= 3"], "gate-malformed", ["gates[0]"]),
            (["r2 > 0.5", "r2 > 0.5"], "gate-malformed", ["gates[1]"]),
            (["accuracy >= 0.9"], "gate-refused", ["gates[0]"]),
            (["r2 >= 0.6"] * 33, "body-refused", ["gates"]),
            ([3], "body-refused", ["gates[0]"]),
            ("r2 >= 0.6", "body-refused", ["gates"]),
        ],
    )
    def test_an_invalid_gate_is_refused(self, admin, unchanged, gates, slug, at):
        name, _ = unchanged
        answer = admin.put(f"/models/{name}/policy", json={"gates": gates})
        check_problem(answer, 422, slug)
        assert places(answer) == at
        assert admin.get(f"/models/{name}/policy").json["gates"] == []

    def test_an_archived_model_keeps_its_policy(self, admin, uploaded):
        name, _ = uploaded
        admin.delete(f"/models/{name}")
        answer = admin.put(f"/models/{name}/policy", json={"gates": []})
        check_problem(answer, 409, "model-archived")


class TestPromotion:
    def test_gates_use_measured_metrics_instead_of_claimed_ones(self, admin, measured):
        """The first claims the largest error and the third the smallest; measured, it is so for
        neither."""
        set_policy(admin, measured, "rmse < champion")

        answer = admin.promote(measured, 2)

        assert answer.status_code == 200, answer.text
        (gate,) = answer.json["gates"]
        assert gate["measured"] == "holdout"
        assert gate["candidate"] == pytest.approx(expected_metrics(2)["rmse"], rel=1e-9)
        assert gate["champion"] == pytest.approx(expected_metrics(3)["rmse"], rel=1e-9)
        low, high = gate["interval"]
        assert low < gate["candidate"] - gate["champion"] < high < 0
        event = last_event(admin, measured)
        assert event["type"] == "promoted"
        assert event["details"] == {"gates": answer.json["gates"]}

    def test_a_failed_gate_changes_nothing_and_reports_every_value(self, admin, measured):
        admin.promote(measured, 2)
        set_policy(admin, measured, "r2 >= -5", "rmse < champion @ 95%", "mae < 0.01")
        before = admin.get(f"/models/{measured}/history").json["total"]

        answer = admin.promote(measured, 3)

        problem = check_problem(answer, 409, "gate-failed")
        r2, rmse, mae = problem["gates"]
        assert (r2["passed"], rmse["passed"], mae["passed"]) == (True, False, False)
        assert rmse["champion"] == pytest.approx(expected_metrics(2)["rmse"], rel=1e-9)
        assert rmse["interval"][0] > 0
        assert "may be noise" in rmse["reason"]
        assert "is not < 0.01" in mae["reason"]
        assert live(admin, measured) == {"production": 2}
        assert admin.get(f"/models/{measured}/history").json["total"] == before

    def test_an_insignificant_improvement_fails_a_gate_with_a_level(self, admin, measured):
        admin.promote(measured, 2)
        admin.upload(measured, slope(1.9995))

        bare = evaluate(admin, measured, 4, gates=["rmse <= champion * 1.01"]).json
        surely = evaluate(admin, measured, 4, gates=["rmse < champion @ 99%"]).json

        assert bare["passed"] is True
        assert surely["passed"] is False
        low, high = surely["gates"][0]["interval"]
        assert low < 0 < high

    def test_gates_of_the_request_are_added_to_those_of_the_policy(self, admin, measured):
        set_policy(admin, measured, "r2 >= 0.5")

        answer = admin.promote(measured, 2, gates=["mae < 0.001", "r2 >= 0.5"])

        problem = check_problem(answer, 409, "gate-failed")
        assert [gate["gate"] for gate in problem["gates"]] == ["r2 >= 0.5", "mae < 0.001"]

    def test_a_requested_gate_on_a_metric_of_another_task_is_refused(self, admin, measured):
        answer = admin.promote(measured, 2, gates=["accuracy > 0.5"])
        check_problem(answer, 422, "gate-refused")
        assert places(answer) == ["gates[0]"]

    def test_a_policy_gate_on_a_metric_of_another_task_fails(self, admin, fresh_name, artifacts):
        admin.post("/models", json={"name": fresh_name})
        set_policy(admin, fresh_name, "accuracy > 0.5")
        admin.upload(fresh_name, artifacts["line-1"])
        for table in (None, parquet(FRAME)):
            if table is not None:
                set_holdout(admin, fresh_name, table, "y")
            problem = check_problem(admin.promote(fresh_name, 1), 409, "gate-failed")
            assert "no accuracy" in problem["gates"][0]["reason"]

    def test_without_a_champion_comparisons_pass_with_a_reason(self, admin, uploaded):
        name, _ = uploaded
        set_policy(admin, name, "rmse < champion @ 95%", "signature compatible")

        gates = admin.promote(name, 1).json["gates"]

        assert [gate["passed"] for gate in gates] == [True, True]
        assert [gate["champion"] for gate in gates] == [None, None]

    def test_without_a_holdout_claimed_metrics_are_used(self, admin, uploaded):
        name, _ = uploaded
        admin.promote(name, 2)
        set_policy(admin, name, "rmse < champion")

        problem = check_problem(admin.promote(name, 1), 409, "gate-failed")
        passed = admin.promote(name, 3).json["gates"][0]

        (shut,) = problem["gates"]
        assert (shut["candidate"], shut["champion"], shut["measured"]) == (9.0, 8.0, "claimed")
        assert (passed["candidate"], passed["measured"]) == (7.0, "claimed")
        assert "interval" not in passed

    def test_a_metric_that_is_neither_claimed_nor_measured_fails_the_gate(self, admin, unchanged):
        name, _ = unchanged
        for gate, says in (("mae < 5", "claims no mae"), ("rmse < 99 @ 95%", "no holdout")):
            answer = admin.promote(name, 1, gates=[gate])
            problem = check_problem(answer, 409, "gate-failed")
            assert says in problem["gates"][0]["reason"]

    def test_promoting_the_current_version_evaluates_no_gates(self, admin, measured):
        set_policy(admin, measured, "rmse < 0.0001")
        answer = admin.promote(measured, 3)
        assert (answer.status_code, answer.json["gates"]) == (200, [])

    def test_an_alias_of_any_name_has_its_own_champion(self, admin, measured):
        set_policy(admin, measured, "rmse <= champion")
        path = f"/models/{measured}/aliases/canary"
        assert admin.put(path, json={"version": 1}).status_code == 200
        assert admin.put(path, json={"version": 2}).status_code == 200
        problem = check_problem(admin.put(path, json={"version": 1}), 409, "gate-failed")
        assert problem["gates"][0]["champion"] == pytest.approx(expected_metrics(2)["rmse"])
        forced = admin.put(path, json={"version": 1, "force": True, "reason": "a trial"})
        assert forced.status_code == 200

    def test_a_repeated_key_returns_the_first_response_even_if_gates_have_changed(
        self, admin, measured
    ):
        def promote():
            path = f"/models/{measured}/2/promote"
            headers = {"Idempotency-Key": f"key-{measured}"}
            return admin.post(path, json={"expected_version": 3}, headers=headers)

        set_policy(admin, measured, "rmse < champion")
        first = promote()
        set_policy(admin, measured, "rmse < 0.0001")
        again = promote()

        assert first.status_code == 200, first.text
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == first.json

    def test_a_refused_promotion_can_be_retried_with_the_same_key(self, admin, measured):
        headers = {"Idempotency-Key": f"again-{measured}"}
        path = f"/models/{measured}/2/promote"
        set_policy(admin, measured, "rmse < 0.0001")
        check_problem(admin.post(path, json={}, headers=headers), 409, "gate-failed")
        set_policy(admin, measured)
        assert admin.post(path, json={}, headers=headers).status_code == 200

    def test_a_wrong_expected_version_is_reported_before_anything_is_measured(
        self, admin, measured
    ):
        set_policy(admin, measured, "rmse < 0.0001")
        answer = admin.promote(measured, 2, expected_version=1)
        check_problem(answer, 409, "expected-version-conflict")

    def test_of_two_concurrent_promotions_against_one_champion_one_succeeds(self, admin, measured):
        """Both are better than the third; whoever comes second is held against the first."""
        admin.upload(measured, slope(2.0))  # the fourth, as good as the second
        set_policy(admin, measured, "rmse < champion @ 95%")
        answers = {}

        def promote(version):
            answers[version] = admin.promote(measured, version)

        threads = [threading.Thread(target=promote, args=(number,)) for number in (2, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(answer.status_code for answer in answers.values()) == [200, 409]
        (winner,) = [number for number, answer in answers.items() if answer.status_code == 200]
        assert live(admin, measured) == {"production": winner}
        (loser,) = [answer for answer in answers.values() if answer.status_code == 409]
        shut = check_problem(loser, 409, "gate-failed")["gates"][0]
        assert shut["candidate"] == pytest.approx(shut["champion"])


class TestForce:
    def test_a_forced_promotion_is_recorded_in_the_history(self, admin, measured):
        set_policy(admin, measured, "rmse < 0.0001")

        answer = admin.promote(measured, 2, force=True, reason="the sensor was changed")

        assert answer.status_code == 200, answer.text
        assert answer.json["gates"][0]["passed"] is False
        event = last_event(admin, measured)
        assert (event["type"], event["reason"]) == ("promoted", "the sensor was changed")
        assert event["details"] == {"gates": answer.json["gates"], "forced": True}

    @pytest.mark.parametrize("reason", [None, "", "   "])
    def test_force_requires_a_reason(self, admin, measured, reason):
        answer = admin.promote(measured, 2, force=True, reason=reason)
        check_problem(answer, 422, "body-refused")
        assert places(answer) == ["reason"]
        assert live(admin, measured) == {"production": 3}

    def test_force_requires_the_scope_admin(self, service, measured):
        keeper = service.caller("promote", "upload")
        answer = keeper.promote(measured, 2, force=True, reason="because")
        check_problem(answer, 403, "scope-missing")
        assert live(service.admin, measured) == {"production": 3}

    def test_force_does_not_promote_a_version_that_cannot_be_loaded(self, service, measured):
        digest = service.admin.get(f"/models/{measured}/2").json["artifact"]["sha256"]
        path = service.services.blobs.path_of(digest)
        content = path.read_bytes()
        path.unlink()
        try:
            answer = service.admin.promote(measured, 2, force=True, reason="because")
            check_problem(answer, 409, "version-not-loadable")
        finally:
            path.write_bytes(content)


class TestRollback:
    def test_a_rollback_ignores_gates_on_metrics(self, admin, measured):
        admin.promote(measured, 2)
        set_policy(
            admin, measured, "rmse < champion @ 95%", "latency_ms <= 0.000001", "engine in linear"
        )

        answer = admin.post(f"/models/{measured}/rollback", json={})

        assert answer.status_code == 200, answer.text
        assert answer.json["version"] == 3
        assert [gate["gate"] for gate in answer.json["gates"]] == ["engine in linear"]

    def test_a_rollback_to_a_version_that_cannot_serve_is_refused(self, admin, measured):
        admin.promote(measured, 2)
        set_policy(admin, measured, "input_example answered")

        answer = admin.post(f"/models/{measured}/rollback", json={})

        problem = check_problem(answer, 409, "gate-failed")
        assert "no input example" in problem["gates"][0]["reason"]
        assert live(admin, measured) == {"production": 2}


class TestOtherGates:
    def test_the_gate_on_input_examples_requires_a_prediction(self, admin, fresh_name, artifacts):
        example = {"input_example": {"x0": 2.0}}
        assert admin.upload(fresh_name, artifacts["line-1"], example).status_code == 201
        answer = admin.promote(fresh_name, 1, gates=["input_example answered"])
        assert answer.json["gates"][0]["passed"] is True

    def test_the_gate_on_latency_measures_one_row(self, admin, measured):
        quick, slow = evaluate(
            admin, measured, 2, gates=["latency_ms <= 1000", "latency_ms <= 0.0000001"]
        ).json["gates"]
        assert (quick["passed"], slow["passed"]) == (True, False)
        assert 0 < quick["candidate"] < 1000
        assert "ms is not <=" in slow["reason"]

    def test_the_gate_on_engines_reads_the_engine_of_the_version(self, admin, measured):
        shut, open_ = evaluate(
            admin, measured, 2, gates=["engine in trees, onnx", "engine in linear"]
        ).json["gates"]
        assert (shut["passed"], shut["reason"]) == (False, "it is served by linear")
        assert open_["passed"] is True

    def test_columns_that_changed_since_the_champion_are_named(self, admin, measured):
        """And where the holdout has the new ones alone, the champion cannot be compared."""
        changed = FRAME.rename(columns={"x0": "x2"})
        model = LinearRegression().fit(changed[["x2"]], changed["y"])
        admin.upload(measured, skops.io.dumps(model))
        assert set_holdout(admin, measured, parquet(changed), "y").status_code == 201
        set_policy(admin, measured, "signature compatible", "rmse <= champion", "r2 > 0.9")

        problem = check_problem(admin.promote(measured, 4), 409, "gate-failed")

        signature, rmse, r2 = problem["gates"]
        assert signature["reason"] == "the column 'x2' is new and required"
        assert (rmse["passed"], rmse["champion"]) == (False, None)
        assert "version 3 could not be measured" in rmse["reason"]
        assert "'x0'" in rmse["reason"]
        assert (r2["passed"], r2["measured"]) == (True, "holdout")

    def test_classes_that_changed_are_named(self, admin, fresh_name, artifacts):
        admin.upload(fresh_name, artifacts["iris-names"])
        admin.promote(fresh_name, 1)
        two = irises().query("species != 'virginica'")
        model = LogisticRegression().fit(two.drop(columns="species"), two["species"].astype(object))
        admin.upload(fresh_name, skops.io.dumps(model))

        answer = admin.promote(fresh_name, 2, gates=["signature compatible"])

        problem = check_problem(answer, 409, "gate-failed")
        assert problem["gates"][0]["reason"] == "the class 'virginica' is gone"


class TestChampionThatCannotBeLoaded:
    def test_a_champion_that_cannot_predict_fails_comparisons_and_can_be_overruled(
        self, make_app, artifacts
    ):
        service = make_app()
        admin = service.admin
        for number in (2, 3):
            admin.upload("line", artifacts[f"line-{number}"])
        admin.promote("line", 2)
        set_holdout(admin, "line", parquet(FRAME), "y")
        set_policy(admin, "line", "rmse < champion", "r2 > 0.9")
        with service.services.database.read() as session:
            first, second = ({*row.compiled.values()} for row in session.scalars(VERSIONS))
        for digest in second - first:
            service.services.blobs.path_of(digest).write_bytes(b"rotten")
        service.services.pool.drop([("line", 2)])

        problem = check_problem(admin.promote("line", 1), 409, "gate-failed")

        rmse, r2 = problem["gates"]
        assert "version 2 could not be measured" in rmse["reason"]
        assert (rmse["champion"], r2["passed"]) == (None, True)
        forced = admin.promote("line", 1, force=True, reason="the champion is lost")
        assert (forced.status_code, live(admin, "line")) == (200, {"production": 1})


class TestEvaluation:
    def test_an_evaluation_measures_both_versions_and_changes_nothing(self, service, measured):
        before = service.admin.get(f"/models/{measured}/history").json["total"]

        found = evaluate(service.caller("upload"), measured, 2).json

        assert (found["passed"], found["gates"]) == (True, [])
        assert found["holdout"]["rows"] == len(FRAME)
        for role, version in (("candidate", 2), ("champion", 3)):
            assert found[role]["version"] == version
            assert found[role]["measured_on"] == "holdout"
            assert found[role]["metrics"] == pytest.approx(expected_metrics(version), rel=1e-9)
        assert set(found["differences"]) == set(expected_metrics(2))
        low, high = found["differences"]["rmse"]["interval"]
        assert low < found["differences"]["rmse"]["value"] < high < 0
        assert live(service.admin, measured) == {"production": 3}
        assert service.admin.get(f"/models/{measured}/history").json["total"] == before

    def test_repeated_evaluations_give_the_same_result(self, admin, measured):
        assert evaluate(admin, measured, 2).json == evaluate(admin, measured, 2).json

    def test_the_last_evaluation_is_kept_until_what_it_depends_on_changes(self, admin, measured):
        def verdict(version=2, **query):
            return admin.get(f"/models/{measured}/{version}/verdict", query_string=query)

        def check_there_is_none(**query):
            check_problem(verdict(**query), 404, "verdict-not-found")

        check_there_is_none()
        evaluate(admin, measured, 2, gates=["r2 >= 0.5"])
        check_there_is_none()  # the policy has no such gate

        found = evaluate(admin, measured, 2).json
        kept = verdict().json
        assert kept.pop("evaluated_at").endswith("Z")
        assert kept == found
        check_there_is_none(version=1)
        check_there_is_none(alias="staging")

        set_policy(admin, measured, "r2 >= 0.5")
        check_there_is_none()
        assert evaluate(admin, measured, 2).json["passed"] is True
        assert verdict().json["gates"][0]["gate"] == "r2 >= 0.5"
        admin.promote(measured, 1, force=True, reason="another champion")
        check_there_is_none()
        admin.promote(measured, 3, force=True, reason="the champion again")
        assert verdict().status_code == 200
        admin.delete(f"/models/{measured}/holdout")
        check_there_is_none()

    def test_an_evaluation_requires_more_than_the_scope_predict(self, service, measured):
        answer = evaluate(service.caller("predict"), measured, 2)
        check_problem(answer, 403, "scope-missing")

    def test_an_archived_version_is_not_measured(self, admin, measured):
        admin.delete(f"/models/{measured}/1")
        check_problem(evaluate(admin, measured, 1), 409, "version-not-ready")

    def test_without_a_holdout_the_evaluation_shows_claimed_metrics(self, admin, unchanged):
        name, _ = unchanged
        found = evaluate(admin, name, 1).json
        assert found["candidate"]["metrics"] == {"rmse": 9.0}
        assert found["candidate"]["measured_on"] == "claimed"
        assert (found["champion"], found["holdout"], found["differences"]) == (None, None, {})

    @pytest.mark.parametrize("kind", ["texts", "integers", "booleans"])
    def test_metrics_of_a_classification_equal_scikit_learn_s(self, admin, fresh_name, kind):
        frame = irises()
        numbers = frame.drop(columns="species")
        species = frame["species"].astype(str)
        target = {
            "texts": species.astype(object),
            "integers": species.map({"setosa": 0, "versicolor": 10, "virginica": 20}),
            "booleans": species == "virginica",
        }[kind]
        for depth in (1, 2):
            model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(numbers, target)
            assert admin.upload(fresh_name, skops.io.dumps(model)).status_code == 201
        admin.promote(fresh_name, 1)
        table = parquet(numbers.assign(species=target))
        assert set_holdout(admin, fresh_name, table, "species").status_code == 201

        found = evaluate(admin, fresh_name, 2, gates=["accuracy > champion @ 95%"]).json

        true = target.to_numpy()
        expected = classification_metrics(
            *(true, model.predict(numbers), model.predict_proba(numbers), model.classes_),
        )
        assert found["candidate"]["metrics"] == pytest.approx(expected, rel=1e-9)
        (gate,) = found["gates"]
        assert gate["interval"] == found["differences"]["accuracy"]["interval"]
        assert found["passed"] is (gate["interval"][0] > 0)
        assert set(found["differences"]) == set(expected)

    def test_a_label_unknown_to_the_version_counts_as_wrong(self, admin, fresh_name):
        frame = irises()
        two = frame.query("species != 'virginica'")
        model = LogisticRegression().fit(two.drop(columns="species"), two["species"].astype(object))
        admin.upload(fresh_name, skops.io.dumps(model))
        set_holdout(admin, fresh_name, parquet(frame), "species")

        found = evaluate(admin, fresh_name, 1, gates=["log_loss < 1", "accuracy < 0.7"]).json

        assert found["candidate"]["metrics"]["accuracy"] == pytest.approx(2 / 3)
        assert "virginica" in found["gates"][0]["reason"]
        assert found["gates"][1]["passed"] is True

    def test_a_version_served_by_scikit_learn_is_measured_in_its_confined_process(
        self, admin, fresh_name
    ):
        rows, target = FRAME[["x0"]], FRAME["y"]
        model = KNeighborsRegressor(3).fit(rows, target)
        uploaded = admin.upload(fresh_name, skops.io.dumps(model)).json
        assert uploaded["engine"]["name"] == "scikit-learn", uploaded
        set_holdout(admin, fresh_name, parquet(FRAME), "y")

        found = evaluate(admin, fresh_name, 1).json

        expected = regression_metrics(target.to_numpy(), model.predict(rows))
        assert found["candidate"]["metrics"] == pytest.approx(expected, rel=1e-9)

    def test_a_large_holdout_is_predicted_in_parts(self, admin, uploaded):
        name, _ = uploaded
        frame = line(rows=30_000)
        set_holdout(admin, name, parquet(frame, row_group_size=7_000), "y")

        found = evaluate(admin, name, 2).json

        errors = 2 * frame["x0"] - frame["y"]
        assert found["candidate"]["metrics"]["rmse"] == pytest.approx(
            np.sqrt((errors**2).mean()), rel=1e-9
        )
