"""``hotswap train``: from a table to a version that predicts."""

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import FakeService, multipart, problem


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{x},{x % 3},{2 * x + 1}" for x in range(60)]
    file = tmp_path / "sales.csv"
    file.write_text("january,region,march\n" + "\n".join(rows) + "\n")
    return file


def arguments(table: Path, *more: str) -> list[str]:
    return ["train", str(table), "--target", "march", "--kind", "linear", *more]


def test_train_prints_uploads_and_promotes(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    result = hotswap(
        *arguments(table, "--name", "sales", "--promote", "--reason", "first"),
        *("--description", "a line", "--exclude", "region", "--seed", "3"),
    )
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["COLUMN", "TYPE", "MISSING", "TREATMENT", "ODDITIES"]
    lines = lines[lines.index("") + 1 :]
    assert lines[0].split() == ["METRIC", "MODEL", "BASELINE"]
    assert any(line.startswith("rmse ") for line in lines)
    assert "Trained on 48 rows, evaluated on 12 others." in lines
    assert lines[-2].startswith("sales was uploaded as version 1 (ready")
    assert lines[-1] == "sales/production is now version 1."
    assert result.stderr == ""
    (received,) = service.of("POST", "/models/sales/versions")
    filename, artifact = multipart(received)["artifact"]
    assert (filename, artifact[:2]) == ("model.skops", b"PK")
    metadata = json.loads(multipart(received)["metadata"][1])
    assert metadata["description"] == "a line"
    assert [column["name"] for column in metadata["signature"]["inputs"]] == ["january"]
    assert metadata["lineage"]["seed"] == 3
    (promoted,) = service.of("POST", "/models/sales/1/promote")
    assert promoted.json == {"reason": "first"}


def test_train_without_promote_moves_no_alias(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    assert hotswap(*arguments(table, "--name", "sales")).exit_code == 0
    assert service.aliases == {}


def test_warnings_are_printed_and_refused_with_strict(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"year,{lines[0]}", *(f"1912,{line}" for line in lines[1:])]))

    result = hotswap(*arguments(table, "--name", "sales"))
    strict = hotswap(*arguments(table, "--name", "sales", "--strict"))

    said = "the column 'year' has the same value in all rows trained on: exclude it"
    assert f"Warning: {said}." in result.stdout.splitlines()
    (received,) = service.of("POST", "/models/sales/versions")
    metadata = json.loads(multipart(received)["metadata"][1])
    assert said in metadata["evaluation"]["warnings"]
    assert metadata["lineage"]["recipe"].get("strict") is None
    assert (strict.exit_code, said in strict.stderr) == (2, True)


def test_train_with_json_prints_only_json(hotswap: Hotswap, table: Path) -> None:
    result = hotswap(*arguments(table, "--name", "sales", "--promote", "--json"))
    report = json.loads(result.stdout)
    assert report["metrics"]["r2"] > report["baseline"]["r2"]
    assert report["rows"] == {"train": 48, "test": 12, "dropped": 0}
    assert report["version"]["version"] == 1
    assert report["promotion"]["version"] == 1


