"""The gate ``data compatible`` compares the profiles of the candidate and of the live version."""

import pytest

from tests.integration.api.conftest import check_problem

GATE = ["data compatible"]


def profile(edges, low, high):
    counts = [1000] * (len(edges) + 1)
    bins = {"edges": edges, "counts": counts, "min": low, "max": high}
    return {
        "rows": sum(counts),
        "source": "training",
        "columns": {"x0": {**bins, "missing": 0}},
        "output": {**bins, "sd": 1.0, "source": "held-out"},
    }


POUNDS = profile([1800.0, 2400.0, 2900.0, 3400.0], 1600.0, 5100.0)
KILOGRAMS = profile([816.5, 1088.6, 1315.4, 1542.2], 725.7, 2313.3)


@pytest.fixture
def cars(admin, fresh_name, artifacts):
    """A model whose live version was trained on weights in pounds, and its uploads."""

    def upload(kept):
        answer = admin.upload(
            fresh_name, artifacts["line-2"], {"evaluation": {} if kept is None else kept}
        )
        assert answer.status_code == 201, answer.text
        return answer.json["version"]

    admin.promote(fresh_name, upload({"profile": POUNDS}))
    return fresh_name, upload


def test_the_same_data_pass_and_another_unit_is_refused_unless_forced(admin, cars):
    name, upload = cars
    same, changed = upload({"profile": POUNDS}), upload({"profile": KILOGRAMS})

    assert admin.post(f"/models/{name}/{same}/evaluate", json={"gates": GATE}).json["passed"]
    refused = check_problem(admin.promote(name, changed, gates=GATE), 409, "gate-failed")
    assert "the column 'x0' seems to have another unit" in refused["gates"][0]["reason"]
    forced = admin.promote(name, changed, gates=GATE, force=True, reason="kilograms from now on")
    assert forced.status_code == 200, forced.text


def test_a_version_without_a_profile_fails_with_the_reason(admin, cars):
    name, upload = cars
    bare = upload(None)

    (gate,) = check_problem(admin.promote(name, bare, gates=GATE), 409, "gate-failed")["gates"]

    assert gate["reason"] == f"version {bare} has no profile of its data"


def test_without_a_champion_the_gate_passes(admin, fresh_name, artifacts):
    admin.upload(fresh_name, artifacts["line-2"])

    assert admin.promote(fresh_name, 1, gates=GATE).status_code == 200
