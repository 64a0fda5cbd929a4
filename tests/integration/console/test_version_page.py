"""The page of a version, with its tabs."""

import hashlib

import pytest

from console.formats import MINUS
from tests.integration.api.conftest import new_name
from tests.integration.console.conftest import Console

TABS = ("results", "plots", "columns", "origin", "card", "files")


def test_an_alias_in_the_address_leads_to_the_number(console: Console, housing: str) -> None:
    for alias, number in (("production", 2), ("latest", 4)):
        page = console.admin.get(f"/console/models/{housing}/{alias}?tab=files")
        assert page.location == f"/console/models/{housing}/{number}?tab=files"
    assert console.admin.get(f"/console/models/{housing}/5").status == 404
    assert console.admin.get(f"/console/models/{housing}/nothing").status == 404


@pytest.mark.parametrize("tab", TABS)
def test_each_part_is_a_link_and_has_the_head(console: Console, housing: str, tab: str) -> None:
    page = console.admin.get(f"/console/models/{housing}/2?tab={tab}")
    assert page.status == 200
    assert f"{housing} v2 Linear live in production · uploaded" in page.text
    here = [link["href"] for link in page.of("a") if link.get("aria-current") == "page"]
    assert f"/console/models/{housing}/2?tab={tab}" in here
    assert {f"/console/models/{housing}/2?tab={one}" for one in TABS} <= set(page.hrefs())


def test_an_unknown_part_is_400(console: Console, housing: str) -> None:
    assert console.admin.get(f"/console/models/{housing}/2?tab=all").status == 400


def test_results_are_compared_with_the_live_version(console: Console, housing: str) -> None:
    text = console.admin.get(f"/console/models/{housing}/1").text
    assert "as the uploader claims, on 100 held-out rows" in text
    assert "RMSE 50 46 - 54 86.5 30 +66.7 % worse" in text
    assert "The model has no gates" in text
    live = console.admin.get(f"/console/models/{housing}/2").text
    assert "vs live" not in live


