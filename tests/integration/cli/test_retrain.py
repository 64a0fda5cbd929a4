"""``hotswap retrain``: one version and one promotion, however often it runs or is interrupted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from markdown_it import MarkdownIt

from cli.retrain import patient
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_registry import FakeRegistry
from tests.integration.cli.fake_service import Answer, problem, running
from tests.marks import each_once, first_fast

PATH = "/models/sales"


@pytest.fixture
def service() -> Iterator[FakeRegistry]:
    with running(FakeRegistry) as service:
        assert isinstance(service, FakeRegistry)
        yield service


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe beside its data, outside of any repository."""
    rows = [f"{x},{x % 7},{3 * x + x % 7}" for x in range(60)]
    (tmp_path / "sales.csv").write_text("january,region,march\n" + "\n".join(rows) + "\n")
    return write_recipe(tmp_path, depth=6)


def write_recipe(folder: Path, depth: int, more: str = "") -> Path:
    file = folder / "sales.toml"
    file.write_text(
        'name = "sales"\ndata = "sales.csv"\ntarget = "march"\nkind = "tree"\n'
        f"{more}[params]\nmax_depth = {depth}\n"
    )
    return file


def retrain(hotswap: Hotswap, recipe: Path, *more: str) -> Result:
    return hotswap("retrain", str(recipe), "--patience", "0", *more)


