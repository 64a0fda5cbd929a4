"""A version that was trained on rows of the holdout is not promoted for its metrics on them."""

import pytest

from hotswap.evaluation.row_hashes import TrainingRows
from tests.integration.api.conftest import check_problem
from tests.integration.api.tables import CSV, csv, line, parquet, set_holdout

FRAME = line()


def hashes(frame):
    return TrainingRows.of(
        {"x0": ("number", frame["x0"].to_numpy())}, frame["y"].to_numpy()
    ).to_bytes()


@pytest.fixture
def trained_on_some(admin, fresh_name, artifacts):
    """A model whose version was trained on 50 of the 200 rows of its holdout, and what setting the
    holdout reported."""
    admin.upload(fresh_name, artifacts["line-2"], training_rows=hashes(FRAME[:50]))
    return fresh_name, set_holdout(admin, fresh_name, parquet(FRAME), "y").json


@pytest.mark.parametrize(
    ("content_type", "written"), [(CSV, csv), ("application/vnd.apache.parquet", parquet)]
)
def test_the_rows_are_recognized_in_every_format(
    admin, fresh_name, artifacts, content_type, written
):
    admin.upload(fresh_name, artifacts["line-2"], training_rows=hashes(FRAME[:50]))

    shown = set_holdout(admin, fresh_name, written(FRAME), "y", content_type).json

    assert shown["trained_on"] == [{"version": 1, "rows": 50}]


def test_a_gate_refuses_the_version_unless_forced(admin, trained_on_some):
    name, shown = trained_on_some
    assert shown["trained_on"] == [{"version": 1, "rows": 50}]

    evaluated = admin.post(f"/models/{name}/1/evaluate", json={"gates": ["r2 > 0.1"]}).json
    refused = admin.promote(name, 1, gates=["r2 > 0.1"])
    forced = admin.promote(name, 1, gates=["r2 > 0.1"], force=True, reason="no other data")

    assert evaluated["candidate"]["rows_trained_on"] == 50
    assert not evaluated["passed"]
    (gate,) = check_problem(refused, 409, "gate-failed")["gates"]
    assert "trained on 50 of 200 rows of the holdout" in gate["reason"]
    assert (gate["measured"], gate["candidate"] > 0.9) == ("holdout", True)
    assert forced.status_code == 200, forced.text


def test_a_version_that_was_not_trained_on_them_is_promoted(admin, fresh_name, artifacts):
    admin.upload(fresh_name, artifacts["line-2"], training_rows=hashes(line(2.5)))
    set_holdout(admin, fresh_name, parquet(FRAME), "y")

    promoted = admin.promote(fresh_name, 1, gates=["r2 > 0.1"])

    assert promoted.status_code == 200, promoted.text


def test_versions_without_hashes_are_unknown_and_pass(admin, fresh_name, artifacts):
    admin.upload(fresh_name, artifacts["line-2"])
    shown = set_holdout(admin, fresh_name, parquet(FRAME), "y").json
    evaluated = admin.post(f"/models/{fresh_name}/1/evaluate", json={"gates": ["r2 > 0.1"]}).json

    assert shown["trained_on"] == [{"version": 1, "rows": None}]
    assert (evaluated["passed"], evaluated["candidate"]["rows_trained_on"]) == (True, None)


@pytest.mark.parametrize("rows", [b"", b"not hashes"])
def test_a_malformed_file_of_hashes_is_refused(admin, fresh_name, artifacts, rows):
    refused = admin.upload(fresh_name, artifacts["line-2"], training_rows=rows)

    assert "training_rows" in check_problem(refused, 422, "metadata-refused")["detail"]
    assert admin.get(f"/models/{fresh_name}").status_code == 404