def test_results_show_the_gates_of_the_last_promotion(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, admin = new_name(), console.service.admin
    for rmse in (10.0, 9.0):
        admin.upload(name, artifacts["line-1"], {"metrics": {"rmse": rmse}})
    admin.put(f"/models/{name}/policy", json={"gates": ["rmse <= 9.5"]})
    assert "not measured against them yet" in console.admin.get(f"/console/models/{name}/2").text
    admin.promote(name, 1, force=True, reason="nothing else is there")
    page = console.admin.get(f"/console/models/{name}/1")
    assert "forced" in page.text
    assert "rmse <= 9.5 10, as claimed" in page.text
    assert [svg["aria-label"] for svg in page.of("svg") if "aria-label" in svg] == ["failed"]


def test_columns_have_types_and_the_figures_of_training(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    columns = {
        "median_income": {"min": 0.5, "max": 12.25, "mean": 3.5, "missing": 0},
        "ocean_proximity": {"values": {"INLAND": 50, "NEAR BAY": 30}, "other": 2, "missing": 1},
    }
    metadata = {"evaluation": {"columns": columns}}
    assert console.service.admin.upload(name, artifacts["housing"], metadata).status_code == 201
    text = console.admin.get(f"/console/models/{name}/1?tab=columns").text
    assert "Takes 4 columns" in text
    assert "median_income number 0.5 3.5 12.25 0" in text
    assert "INLAND 50 , NEAR BAY 30 and others" in text


def test_the_uploaded_file_can_be_downloaded(
    console: Console, housing: str, artifacts: dict[str, bytes]
) -> None:
    page = console.admin.get(f"/console/models/{housing}/2?tab=files")
    assert hashlib.sha256(artifacts["line-2"]).hexdigest() in page.text
    (link,) = [link for link in page.of("a") if "download" in link]
    response = console.admin.client.get(link["href"], buffered=True)
    assert response.data == artifacts["line-2"]
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert console.stranger().get(link["href"]).status == 303


def test_plots_are_drawn_from_the_stored_evaluation(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name, share = new_name(), [0.0, 0.5, 1.0]
    curve = {"class": "a<b", "fpr": share, "tpr": share, "auc": 0.5}
    evaluation = {
        "predicted_vs_true": {"true": [1.0, 2.0, 3.0], "predicted": [1.5, 2.0, 2.5]},
        "residuals": {"edges": [-1.0, 0.0, 1.0], "counts": [4, 6]},
        "confusion_matrix": {"labels": ["a<b", "c"], "counts": [[9, 1], [0, 10]]},
        "roc": [curve, {**curve, "class": True}],
        "importances": [{"feature": "x<0", "value": 0.75}, {"feature": "y", "value": 0.25}],
    }
    answer = console.service.admin.upload(name, artifacts["line-1"], {"evaluation": evaluation})
    assert answer.status_code == 201
    page = console.admin.get(f"/console/models/{name}/1?tab=plots")
    titles = ["Predicted against true", "Errors", "Confusion matrix", "ROC", "Importances"]
    assert [title for title in titles if title in page.text] == titles
    assert "Calibration" not in page.text
    assert len([dot for dot in page.of("circle") if dot["class"] == "cloud"]) == 3
    assert [bar["data-tip"] for bar in page.of("rect") if "data-tip" in bar] == [
        f"{MINUS}1 to 0: 4 rows",
        "0 to 1: 6 rows",
    ]
    assert [td["class"] for td in page.of("td") if "tint" in td["class"]] == [
        "figure tint-8",
        "figure tint-1",
        "figure tint-0",
        "figure tint-9",
    ]
    assert "a<b area 0.5" in page.text
    assert "x<0 0.75" in page.text


EVALUATION = {
    "predicted_vs_true": {"true": [1.0, 2.0], "predicted": [1.5, 2.5]},
    "residuals": {"edges": [-1.0, 0.0, 1.0], "counts": [4, 6]},
    "confusion_matrix": {"labels": ["=a", "c"], "counts": [[9, 1], [0, 8]]},
    "roc": [{"class": "=a", "fpr": [0.0, 1.0], "tpr": [0.25, 1.0]}],
    "precision_recall": [{"class": True, "recall": [0.5], "precision": [0.75]}],
    "calibration": [{"class": 3, "predicted": [0.1], "observed": [0.2], "counts": [7]}],
    "importances": [{"feature": "x<0", "value": 0.75}],
    "coefficients": [{"feature": "y", "value": -2.5}],
}
FILES = {
    "predicted_vs_true": "true,predicted\n1.0,1.5\n2.0,2.5\n",
    "residuals": "from,to,rows\n-1.0,0.0,4\n0.0,1.0,6\n",
    "confusion_matrix": "true \\ predicted,'=a,c\n'=a,9,1\nc,0,8\n",
    "roc": "class,false positives,true positives\n'=a,0.0,0.25\n'=a,1.0,1.0\n",
    "precision_recall": "class,recall,precision\ntrue,0.5,0.75\n",
    "calibration": "class,predicted,observed,rows\n3,0.1,0.2,7\n",
    "importances": "feature,value\nx<0,0.75\n",
    "coefficients": "feature,value\ny,-2.5\n",
}


def test_each_plot_has_its_figures_as_a_table_and_as_a_file(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = new_name()
    console.service.admin.upload(name, artifacts["line-1"], {"evaluation": EVALUATION})
    page = console.admin.get(f"/console/models/{name}/1?tab=plots")
    found = [href for href in page.hrefs() if "/plots/" in href]
    assert sorted(found) == sorted(
        f"/console/models/{name}/1/plots/{plot}.{ending}"
        for plot in FILES
        for ending in ("csv", "svg")
    )
    for plot, content in FILES.items():
        file = console.admin.client.get(f"/console/models/{name}/1/plots/{plot}.csv")
        assert file.text.replace("\r\n", "\n") == content
        assert file.headers["Content-Disposition"] == f"attachment; filename={name}-v1-{plot}.csv"
        drawing = console.admin.client.get(f"/console/models/{name}/1/plots/{plot}.svg")
        assert drawing.mimetype == "image/svg+xml"
        assert drawing.data == console.service.admin.get(f"/models/{name}/1/plots/{plot}.svg").data
    assert "class false positives" not in page.text
    (link,) = [href for href in page.hrefs() if "figures=roc" in href]
    assert "class false positives true positives =a 0 0.25 =a 1 1" in console.admin.get(link).text


def test_figures_that_do_not_exist_are_404(console: Console, housing: str) -> None:
    for plot in ("roc", "nothing"):
        for ending in ("csv", "svg"):
            path = f"/console/models/{housing}/1/plots/{plot}.{ending}"
            assert console.admin.get(path).status == 404
    assert console.admin.get(f"/console/models/{housing}/1?tab=plots&figures=x").status == 400


def test_without_an_evaluation_there_are_no_plots(console: Console, housing: str) -> None:
    assert "There are no plots" in console.admin.get(f"/console/models/{housing}/1?tab=plots").text