def report_of(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_the_first_run_creates_and_promotes_a_version(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    result = retrain(hotswap, recipe)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["COLUMN", "TYPE", "MISSING", "TREATMENT", "ODDITIES"]
    assert ["METRIC", "MODEL", "BASELINE"] in map(str.split, lines)
    assert lines[-1] == "sales/production is now version 1."
    assert service.promotions() == [1]
    (uploaded,) = service.of("POST", f"{PATH}/versions")
    assert uploaded.headers["Idempotency-Key"].startswith("retrain-upload-")
    (promoted,) = service.of("POST", f"{PATH}/1/promote")
    assert promoted.json["expected_version"] is None
    assert promoted.json["alias"] == "production"


def test_a_repeated_run_trains_nothing_and_creates_nothing(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    service.forget_keys()
    again = retrain(hotswap, recipe)
    assert again.exit_code == 0, again.stderr
    assert again.stdout.splitlines()[0] == "sales/production is now version 1, as before."
    assert len(service.versions["sales"]) == 1
    assert service.promotions() == [1]


def test_a_version_that_is_not_better_exits_10_and_the_champion_stays(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    service.gated = ["rmse <= champion"]
    retrain(hotswap, recipe)
    worse = write_recipe(recipe.parent, depth=1)
    for run in (retrain(hotswap, worse), retrain(hotswap, worse)):
        assert run.exit_code == 10, run.stderr
        assert "Version 2 of sales was not promoted; version 1 stays." in run.stdout
        assert "rmse <= champion" in run.stdout
    assert service.aliases == {"sales": {"production": 1}}
    assert len(service.versions["sales"]) == 2


def test_a_better_version_replaces_the_champion(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, write_recipe(recipe.parent, depth=1))
    better = write_recipe(recipe.parent, depth=6)
    result = retrain(hotswap, better, "--gate", "rmse <= champion", "--json")
    report = report_of(result)
    assert result.exit_code == 0
    assert report["outcome"] == "promoted"
    assert report["promotion"]["previous_version"] == 1
    assert report["champion"]["version"] == 1
    assert report["gates"][0]["passed"]
    assert report["gates"][0]["candidate"] < report["gates"][0]["champion"]
    (received,) = service.of("POST", f"{PATH}/2/promote")
    assert received.json["expected_version"] == 1
    assert received.json["gates"] == ["rmse <= champion"]


REQUESTS = 8
"""What a first run sends: token, release, model, versions, upload, evaluation, promotion; and one
that it does not send, so that the last cut comes after all is done."""


HOW = ["done, at once", "not done, at once", "done, a day later", "not done, a day later"]


@pytest.mark.parametrize(("at", "how"), each_once(range(1, REQUESTS + 1), HOW))
def test_a_run_interrupted_at_any_request_and_repeated_ends_the_same(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, at: int, how: str
) -> None:
    service.hang_up_at, service.done = at, how.startswith("done")
    cut = retrain(hotswap, recipe)
    assert cut.exit_code == (3 if at < REQUESTS else 0), cut.stderr
    service.hang_up_at = None
    if how.endswith("a day later"):
        service.forget_keys()
    again = retrain(hotswap, recipe, "--json")
    assert again.exit_code == 0, again.stderr
    assert len(service.versions["sales"]) == 1
    assert service.promotions() == [1]
    assert report_of(again)["version"]["version"] == 1


@pytest.mark.parametrize("at", first_fast([5, 7, 1, 2, 3, 4, 6], 2))
def test_a_temporary_failure_of_any_request_is_retried(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, at: int
) -> None:
    service.hang_up_at = at
    result = hotswap("retrain", str(recipe), "--patience", "0.2")
    assert result.exit_code == 0, result.stderr
    assert "Trying again" in result.stderr
    assert len(service.versions["sales"]) == 1
    assert service.promotions() == [1]


def test_a_service_that_dies_is_retried_and_then_exits_3(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    service.dies_after("POST", f"{PATH}/versions")
    summary = tmp_path / "summary.md"
    result = hotswap("retrain", str(recipe), "--patience", "0.3", "--summary", str(summary))
    assert result.exit_code == 3
    assert result.stderr.count("Trying again") >= 1
    assert "Version 1 of sales was uploaded, but not promoted." in result.stderr
    assert "cannot be reached" in summary.read_text()


def test_a_token_without_the_scope_promote_exits_1_with_the_version_uploaded(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    service.scopes = ["upload"]
    summary = tmp_path / "summary.md"
    result = retrain(hotswap, recipe, "--json", "--summary", str(summary))
    assert result.exit_code == 1
    assert "Version 1 of sales was uploaded, but not promoted." in result.stderr
    assert "lacks the scope 'promote'" in result.stderr
    report = report_of(result)
    assert report["outcome"] == "failed"
    assert report["version"]["version"] == 1
    assert report["problem"]["type"] == "/problems/scope-missing"
    assert "was uploaded, but not promoted" in summary.read_text()
    service.scopes = ["upload", "promote"]
    assert retrain(hotswap, recipe).exit_code == 0
    assert len(service.versions["sales"]) == 1


def test_a_token_without_the_scope_upload_is_refused_before_the_training(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    service.scopes = ["promote"]
    result = retrain(hotswap, recipe)
    assert result.exit_code == 1
    assert "lacks the scope 'upload'" in result.stderr
    assert "fitting" not in result.stderr


def test_two_concurrent_jobs_create_one_version_and_one_promotion(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    other: list[Result] = []
    service.between["POST", "upload"] = lambda: other.append(retrain(hotswap, recipe))
    result = retrain(hotswap, recipe)
    assert [run.exit_code for run in (*other, result)] == [0, 0], result.stderr
    assert len(service.versions["sales"]) == 1
    assert service.promotions() == [1]


def test_two_jobs_that_promote_at_the_same_time_both_find_it_live(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    other: list[Result] = []
    service.between["POST", "promote"] = lambda: other.append(
        retrain(hotswap, recipe, "--reason", "mine")
    )
    result = retrain(hotswap, recipe)
    assert [run.exit_code for run in (*other, result)] == [0, 0], result.stderr
    assert service.promotions() == [1]


def test_a_concurrent_promotion_is_not_overridden(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    service.add_version("sales", metrics={"rmse": 5.0})

    def somebody() -> None:
        service.aliases["sales"] = {"production": 1}

    service.between["POST", "promote"] = somebody
    result = retrain(hotswap, recipe)
    assert result.exit_code == 1
    assert "Version 2 was uploaded, but not promoted" in result.stderr
    assert "The alias was moved" in result.stderr
    assert service.aliases["sales"] == {"production": 1}


def test_a_version_that_was_rolled_back_is_not_promoted_again(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, write_recipe(recipe.parent, depth=1))
    retrain(hotswap, write_recipe(recipe.parent, depth=6))
    service.roll_back("sales", 1)
    result = retrain(hotswap, recipe, "--json")
    assert result.exit_code == 10
    assert report_of(result)["outcome"] == "superseded"
    assert service.aliases["sales"] == {"production": 1}
    assert service.promotions() == [1, 2]


def forge(service: FakeRegistry, **forged: Any) -> dict[str, Any]:
    """Put in the place of the only version, now not live, one that mallory says is the same but
    for ``forged``; the genuine one."""
    (genuine,) = service.versions["sales"]
    service.versions["sales"] = []
    service.aliases.clear()
    service.add_version("sales", **{**genuine, "created_by": "mallory", "aliases": [], **forged})
    service.forget_keys()
    return genuine


def test_a_version_claimed_by_another_token_is_not_promoted(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    forge(service, artifact={"sha256": "f" * 64})
    assert retrain(hotswap, recipe).exit_code == 0
    assert service.aliases["sales"] == {"production": 2}
    assert service.versions["sales"][1]["created_by"] == "ci"


def test_equal_bytes_with_other_metadata_are_not_promoted_instead(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    genuine = forge(service, metrics={"rmse": 0.0})
    assert retrain(hotswap, recipe).exit_code == 0
    assert service.aliases["sales"] == {"production": 2}
    assert service.versions["sales"][1]["metrics"] == genuine["metrics"]


def test_equal_bytes_with_equal_metadata_are_used_whoever_uploaded_them(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    (genuine,) = service.versions["sales"]
    service.versions["sales"] = []
    service.aliases.clear()
    service.events.clear()
    service.add_version("sales", **{**genuine, "created_by": "alice", "aliases": []})
    service.forget_keys()
    assert retrain(hotswap, recipe).exit_code == 0
    assert service.aliases["sales"] == {"production": 1}
    assert len(service.versions["sales"]) == 1


def test_an_archived_version_is_neither_recreated_nor_promoted(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    service.versions["sales"][0]["status"] = "archived"
    service.aliases.clear()
    result = retrain(hotswap, recipe)
    assert result.exit_code == 1
    assert "archived" in result.stderr
    assert len(service.versions["sales"]) == 1
    assert service.aliases == {}


def test_other_data_creates_another_version(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    with (recipe.parent / "sales.csv").open("a") as data:
        data.write("90,3,273\n")
    assert retrain(hotswap, recipe).exit_code == 0
    assert service.promotions() == [1, 2]


def test_another_commit_creates_another_version(service: FakeRegistry) -> None:
    from cli.retraining.inputs import Inputs

    lineage = {"recipe_sha256": "a" * 64, "data_sha256": "b" * 64}
    without = Inputs.of("m", lineage)
    with_one = Inputs.of("m", {**lineage, "git_commit": "c" * 40})
    assert without.made({"lineage": lineage})
    assert not with_one.made({"lineage": lineage})
    keys = {without.key("upload"), with_one.key("upload"), Inputs.of("n", lineage).key("upload")}
    assert len(keys) == 3
    assert all(len(key) <= 200 for key in keys)


def test_options_override_the_data_and_name_of_the_recipe(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    moved = (recipe.parent / "sales.csv").rename(tmp_path / "moved.csv")
    assert retrain(hotswap, recipe).exit_code == 2
    assert retrain(hotswap, recipe, "--data", str(moved), "--name", "other").exit_code == 0
    assert list(service.versions) == ["other"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data = "sales.csv"\ntarget = "march"\nkind = "tree"\n', "names no model"),
        ('name = "sales"\nkind = "tree"\n', "data is missing"),
        ('name = "a/b"\ndata = "sales.csv"\ntarget = "march"\nkind = "tree"\n', "valid model name"),
        (
            'name = "s"\ndata = "none.csv"\ntarget = "march"\nkind = "tree"\n',
            "the file does not exist",
        ),
    ],
)
def test_an_invalid_recipe_exits_2_before_any_request(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, text: str, said: str
) -> None:
    recipe.write_text(text)
    result = retrain(hotswap, recipe)
    assert result.exit_code == 2
    assert said in result.stderr
    assert service.requests == []


def test_a_gate_that_can_never_pass_is_reported_before_the_training(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    recipe.write_text('task = "regression"\n' + recipe.read_text())
    result = retrain(hotswap, recipe, "--gate", "accuracy >= 0.9")
    assert result.exit_code == 2
    assert "regression has no metric 'accuracy'" in result.stderr
    assert service.versions == {}


def test_a_refused_training_exits_2_and_is_in_the_summary(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    recipe.write_text(recipe.read_text().replace('"march"', '"mach"'))
    summary = tmp_path / "summary.md"
    result = retrain(hotswap, recipe, "--summary", str(summary))
    assert result.exit_code == 2
    assert "no column 'mach'" in result.stderr
    assert "no column 'mach'" in summary.read_text()
    assert service.versions == {}


def test_a_missing_data_file_exits_2_with_json_and_the_summary(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    (recipe.parent / "sales.csv").unlink()
    summary = tmp_path / "summary.md"

    result = retrain(hotswap, recipe, "--json", "--summary", str(summary))

    assert result.exit_code == 2
    assert "sales.csv" in result.stderr
    document = json.loads(result.stdout)
    assert (document["outcome"], document["version"]) == ("failed", None)
    assert "sales.csv" in document["problem"]
    assert "No version of `sales` was created." in summary.read_text()
    assert service.requests == []


def test_the_summary_has_metrics_gates_data_and_links(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    service.gated = ["rmse <= champion"]
    retrain(hotswap, recipe)
    data = recipe.parent / "sales.csv"
    lines = data.read_text().splitlines()
    data.write_text("\n".join(f"{line},{'zone' if not at else at % 2}" for at, line in
                              enumerate(lines[:50])) + "\n")  # fmt: skip
    write_recipe(recipe.parent, depth=1)
    step, summary = tmp_path / "step.md", tmp_path / "summary.md"
    step.write_text("what an earlier step said\n")
    result = hotswap(
        *("retrain", str(recipe), "--summary", str(summary)),
        env={"GITHUB_STEP_SUMMARY": str(step)},
    )
    assert result.exit_code == 10
    text = summary.read_text()
    assert step.read_text() == f"what an earlier step said\n{text}\n"
    assert text.startswith("## Version 2 of `sales` was not promoted; version 1 stays.\n")
    assert "| | version 2 | champion, version 1 | baseline |".replace("| |", "|  |") in text
    assert "| `rmse <= champion` | no | " in text
    assert "| `rows` | `60` | `49` |" in text
    assert "| `column zone` | - | `integer` |" in text
    for link in (f"{PATH}/2", f"{PATH}/2/card", f"{PATH}/compare?versions=1,2", f"{PATH}/history"):
        assert f"(<{service.url}{link}>)" in text


def test_warnings_of_the_training_are_in_the_summary(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    data, summary = recipe.parent / "sales.csv", tmp_path / "summary.md"
    lines = data.read_text().splitlines()
    data.write_text("\n".join(f"{line},{'zone' if not at else 7}" for at, line in
                              enumerate(lines)) + "\n")  # fmt: skip

    result = retrain(hotswap, recipe, "--json", "--summary", str(summary))

    said = "the column 'zone' has the same value in all rows trained on: exclude it"
    assert said in json.loads(result.stdout)["warnings"]
    assert "### Warnings" in summary.read_text()
    assert said in summary.read_text()


def test_links_of_the_summary_use_the_public_url(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    service.public_url = "https://models.example.com/ml"
    summary = tmp_path / "summary.md"

    result = retrain(hotswap, recipe, "--summary", str(summary))

    assert result.exit_code == 0
    assert f"(<https://models.example.com/ml{PATH}/1/card>)" in summary.read_text()
    assert service.url not in summary.read_text()


def test_an_unwritable_summary_does_not_change_the_exit_code(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "no" / "such" / "summary.md"
    result = retrain(hotswap, recipe, "--summary", str(missing))
    assert result.exit_code == 0
    assert f"cannot write the summary to {missing}" in result.stderr


@pytest.mark.parametrize(
    "evil",
    [
        "a|b<img src=x>",
        "`[x](evil)",
        "@octocat",
        "see https://evil.example, www.evil.example",
        "me@evil.example #1",
    ],
)
def test_texts_of_others_are_code_in_the_summary(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path, evil: str
) -> None:
    """In code no renderer finds a mention, an issue number, an address or HTML."""
    data = recipe.parent / "sales.csv"
    data.write_text(data.read_text().replace("region", f'"{evil}"'))
    gate = {"gate": evil, "passed": True, "reason": evil, "measured": evil, "interval": [1.5, 2]}
    answer = {"model": "sales", "alias": "production", "version": 2, "gates": [gate]}
    service.script("POST", f"{PATH}/2/promote", Answer(200, answer))
    service.add_version("sales", metrics={evil: 1.0})
    service.aliases["sales"] = {"production": 1}
    summary = tmp_path / "summary.md"

    retrain(hotswap, recipe, "--summary", str(summary))

    tokens = MarkdownIt("commonmark").enable("table").parse(summary.read_text())
    within = [child for token in tokens for child in token.children or ()]
    plain = " ".join(child.content for child in within if child.type == "text")
    assert "html_block" not in {token.type for token in tokens}
    assert not any(piece in plain for piece in ("evil", "octocat", "@", "img"))
    assert sum(evil in child.content for child in within if child.type == "code_inline") >= 4
    addresses = [child.attrs["href"] for child in within if child.type == "link_open"]
    assert all(address.startswith(f"{service.url}{PATH}") for address in addresses)
    assert "1.5 to 2" in plain


def test_messages_of_the_service_are_code_in_the_summary(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path, tmp_path: Path
) -> None:
    problem = {"title": "Conflict", "status": 409, "detail": "@octocat: see https://evil.example"}
    service.script("POST", f"{PATH}/1/promote", Answer(409, problem))
    summary = tmp_path / "summary.md"

    retrain(hotswap, recipe, "--summary", str(summary))

    tokens = MarkdownIt("commonmark").parse(summary.read_text())
    assert ["octocat" in token.content for token in tokens if token.type == "fence"] == [True]
    assert not any("octocat" in token.content for token in tokens if token.type == "inline")


@pytest.mark.parametrize("seconds", [0, 0.2, 1, 5, 60, 63, 120, 3600, 86_400])
def test_the_patience_limits_the_sum_of_all_waits(seconds: float) -> None:
    retries = patient(seconds)
    ceilings = [
        min(retries.longest_wait, retries.first_wait * 2.0 ** min(wait, 10))
        for wait in range(retries.attempts - 1)
    ]
    assert sum(ceilings) >= seconds
    assert sum(ceilings[:-1]) < seconds or not ceilings


def test_another_refusal_exits_1(hotswap: Hotswap, service: FakeRegistry, recipe: Path) -> None:
    refusal = problem(409, "version-not-loadable", "Version 1 cannot be loaded.")
    service.script("POST", f"{PATH}/1/promote", refusal)
    result = retrain(hotswap, recipe)
    assert result.exit_code == 1
    assert "cannot be loaded" in result.stderr


SPLIT = {
    "model": "sales",
    "alias": "production",
    "version": 1,
    "by": "header",
    "arms": [{"version": 1, "weight": 90}, {"version": 2, "weight": 10}],
    "generation": 2,
    "since": "2026-11-23T06:00:00.000Z",
    "changed_by": "ann",
    "reason": None,
}


def test_an_alias_that_is_split_stays_split(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, write_recipe(recipe.parent, depth=1))
    service.script("GET", f"{PATH}/aliases/production/split", Answer(200, SPLIT))
    for _ in range(2):
        result = retrain(hotswap, write_recipe(recipe.parent, depth=6))
        assert result.exit_code == 10, result.stderr
        assert "Version 2 of sales was not promoted; sales/production is split." in result.stdout
        assert "production is split over 1: 90%, 2: 10%." in result.stdout
    assert len(service.versions["sales"]) == 2
    assert service.promotions() == [1]


def test_an_alias_that_was_split_meanwhile_stays_split(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, write_recipe(recipe.parent, depth=1))
    detail = "The alias 'production' of 'sales' is split over the versions 1 and 3."
    service.script("POST", f"{PATH}/2/promote", problem(409, "split-active", detail))
    result = retrain(hotswap, write_recipe(recipe.parent, depth=6), "--json")
    assert result.exit_code == 10, result.stderr
    report = report_of(result)
    assert (report["outcome"], report["remark"]) == ("split_active", detail)
    assert service.promotions() == [1]


def test_a_sample_makes_another_version_and_is_found_again(
    hotswap: Hotswap, service: FakeRegistry, recipe: Path
) -> None:
    retrain(hotswap, recipe)
    for _ in range(2):
        sampled = retrain(hotswap, recipe, "--sample", "40")
        assert sampled.exit_code == 0, sampled.stderr
    first, second = service.versions["sales"]
    assert "sample" not in first["lineage"]
    assert second["lineage"]["sample"] == {"rows": 40, "of": 60, "stratified": False}
