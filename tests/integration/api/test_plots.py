"""Plots as SVG documents."""

from xml.etree import ElementTree as ET

import pytest

from api.plots.sheet import STYLE
from api.security_headers import policy_of_style
from registry.plots.content import PLOTS
from tests.integration.api.conftest import check_problem, new_name

NAMESPACE = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert(1)</script>\x1b[31m\u202e&\"'="
CURVE = [0.0, 0.5, 1.0]
EVALUATION = {
    "predicted_vs_true": {"true": [1, 2, 3], "predicted": [1.5, 1.5, 3]},
    "residuals": {"edges": [-1, 0, 1], "counts": [4, 7]},
    "confusion_matrix": {"labels": ["a", HOSTILE], "counts": [[5, 1], [0, 9]]},
    "roc": [{"class": HOSTILE, "fpr": CURVE, "tpr": CURVE, "auc": 0.5}] * 8,
    "precision_recall": [
        {"class": "a", "recall": CURVE, "precision": CURVE[::-1], "average_precision": 0.75}
    ],
    "calibration": [{"class": "a", "predicted": CURVE, "observed": CURVE, "counts": [1, 2, 3]}],
    "importances": [{"feature": HOSTILE, "value": 0.75}, {"feature": "b" * 99, "value": 0.25}],
    "coefficients": [{"feature": f"x{index}", "value": -index} for index in range(20)],
}


@pytest.fixture(scope="module")
def drawn(service, artifacts):
    """A model whose first version has data for all plots, the second for none."""
    name = new_name()
    for evaluation in (EVALUATION, {}):
        answer = service.admin.upload(name, artifacts["line-1"], {"evaluation": evaluation})
        assert answer.status_code == 201, answer.text
    return name


def plot_of(caller, name, plot):
    answer = caller.get(f"/models/{name}/1/plots/{plot}.svg")
    assert answer.status_code == 200, answer.text
    return answer, ET.fromstring(answer.data)  # noqa: S314 - the service wrote it


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_is_a_document_of_its_own(admin, drawn, plot):
    answer, root = plot_of(admin, drawn, plot)

    assert root.tag == f"{NAMESPACE}svg"
    assert answer.headers["Content-Type"] in ("image/svg+xml", "image/svg+xml; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = f"inline; filename={drawn}-v1-{plot}.svg"
    assert answer.headers["Content-Disposition"] == disposition
    title = root.find(f"{NAMESPACE}title").text
    assert title.endswith(f"of {drawn}/1")
    texts = [element.text for element in root.iter(f"{NAMESPACE}text")]
    assert f"{drawn}/1" in texts
    box = [float(number) for number in root.get("viewBox").split()]
    assert box[2:] == [float(root.get("width")), float(root.get("height"))]
    for element in root.iter():
        for name in ("x", "y", "cx", "cy", "x1", "y1", "x2", "y2"):
            place = element.get(name)
            assert place is None or 0 <= float(place) <= max(box[2:]), ET.tostring(element)


@pytest.mark.parametrize("plot", PLOTS)
def test_nothing_in_a_plot_runs_or_loads(admin, drawn, plot):
    """Whatever classes and features are called: they are text, and the policy allows one style."""
    answer, root = plot_of(admin, drawn, plot)

    policy = answer.headers["Content-Security-Policy"]
    assert policy == policy_of_style(STYLE)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert [style.text for style in root.iter(f"{NAMESPACE}style")] == [STYLE]
    allowed = ["svg", "title", "desc", "style", "rect", "line", "circle", "polyline", "text"]
    assert {element.tag for element in root.iter()} <= {f"{NAMESPACE}{tag}" for tag in allowed}
    for element in root.iter():
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert "url(" not in answer.text


def test_hostile_names_are_shown_as_text(admin, drawn):
    for plot in ("confusion_matrix", "roc", "importances"):
        _, root = plot_of(admin, drawn, plot)
        said = " ".join(element.text or "" for element in root.iter())
        assert "<script>" in said


def test_every_element_has_the_colours_of_both_backgrounds(admin, drawn):
    for plot in PLOTS:
        _, root = plot_of(admin, drawn, plot)
        for element in root.iter():
            for name in (element.get("class") or "").split():
                assert f".{name}{{" in STYLE
                assert element.get(name.partition("-")[0], "").startswith("#")


def test_what_is_not_drawn_is_counted(admin, drawn):
    for plot, more in (("roc", 2), ("coefficients", 5)):
        _, root = plot_of(admin, drawn, plot)
        assert f"and {more} more" in [one.text for one in root.iter(f"{NAMESPACE}text")]


def test_a_plot_without_data_is_404_and_the_others_are_named(admin, drawn):
    answer = admin.get(f"/models/{drawn}/2/plots/roc.svg")
    assert "It has: none" in check_problem(answer, 404, "plot-not-found")["detail"]
    answer = admin.get(f"/models/{drawn}/1/plots/nothing.svg")
    assert "residuals, confusion_matrix" in check_problem(answer, 404, "plot-not-found")["detail"]
    check_problem(admin.get(f"/models/{drawn}/9/plots/roc.svg"), 404, "version-not-found")
    check_problem(admin.get(f"/models/{drawn}/1/plots/roc.png"), 404, "not-found")


def test_other_formats_are_not_acceptable(admin, drawn):
    headers = {"Accept": "image/png"}
    answer = admin.get(f"/models/{drawn}/1/plots/roc.svg", headers=headers)
    check_problem(answer, 406, "not-acceptable")
    headers = {"Accept": "image/avif,image/*;q=0.8"}
    assert admin.get(f"/models/{drawn}/1/plots/roc.svg", headers=headers).status_code == 200
