"""Versions side by side in a browser."""

import re

import pytest

from tests.integration.api.conftest import new_name
from tests.integration.console.browser import Page
from tests.integration.console.conftest import Console


def comparison(console: Console, name: str, query: str = "") -> Page:
    return console.person("predict").get(f"/console/models/{name}/compare{query}")


def heading(page: Page) -> str:
    found = re.search(r"Compare (v\d.*?) Versions", page.text)
    return found.group(1) if found else ""


def test_the_live_and_the_newest_version_are_compared_by_default(
    console: Console, housing: str
) -> None:
    page = comparison(console, housing)
    assert heading(page) == "v2 and v4"
    assert "RMSE lower is better 30 28.5 -5.0 %, may be noise" in page.text
    assert "alpha 2 4" in page.text
    assert "v2 linear live" in page.text


def test_any_two_to_five_versions_can_be_named_in_two_ways(console: Console, housing: str) -> None:
    same = comparison(console, housing, "?v=1&v=3&v=4"), comparison(console, housing, "?v=1,3,4")
    assert {heading(page) for page in same} == {"v1, v3 and v4"}
    assert heading(comparison(console, housing, "?v=production,latest")) == "v2 and v4"
    assert heading(comparison(console, housing, "?v=4")) == "v2 and v4"  # with the live one


def test_the_others_are_compared_with_the_base_of_the_address(
    console: Console, housing: str
) -> None:
    page = comparison(console, housing, "?v=1,4")
    assert "RMSE lower is better 50 28.5 -43.0 %, better" in page.text
    (link,) = [href for href in page.hrefs() if "base=4" in href and "compare" in href]
    other = console.admin.get(link)
    assert "RMSE lower is better 50 +75.4 %, worse 28.5" in other.text


def test_only_differences_are_shown_unless_everything_is_wanted(
    console: Console, housing: str
) -> None:
    page = comparison(console, housing, "?v=2,4")
    assert "Columns 0 of 4 differ The same in all of them" in page.text
    (link,) = [href for href in page.hrefs() if "all=1" in href]
    assert "inputs.x0 number number" in console.admin.get(link).text


def test_intervals_of_the_versions_lie_on_one_axis(console: Console, housing: str) -> None:
    page = comparison(console, housing, "?v=1,4")
    whiskers = [one for one in page.of("line") if one.get("class") == "whisker"]
    (first, second) = whiskers  # RMSE alone has intervals: 46 to 54, and 24.5 to 32.5
    assert float(first["x1"]) > float(second["x2"])
    assert len([one for one in page.of("circle") if "point" in one["class"]]) == 2 * 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?v=1,99", "has no version '99'"),
        ("?v=1,2,3,4,production,latest,1", ""),
        ("?v=2", "Choose 2 to 5 versions; there are 1."),
        ("?v=1,<b>", "<b>"),
    ],
)
def test_versions_that_cannot_be_compared_are_named(
    console: Console, housing: str, query: str, says: str
) -> None:
    page = comparison(console, housing, query)
    assert page.status == (400 if says else 200)
    assert says in page.text


def test_more_than_five_versions_are_refused(
    console: Console, housing: str, artifacts: dict[str, bytes]
) -> None:
    admin = console.service.admin
    numbers = [admin.upload(housing, artifacts["line-1"]).json["version"] for _ in range(2)]
    page = comparison(console, housing, f"?v=1,2,3,4,{numbers[0]},{numbers[1]}")
    assert page.status == 400
    assert "Choose 2 to 5 versions; there are 6." in page.text


