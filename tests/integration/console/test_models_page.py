"""The list of models, and the page of one."""

import re
from datetime import datetime, timedelta

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Page
from tests.integration.console.conftest import Console, ConsoleMaker


def rows(page: Page) -> list[str]:
    """The names of the models or versions that a table links to."""
    links = page.of("a")
    return [
        link["href"].rpartition("/")[2] for link in links if "version-link" in link.get("class", "")
    ]


def test_models_are_listed_with_what_is_live(console: Console, housing: str) -> None:
    page = console.admin.get("/console/models", query_string={"q": housing})
    assert rows(page) == [housing]
    assert "1 model found" in page.text
    assert "v2 linear" in page.text
    assert "30 RMSE 26 - 34" in page.text.replace("30RMSE", "30 RMSE")
    assert any(href.startswith(f"/console/models/{housing}/4") for href in page.hrefs())
    assert "v4 waiting" in page.text


def test_a_search_without_a_match_says_what_was_searched(console: Console, housing: str) -> None:
    page = console.admin.get("/console/models?q=<nobody>&tag=team:risk")
    assert "No model has “<nobody>” in its name and has the tag team:risk" in page.text
    assert "/console/models" in page.hrefs()


def test_a_script_gets_the_list_alone(console: Console, housing: str) -> None:
    page = console.admin.fragment(f"/console/models?q={housing}")
    assert rows(page) == [housing]
    assert page.of("html") == []


def test_without_models_the_page_shows_how_to_make_one(make_console: ConsoleMaker) -> None:
    page = make_console().admin.get("/console/models")
    assert "There are no models yet" in page.text
    assert "hotswap train sklearn:iris" in page.text


def test_models_are_paged_and_the_page_is_in_the_address(make_console: ConsoleMaker) -> None:
    console = make_console()
    for number in range(52):
        console.service.admin.post("/models", json={"name": f"m-{number:02}"})
    page = console.admin.get("/console/models?q=m")
    assert len(rows(page)) == 50
    assert "1 - 50 of 52" in page.text
    second = console.admin.get("/console/models?q=m&page=2")
    assert "/console/models?q=m&page=2" in page.hrefs()
    assert rows(second) == ["m-50", "m-51"]


def test_the_live_version_is_the_headline_of_a_model(console: Console, housing: str) -> None:
    text = console.admin.get(f"/console/models/{housing}").text
    assert "Regression · predicts prediction from 1 column · 4 versions" in text
    assert "Live in production v2 linear" in text
    assert "Rolled back because “it was slow”" in text
    assert "By admin (HOTSWAP_ADMIN_TOKEN)" in text
    assert "RMSE 30 26 - 34" in text
    assert "Always guessing 86.5" in text
    assert "v4 is newer than what is live. RMSE -5.0 %, which may be noise" in text


def test_versions_are_listed_with_their_difference_to_the_live_one(
    console: Console, housing: str
) -> None:
    page = console.admin.get(f"/console/models/{housing}")
    assert rows(page) == ["4", "3", "2", "1"]
    assert "+66.7 % worse" in page.text
    assert "-5.0 % may be noise" in page.text
    assert page.of("tr")[3]["class"] == "is-live"


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("sort=metrics.rmse", ["4", "3", "2", "1"]),
        ("sort=-metrics.rmse", ["1", "2", "3", "4"]),
        ("sort=version", ["1", "2", "3", "4"]),
        ("status=archived", []),
        ("status=ready&page=2", []),
        ("kind=linear&sort=version", ["1", "2", "3", "4"]),
        ("kind=forest", []),
        ("tag=team:risk", []),
    ],
)
def test_versions_are_sorted_and_filtered_by_the_address(
    console: Console, housing: str, query: str, numbers: list[str]
) -> None:
    page = console.admin.get(f"/console/models/{housing}?{query}")
    assert rows(page) == numbers
    sorted_by = [th["aria-sort"] for th in page.of("th") if "aria-sort" in th]
    assert len(sorted_by) == (1 if numbers else 0)


@pytest.mark.parametrize(
    "query",
    ["page=x", "page=0", "sort=x", "range=x", "tag=x", "at=x", "at=2026-01-31T14:00&zone=x"],
)
def test_an_address_that_makes_no_sense_is_400(console: Console, housing: str, query: str) -> None:
    assert console.admin.get(f"/console/models/{housing}?{query}").status == 400