def test_train_with_out_writes_files_without_a_request(
    hotswap: Hotswap, service: FakeService, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    result = hotswap(*arguments(table, "--out", str(out)))
    assert result.exit_code == 0, result.stderr
    assert (out / "model.skops").read_bytes()[:2] == b"PK"
    assert json.loads((out / "metadata.json").read_text())["kind"] == "linear"
    assert str(out / "model.skops") in result.stdout
    assert service.requests == []


def test_train_with_an_unwritable_out_is_wrong_usage(
    hotswap: Hotswap, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = hotswap(*arguments(table, "--out", str(tmp_path / "file" / "out")))
    assert result.exit_code == 2
    assert "Not a directory" in result.stderr


def test_the_token_is_checked_before_the_training(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    result = hotswap(*arguments(table, "--name", "sales"), token="hsw_wrong")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert [received.method for received in service.requests] == ["GET"]


def test_a_refused_promotion_names_the_uploaded_version(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    refusal = problem(403, "scope-missing", "The token lacks the scope 'promote'.")
    service.script("POST", "/models/sales/1/promote", refusal)
    result = hotswap(*arguments(table, "--name", "sales", "--promote"))
    assert result.exit_code == 1
    assert "Version 1 of sales was uploaded, but not promoted." in result.stderr
    assert "lacks the scope 'promote'" in result.stderr


def test_a_refused_promotion_in_json_has_the_version_and_the_problem(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    service.script("POST", "/models/sales/1/promote", problem(409, "gate-failed", "No."))
    result = hotswap(*arguments(table, "--name", "sales", "--promote", "--json"))
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["version"]["version"] == 1
    assert report["promotion"] is None
    assert report["problem"]["type"] == "/problems/gate-failed"


def test_a_refused_training_is_wrong_usage_with_the_message_of_the_trainers(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    result = hotswap("train", str(table), "--target", "mach", "--kind", "linear", "--name", "s")
    assert result.exit_code == 2
    assert "no column 'mach'" in result.stderr
    assert "'march'" in result.stderr
    assert service.of("POST", "/models/s/versions") == []


def test_a_recipe_can_be_trained_and_flags_override_it(
    hotswap: Hotswap, service: FakeService, table: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "sales.toml"
    recipe.write_text(
        'name = "sales"\ndata = "elsewhere.csv"\ntarget = "march"\nkind = "tree"\n'
        "seed = 1\n[params]\nmax_depth = 2\nmin_samples_leaf = 3\n"
    )
    result = hotswap(
        *("train", str(table), "--recipe", str(recipe), "--seed", "5", "--param", "max_depth=4"),
        *("--features", 'january, "region"', "--task", "regression"),
    )
    assert result.exit_code == 0, result.stderr
    (received,) = service.of("POST", "/models/sales/versions")
    metadata = json.loads(multipart(received)["metadata"][1])
    assert metadata["kind"] == "tree"
    assert metadata["lineage"]["seed"] == 5
    assert metadata["params"]["max_depth"] == 4
    assert metadata["params"]["min_samples_leaf"] == 3
    assert len(metadata["signature"]["inputs"]) == 2


def test_an_invalid_recipe_is_wrong_usage(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    recipe = tmp_path / "sales.toml"
    recipe.write_text('name = "sales"\nkind = "tree"\ncolour = "red"\n')
    result = hotswap("train", "--recipe", str(recipe))
    assert result.exit_code == 2
    assert "colour" in result.stderr
    assert service.requests == []


def test_flags_can_set_every_key_of_a_recipe(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    result = hotswap(
        *("train", str(table), "--target", "march", "--kind", "tree", "--name", "sales"),
        *("--prepare", "january.log=true", "--prepare", "region.impute=median"),
        *("--split", "group:region", "--search", "random", "--try", "max_depth=[2, 4, 8]"),
        *("--try", "ccp_alpha={low = 0.001, high = 1.0, log = true}", "--draws", "3"),
        *("--folds", "2", "--metric", "mae", "--gate", "rmse <= champion", "--gate", "r2 >= 0"),
        *("--test-size", "0.3"),
    )
    assert result.exit_code == 0, result.stderr
    (received,) = service.of("POST", "/models/sales/versions")
    recipe = json.loads(multipart(received)["metadata"][1])["lineage"]["recipe"]
    assert recipe["columns"] == {"january": {"log": True}, "region": {"impute": "median"}}
    assert recipe["split"] == {"by": "group", "column": "region"}
    assert recipe["gates"] == ["rmse <= champion", "r2 >= 0"]
    assert recipe["search"] == {
        "method": "random",
        "folds": 2,
        "draws": 3,
        "metric": "mae",
        "params": {
            "max_depth": [2, 4, 8],
            "ccp_alpha": {"low": 0.001, "high": 1.0, "log": True},
        },
    }


@pytest.mark.parametrize(
    ("flags", "reported"),
    [
        (("--folds", "3"), "require --search"),
        (("--prepare", "log=true"), "expected COLUMN.HOW=VALUE"),
        (("--search", "grid", "--try", "positive=[true]"), "one combination"),
        (("--search", "grid", "--draws", "3", "--try", "positive=[true, false]"), "search.draws"),
        (("--split", "group"), "split.column is missing"),
        (("--split", "group:shop"), "no column 'shop'"),
        (("--gate", "accuracy > 1"), "regression has no metric 'accuracy'"),
        (("--prepare", "january.logg=true"), "columns.january.logg is not a known key"),
    ],
)
def test_incomplete_flags_are_wrong_usage(
    hotswap: Hotswap, service: FakeService, table: Path, flags: tuple[str, ...], reported: str
) -> None:
    result = hotswap(*arguments(table, "--name", "sales", *flags))
    assert result.exit_code == 2
    assert reported in result.stderr
    assert service.of("POST", "/models/sales/versions") == []


def test_the_live_version_is_the_parent_of_the_new_one(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    for _ in range(2):
        assert hotswap(*arguments(table, "--name", "sales", "--promote")).exit_code == 0
    lineages = [
        json.loads(multipart(received)["metadata"][1])["lineage"]
        for received in service.of("POST", "/models/sales/versions")
    ]
    assert [lineage.get("parent_version") for lineage in lineages] == [None, 1]


@pytest.mark.filterwarnings("ignore")  # distributed's own
def test_a_scheduler_that_does_not_answer_ends_a_training(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    import dask
    import distributed  # noqa: F401 - it adds its settings to those of dask

    nowhere = ("--name", "sales", "--scheduler", "tcp://127.0.0.1:1")
    with dask.config.set({"distributed.comm.timeouts.connect": "100ms"}):
        result = hotswap(*arguments(table, *nowhere))
    assert result.exit_code == 3
    assert "The Dask cluster at tcp://127.0.0.1:1 failed" in result.stderr
    assert "Check the scheduler and its workers" in result.stderr
    assert service.versions == {}


@pytest.mark.filterwarnings("ignore")  # distributed's own
def test_a_training_on_a_cluster_uploads_the_same_version(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    import distributed

    grid = ("--name", "sales", "--search", "grid", "--try", "fit_intercept=[true, false]")
    assert hotswap(*arguments(table, *grid)).exit_code == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        result = hotswap(*arguments(table, *grid, "--scheduler", cluster.scheduler_address))
    assert result.exit_code == 0, result.stderr
    here, there = map(multipart, service.of("POST", "/models/sales/versions"))
    assert there["artifact"] == here["artifact"]
    first, second = (json.loads(sent["metadata"][1]) for sent in (here, there))
    first["lineage"].pop("parent_version", None)
    second["lineage"].pop("parent_version", None)
    assert second == first


def test_a_table_that_does_not_fit_in_memory_is_refused_and_a_sample_of_it_trained_on(
    hotswap: Hotswap, service: FakeService, table: Path
) -> None:
    rows = [f"{x},{x % 3},{2 * x + 1}" for x in range(100_000)]
    table.write_text("january,region,march\n" + "\n".join(rows) + "\n")
    named = ("--name", "sales", "--memory", "30MB")
    refused = hotswap(*arguments(table, *named))
    sampled = hotswap(*arguments(table, *named, "--sample", "1000"))
    assert refused.exit_code == 2
    assert "rows of " in refused.stderr
    assert "and 30.0 MB are available. Train on a sample: sample = " in refused.stderr
    assert sampled.exit_code == 0, sampled.stderr
    (received,) = service.of("POST", "/models/sales/versions")
    lineage = json.loads(multipart(received)["metadata"][1])["lineage"]
    assert lineage["sample"] == {"rows": 1_000, "of": 100_000, "stratified": False}
    assert lineage["recipe"]["sample"] == 1_000
    assert lineage["data_rows"] == 100_000
    wrong = hotswap(*arguments(table, "--memory", "much"))
    assert wrong.exit_code == 2
    assert "'much' is not a size: write 500MB or 64GB." in wrong.stderr