def test_a_model_with_one_version_has_nothing_to_compare(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    console.service.admin.upload(name, artifacts["line-1"])
    page = comparison(console, name)
    assert (page.status, "there are 1" in page.text) == (200, True)


def test_models_outside_the_token_do_not_exist(console: Console, housing: str) -> None:
    stranger = console.person("predict", models=["other-*"])
    assert stranger.get(f"/console/models/{housing}/compare").status == 404


CURVE = {"class": "a<b", "fpr": [0.0, 0.2, 1.0], "tpr": [0.0, 0.8, 1.0], "auc": 0.8}
OTHER = {**CURVE, "class": "c", "auc": 0.6}


@pytest.fixture(scope="module")
def plotted(console: Console, artifacts: dict[str, bytes]) -> str:
    """A model with three versions, of which the last has no evaluation."""
    name = new_name()
    for edges, weight in (([-1.0, 0.0, 1.0], 0.75), ([-2.0, 0.0, 2.0], 0.5)):
        evaluation = {
            "roc": [CURVE, OTHER],
            "calibration": [{"class": "a<b", "predicted": [0.1], "observed": [0.2], "counts": [9]}],
            "residuals": {"edges": edges, "counts": [6, 4]},
            "importances": [{"feature": "x<0", "value": weight}, {"feature": "y", "value": 0.25}],
        }
        metadata = {"evaluation": evaluation, "tags": {"team": "risk"}}
        answer = console.service.admin.upload(name, artifacts["line-1"], metadata)
        assert answer.status_code == 201, answer.text
    console.service.admin.upload(name, artifacts["line-2"])
    return name


def test_plots_of_the_versions_lie_over_each_other(console: Console, plotted: str) -> None:
    page = comparison(console, plotted, "?v=1,2")
    lines = [given["class"] for given in page.of("polyline")]
    assert lines == ["curve series-0", "curve series-1"] * 3  # ROC, calibration, errors
    assert "v1 area 0.8 v2 area 0.8" in page.text
    assert "x<0 0.75 0.5 y 0.25 0.25" in page.text
    assert "team:risk" in page.text


def test_the_legend_has_the_dashes_of_each_curve(console: Console, plotted: str) -> None:
    page = comparison(console, plotted, "?v=1,2")
    samples = [given["class"] for given in page.of("line") if "curve" in given.get("class", "")]
    assert samples == ["curve series-0", "curve series-1"] * 3


def test_the_class_of_the_curves_is_chosen_in_the_address(console: Console, plotted: str) -> None:
    page = comparison(console, plotted, "?v=1,2&class=c")
    assert "v1 area 0.6 v2 area 0.6" in page.text
    assert "Calibration" not in page.text  # of the other class alone
    assert "area 0.8" in comparison(console, plotted, "?v=1,2&class=none").text


def test_a_version_without_a_plot_is_named(console: Console, plotted: str) -> None:
    page = comparison(console, plotted, "?v=1,2,3")
    assert "Without such a plot: v3." in page.text
    assert page.of("polyline") != []
    assert comparison(console, plotted, "?v=1,3").of("polyline") == []


def test_versions_are_tried_on_one_input(console: Console, plotted: str) -> None:
    page = comparison(console, plotted, "?v=2,3")
    assert "Try these two on one input" in page.text
    (link,) = [href for href in page.hrefs() if "/try?" in href]
    assert link == f"/console/models/{plotted}/2/try?also=3"
    tried = console.person("predict").get(link)
    assert [option for option in tried.of("option") if option.get("value") == "3"] == [
        {"value": "3", "selected": ""}
    ]
    form = tried.form(f"/console/models/{plotted}/2/try")
    (field,) = [name for name in form.values if name != "other"]
    answered = console.admin.submit(form, **{field: "1", "other": "3"})
    assert "v2 answers" in answered.text
    assert "v3 answers" in answered.text
    several = comparison(console, plotted, "?v=1,2,3&base=2")
    assert "Try v2 and v1 on one input" in several.text
    reader = console.person("upload").get(f"/console/models/{plotted}/compare?v=2,3")
    assert "on one input" not in reader.text


def test_a_version_that_cannot_be_tried_as_well_is_an_error(console: Console, plotted: str) -> None:
    assert console.admin.get(f"/console/models/{plotted}/2/try?also=99").status == 404
    assert console.admin.get(f"/console/models/{plotted}/2/try?also=x").status == 400