def test_filters_that_match_nothing_are_named_and_can_be_cleared(
    console: Console, housing: str
) -> None:
    page = console.admin.get(f"/console/models/{housing}?kind=forest&tag=a:b&metric=mae")
    assert "No version is a forest tagged a:b. Show all" in page.text
    (link,) = [href for href in page.hrefs() if "kind=&" in href]
    assert rows(console.admin.get(link)) == ["4", "3", "2", "1"]
    assert "metric=mae" in link


def test_the_metrics_of_the_table_are_chosen_in_the_address(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    metrics = {"rmse": 4.0, "mae": 3.0, "mse": 16.0, "r2": 0.5, "own": 7.0}
    console.service.admin.upload(name, artifacts["line-1"], {"metrics": metrics})
    path = f"/console/models/{name}"
    assert "Kind RMSE MAE R² vs live" in console.admin.get(path).text
    assert "Kind MSE RMSE MAE vs live" in console.admin.get(f"{path}?metric=mse").text
    chosen = console.admin.get(f"{path}?m=mse&m=own&sort=version")
    assert "Kind MSE own vs live" in chosen.text
    assert any("m=mse&m=own&sort=metrics.own" in href for href in chosen.hrefs())
    assert "Kind RMSE MAE MSE vs live" in console.admin.get(f"{path}?m=mse&m=own&m=mae&m=rmse").text


def test_the_table_says_who_uploaded_a_version(console: Console, housing: str) -> None:
    assert (
        "admin (HOTSWAP_ADMIN_TOKEN)"
        in console.admin.get(f"/console/models/{housing}?range=all")
        .text.partition("Versions")[2]
        .partition("History")[0]
    )


def test_what_was_live_at_a_time_is_told(console: Console, housing: str) -> None:
    moves = console.service.admin.get(f"/models/{housing}/history?page_size=100").json["items"]
    first = min(move["at"] for move in moves if move["type"] == "promoted")
    path = f"/console/models/{housing}?at="
    assert "v1 was live, from" in console.admin.get(path + first.removesuffix("Z")).text
    assert "nothing was live." in console.admin.get(f"{path}2001-01-31T14:00").text
    # The same time, as somebody an hour ahead of UTC reads it.
    ahead = datetime.fromisoformat(first) + timedelta(hours=1)
    assert "v1 was live" in console.admin.get(f"{path}{ahead:%Y-%m-%dT%H:%M:%S.%f}&zone=-60").text
    now = console.admin.get(f"{path}2100-01-31T14:00").text
    assert "v2 was live since" in now
    assert "and is now, by admin (HOTSWAP_ADMIN_TOKEN) it was slow" in now


def test_what_was_live_is_also_a_list(console: Console, housing: str) -> None:
    text = console.admin.get(f"/console/models/{housing}").text
    listed = text.partition("As a list")[2]
    assert re.match(
        r" v2 from .*?, live now, after a rollback v3 from .*? v2 from .*? v1 from", listed
    )


def test_what_was_live_is_drawn_and_told(console: Console, housing: str) -> None:
    page = console.admin.get(f"/console/models/{housing}?range=24h")
    bars = [bar for bar in page.of("rect") if "bar" in bar["class"]]
    assert [bar["class"] for bar in bars] == ["bar", "bar", "bar", "bar now"]
    assert [bar["data-tip"].split(",")[0] for bar in bars] == ["v1", "v2", "v3", "v2"]
    assert [line["class"] for line in page.of("line") if "move" in line["class"]][-1] == "move back"
    assert "Rolled back production from v3 to v2 it was slow" in page.text


def test_the_metric_of_the_chart_is_chosen_in_the_address(console: Console, housing: str) -> None:
    page = console.admin.get(f"/console/models/{housing}?metric=mae")
    assert "MAE by version" in page.text
    assert [point["data-tip"] for point in page.of("circle")] == [
        "v1: 40", "v2: 24", "v3: 23.2", "v4: 22.8",
    ]  # fmt: skip
    assert "RMSE by version" in console.admin.get(f"/console/models/{housing}?metric=none").text


def test_a_model_without_a_live_version_says_what_callers_get(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    console.service.admin.post("/models", json={"name": name})
    page = console.admin.get(f"/console/models/{name}")
    assert "Nothing is live yet" in page.text
    assert "get 404" in page.text
    assert "There are no versions yet. Upload the first version" in page.text
    assert "any status" not in page.text
    console.service.admin.upload(name, artifacts["line-1"])
    page = console.admin.get(f"/console/models/{name}")
    assert rows(page) == ["1"]
    assert "by version" not in page.text


def test_other_aliases_are_shown_below_production(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    for slope in (1, 2):
        admin.upload(name, artifacts[f"line-{slope}"])
    admin.promote(name, 1)
    admin.promote(name, 2, alias="canary", reason="a first look")
    text = console.admin.get(f"/console/models/{name}").text
    assert "canary v2" in text
    assert "a first look" in text


def test_a_newer_version_shows_the_gates_as_they_were_last_evaluated(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    for rmse in (10.0, 9.0):
        admin.upload(name, artifacts["line-1"], {"metrics": {"rmse": rmse}})
    admin.promote(name, 1)
    path = f"/console/models/{name}"
    assert "gate" not in console.admin.fragment(path).text
    admin.put(f"/models/{name}/policy", json={"gates": ["rmse < champion", "rmse <= 9.5"]})
    waiting = console.admin.fragment(path)
    assert "2 gates, not measured yet" in waiting.text

    admin.post(f"/models/{name}/2/evaluate", json={})

    seen = {"If-None-Match": waiting.response.headers["ETag"]}
    evaluated = console.admin.fragment(path, headers=seen)
    assert "2 of 2 gates pass, on figures its uploader claims" in evaluated.text


def test_other_aliases_have_the_same_facts_as_production(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    evaluation = {"metric_intervals": {"rmse": [8.0, 11.0]}, "baseline": {"rmse": 20.0}}
    metadata = {"metrics": {"rmse": 9.5}, "evaluation": evaluation}
    admin.upload(name, artifacts["line-1"], metadata)
    admin.promote(name, 1, alias="canary", reason="a first look")
    text = console.admin.get(f"/console/models/{name}").text
    assert "canary v1" in text
    assert "RMSE 9.5 8 - 11 Always guessing 20 Loaded 1 of 1 worker" in text


def test_after_a_promotion_the_page_offers_the_way_back(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    for slope in (1, 2):
        admin.upload(name, artifacts[f"line-{slope}"])
        admin.promote(name, slope)
    done = console.admin.get(f"/console/models/{name}?done=1")
    assert "v2 is live in production. Roll back to v1…" in done.text
    reader = console.person("predict").get(f"/console/models/{name}?done=1")
    assert "Roll back" not in reader.text


def test_an_archived_model_is_only_read(console: Console, artifacts: dict[str, bytes]) -> None:
    name = new_name()
    console.service.admin.upload(name, artifacts["line-1"])
    console.service.admin.promote(name, 1)
    console.service.admin.delete(f"/models/{name}")
    page = console.admin.get(f"/console/models/{name}")
    assert "This model is archived." in page.text
    assert "Live in production" not in page.text


def test_the_live_part_is_asked_again_cheaply(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    """The same until something happens to the model, or the minute changes."""
    name, admin, browser = new_name(), console.service.admin, console.admin
    for slope in (1, 2):
        admin.upload(name, artifacts[f"line-{slope}"])
    admin.promote(name, 1)
    path = f"/console/models/{name}"
    first = browser.fragment(path)
    assert "Live in production v1" in first.text
    assert first.response.headers["Cache-Control"] == "private, no-cache"
    tag = first.response.headers["ETag"]
    for _ in range(3):  # one of two in a row lies within a minute
        same = browser.fragment(path, headers={"If-None-Match": tag})
        if same.status == 304:
            break
        tag = same.response.headers["ETag"]
    assert (same.status, same.html) == (304, "")

    admin.promote(name, 2)

    changed = browser.fragment(path, headers={"If-None-Match": tag})
    assert changed.status == 200
    assert "Live in production v2" in changed.text
    other = console.person("predict").fragment(path, headers={"If-None-Match": tag})
    assert other.status == 200


def test_a_fragment_of_a_model_outside_the_token_does_not_exist(
    console: Console, housing: str
) -> None:
    person = console.person("predict", models=["other-*"])
    assert person.fragment(f"/console/models/{housing}").status == 404
    assert rows(person.get("/console/models")) == []
