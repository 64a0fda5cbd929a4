"""``plots``: the plots of a version's evaluation by its task, whatever it contains."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from registry.plots.content import PLOTS
from tests.integration.cli.conftest import Hotswap, command
from tests.integration.cli.fake_service import Answer, FakeService, problem, running
from tests.integration.cli.test_exits import environment
from tests.marks import first_fast
from tests.missing_library import missing_library

EVIL = "<script>$x^2$ & \x1b[2J\u202e" + "w" * 900
TEXT = "{http://www.w3.org/2000/svg}text"

REGRESSION = {
    "rows": 900,
    "predicted_vs_true": {"true": [1, 2, 3], "predicted": [1.5, 2, 2.5]},
    "residuals": {"edges": [-1, 0, 1], "counts": [400, 500]},
    "importances": [{"feature": EVIL, "value": 0.7}, {"feature": "$rooms$", "value": 0.3}],
}


def curves(labels: list[Any]) -> dict[str, Any]:
    return {
        "rows": 60,
        "confusion_matrix": {
            "labels": labels,
            "counts": [[3 if row == column else 1 for column in labels] for row in labels],
        },
        "roc": [
            {"class": label, "fpr": [0, 0.3, 1], "tpr": [0, 0.8, 1], "auc": 0.5 + place / 200}
            for place, label in enumerate(labels)
        ],
        "precision_recall": [
            {
                "class": label,
                "recall": [1, 0.5, 0],
                "precision": [0.4, 0.8, 1],
                "average_precision": 0.7,
                "positives": 0.4,
                "points": 5000,
            }
            for label in labels
        ],
        "calibration": [
            {"class": label, "predicted": [0.2, 0.9], "observed": [0.3, 0.8], "counts": [9, 1]}
            for label in labels
        ],
        "coefficients": [
            {"feature": "age", "value": -2.0, "by_class": [1.0] * len(labels)},
            {"feature": "income", "value": 1.0},
        ],
    }


CLASSIFICATION_PLOTS = {
    "confusion-matrix",
    "roc",
    "precision-recall",
    "calibration",
    "coefficients",
}


@pytest.fixture
def plots(hotswap: Hotswap, service: FakeService, tmp_path: Path) -> Any:
    """Draws an evaluation; gives the plots by name as --json tells them."""

    def draw_in_folder(evaluation: dict[str, Any], task: str = "regression") -> dict[str, Any]:
        return draw(hotswap, service, tmp_path / "new" / "dir", evaluation, task)

    return draw_in_folder


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The plots of ``REGRESSION`` by name as --json tells them."""
    with running() as service:
        folder = tmp_path_factory.mktemp("plots")
        return draw(command(service), service, folder, REGRESSION, "regression")


def draw(
    hotswap: Hotswap, service: FakeService, folder: Path, evaluation: dict[str, Any], task: str
) -> dict[str, Any]:
    service.add_version("m", task=task)
    service.script("GET", "/models/m/1/evaluation", Answer(200, evaluation))
    result = hotswap("plots", "m/1", "--out", str(folder), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return {entry["plot"]: entry for entry in json.loads(result.stdout)}


def parse(file: str | Path) -> ET.ElementTree:
    return ET.parse(file)  # noqa: S314 - made here a moment ago


def texts(entry: dict[str, Any]) -> str:
    root = parse(entry["files"][0]).getroot()
    return "\n".join("".join(element.itertext()) for element in root.iter(TEXT))


def test_a_regression_is_drawn_as_svg_and_png(regression: dict[str, Any]) -> None:
    assert list(regression) == ["predicted-against-true", "residuals", "importances"]
    for name, entry in regression.items():
        svg, png = map(Path, entry["files"])
        assert (svg.name, png.name) == (f"{name}.svg", f"{name}.png")
        assert parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        width, height = struct.unpack(">II", png.read_bytes()[16:24])
        assert min(width, height) > 300
        assert svg.stat().st_mode & 0o777 == 0o644


def test_titles_axes_units_and_row_counts_are_text(regression: dict[str, Any]) -> None:
    shown = texts(regression["predicted-against-true"])
    for text in ("Predicted against true", "true price", "predicted price", "3 of 900 held-out"):
        assert text in shown
    residuals = texts(regression["residuals"])
    assert "true minus predicted price" in residuals
    assert "held-out rows (count)" in residuals
    described = parse(regression["residuals"]["files"][0]).getroot()
    assert described.findtext("{http://www.w3.org/2000/svg}title") == "Residuals of m/1"


def test_names_are_not_interpreted_as_markup_or_formulas(regression: dict[str, Any]) -> None:
    shown = texts(regression["importances"])
    assert "<script>$x^2$ & \\x1b[2J\\u202e" in shown
    assert "$rooms$" in shown
    assert "w" * 50 not in shown
    assert b"<script" not in Path(regression["importances"]["files"][0]).read_bytes()


@pytest.mark.parametrize("labels", first_fast([["水", EVIL, "$c$"], [True, False]]))
def test_a_classification_is_drawn(plots: Any, labels: list[Any]) -> None:
    drawn = plots(curves(labels), "classification")

    assert set(drawn) == CLASSIFICATION_PLOTS
    assert "false positive rate" in texts(drawn["roc"])
    assert "thinned from up to 5,000 points" in texts(drawn["precision-recall"])
    assert "predicted probability" in texts(drawn["calibration"])
    assert "share of the true class" in texts(drawn["confusion-matrix"])


def test_the_worst_of_many_classes_are_drawn_and_the_plot_says_so(
    plots: Any,
) -> None:
    figures = curves([f"class {place}" for place in range(24)])
    drawn = plots({name: figures[name] for name in ("rows", "roc")}, "classification")

    roc = texts(drawn["roc"])
    assert "the worst 8 of 24 classes" in roc
    assert "class 7 (AUC" in roc
    assert "class 8" not in roc


@pytest.mark.slow  # it draws them once more
def test_the_same_figures_give_the_same_files(regression: dict[str, Any], plots: Any) -> None:
    one, two = (
        {
            Path(file).name: Path(file).read_bytes()
            for each in drawn.values()
            for file in each["files"]
        }
        for drawn in (regression, plots(REGRESSION))
    )
    assert len(one) == 6
    assert [Path(file).name for file in one] == [Path(file).name for file in two]
    assert list(one.values()) == list(two.values())


@pytest.mark.slow  # each is drawn
def test_extreme_figures_are_drawn(plots: Any) -> None:
    huge = {"true": [-1e150, 1e150], "predicted": [1e150, 1e150]}
    flat = {"edges": [2, 2], "counts": [5]}
    assert len(plots({"predicted_vs_true": huge})) == 2
    assert len(plots({"residuals": flat})) == 1
    assert len(plots({"importances": [{"feature": "", "value": 0}]})) == 1


def test_malformed_parts_are_named_and_the_rest_is_drawn(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.add_version("m")
    service.aliases["m"] = {"production": 1}
    evaluation = {**REGRESSION, "residuals": "none", "predicted_vs_true": [1]}
    service.script("GET", "/models/m/1/evaluation", Answer(200, evaluation))
    result = hotswap("plots", "m", "--out", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.split() == [
        str(tmp_path / "importances.svg"),
        str(tmp_path / "importances.png"),
    ]
    assert "predicted_vs_true, residuals" in result.stderr


def test_a_version_without_figures_exits_1_and_creates_no_directory(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.add_version("m")
    service.script("GET", "/models/m/1/evaluation", Answer(200, {"rows": 3}))
    result = hotswap("plots", "m/1", "--out", str(tmp_path / "plots"))
    assert result.exit_code == 1
    assert "has nothing to draw" in result.stderr
    assert not (tmp_path / "plots").exists()


def test_an_unknown_version_exits_1(hotswap: Hotswap, service: FakeService) -> None:
    service.script("GET", "/models/m/9", problem(404, "version-not-found", "No version 9."))
    result = hotswap("plots", "m/9", "--out", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No version 9." in result.stderr


def test_without_matplotlib_the_error_names_the_extra_before_a_request(
    hotswap: Hotswap, service: FakeService
) -> None:
    with missing_library("matplotlib"):
        result = hotswap("plots", "m/1", "--out", "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Drawing plots requires matplotlib, which is not installed" in result.stderr
    assert "pip install 'hotswap[plots]'" in result.stderr
    assert service.requests == []


def test_an_output_directory_that_is_a_file_exits_2(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.add_version("m")
    service.script("GET", "/models/m/1/evaluation", Answer(200, REGRESSION))
    (tmp_path / "file").write_text("mine")
    result = hotswap("plots", "m/1", "--out", str(tmp_path / "file" / "below"))
    assert result.exit_code == 2
    assert (tmp_path / "file").read_text() == "mine"


WORKER = """
import sys
import api.app, registry.operations.promote, registry.intake.child
print("matplotlib" in sys.modules)
"""


@pytest.mark.slow  # the contracts of import-linter forbid it
def test_no_worker_imports_matplotlib(service: FakeService) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        env=environment(service),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_the_service_draws_plots_where_required(
    hotswap: Hotswap, service: FakeService, tmp_path: Path
) -> None:
    service.add_version("housing")
    service.aliases["housing"] = {"production": 1}
    missing = problem(404, "plot-not-found", "No such plot.")
    for plot in PLOTS:
        service.script("GET", f"/models/housing/1/plots/{plot}.svg", missing)
    arguments = ["plots", "housing", "--out", str(tmp_path / "out"), "--svg"]

    nothing = hotswap(*arguments)
    svg = Answer(200, b"<svg/>", {"Content-Type": "image/svg+xml"})
    service.script("GET", "/models/housing/1/plots/residuals.svg", svg)
    result = hotswap(*arguments)

    assert (nothing.exit_code, "nothing to draw" in nothing.stderr) == (1, True)
    written = tmp_path / "out" / "residuals.svg"
    assert (result.exit_code, result.stdout) == (0, f"{written}\n")
    assert written.read_bytes() == b"<svg/>"
    assert json.loads(hotswap(*arguments, "--json").stdout) == [
        {"plot": "residuals", "files": [str(written)]}
    ]
