"""Trying a version: a form of its columns, what it answers, and what is said of the answer."""

import html
import io
import json
import re
import shlex
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from werkzeug.test import TestResponse

from registry.preprocessing import DateEncoder
from tests.integration.api.conftest import END, FORM, new_name, part
from tests.integration.console.browser import Page
from tests.integration.console.conftest import HOSTILE, Console, ConsoleMaker

ROW = {
    "median_income": 3.5,
    "bedrooms": None,
    "ocean_proximity": "NEAR BAY",
    "county": "Napa",
}
COLUMNS = {
    "median_income": {"min": 0.5, "max": 12.0, "mean": 6.25, "missing": 0},
    "bedrooms": {"min": 1.0, "max": 899.0, "mean": 450.0, "missing": 2},
    "ocean_proximity": {"values": {"INLAND": 40, "NEAR BAY": 30, "ISLAND": 10}, "missing": 0},
    "county": {"values": {"Marin": 40, "Napa": 39}, "missing": 1},
}


@pytest.fixture(scope="module")
def homes(console: Console, artifacts: dict[str, bytes]) -> str:
    """A regression on a number, a nullable number and two texts, the second of them nullable."""
    evaluation = {
        "columns": COLUMNS,
        "importances": [
            {"feature": "ocean_proximity_INLAND", "value": 0.6},
            {"feature": "median_income", "value": 0.4},
        ],
        "predicted_vs_true": {"true": [1e5, 2e5, 4e5], "predicted": [1e5, 2e5, 4e5]},
    }
    metadata = {
        "kind": "linear",
        "input_example": ROW,
        "metrics": {"mae": 900.5},
        "evaluation": evaluation,
    }
    return uploaded(console, artifacts["housing"], metadata)


@pytest.fixture(scope="module")
def flowers(console: Console, artifacts: dict[str, bytes]) -> str:
    """A classification with probabilities, without an example."""
    return uploaded(console, artifacts["iris-names"], {"kind": "logistic"})


def uploaded(console: Console, artifact: bytes, metadata: dict[str, object]) -> str:
    name = new_name()
    answer = console.service.admin.upload(name, artifact, metadata)
    assert answer.status_code == 201, answer.text
    return name


def fitted(console: Console, model: object, **metadata: object) -> str:
    return uploaded(console, skops.io.dumps(model), metadata)


def address(name: str, version: int | str = 1, tab: str = "") -> str:
    return f"/console/models/{name}/{version}/try{'?tab=' + tab if tab else ''}"


def asked(console: Console, name: str, *cells: str, **others: str) -> Page:
    """The page after the form was sent with these cells."""
    typed = {f"c{index}": text for index, text in enumerate(cells)}
    return console.admin.post(address(name), {**typed, **others})


def answers(page: Page) -> list[str]:
    """The answers, not rounded."""
    return [given["title"] for given in page.of("p") if given.get("class") == "big"]


def record(predicted: dict[str, object] = ROW, **changes: object) -> pd.DataFrame:
    return pd.DataFrame([{**predicted, **changes}])


def test_the_form_has_a_field_for_each_column_and_holds_the_example(
    console: Console, homes: str
) -> None:
    page = console.admin.get(address(homes))
    assert page.status == 200
    values = page.form(address(homes)).values
    assert [values[f"c{index}"] for index in range(4)] == ["3.5", "", "NEAR BAY", "Napa"]
    assert "bedrooms may be empty" in page.text
    assert "0.5 average 6.25 12" in page.text
    assert "3 seen: INLAND, NEAR BAY, ISLAND" in page.text
    (slider,) = [given for given in page.of("input") if given.get("data-slider") == "c0"]
    assert (slider["min"], slider["max"], slider["value"]) == ("0.5", "12.0", "3.5")


def test_the_answer_is_scikit_learn_s(console: Console, homes: str, trained) -> None:
    page = asked(console, homes, "4.25", "120", "INLAND", "")
    row = record(median_income=4.25, bedrooms=120.0, ocean_proximity="INLAND", county=np.nan)
    assert float(answers(page)[0]) == pytest.approx(trained["housing"].model.predict(row)[0])
    assert "Typically wrong by about 900.5" in page.text
    assert "where it falls among the true values it was tested on" in page.text
    values = page.form(address(homes)).values
    assert [values[f"c{index}"] for index in range(4)] == ["4.25", "120", "INLAND", ""]


def test_probabilities_are_bars_with_the_largest_first(
    console: Console, flowers: str, trained
) -> None:
    cells = [6.1, 2.9, 4.7, 1.4]
    page = asked(console, flowers, *map(str, cells))
    model = trained["iris-names"].model
    frame = pd.DataFrame([cells], columns=trained["iris-names"].rows.columns)
    shares = sorted(zip(model.predict_proba(frame)[0], model.classes_, strict=True), reverse=True)
    assert answers(page) == [shares[0][1]]
    listed = " ".join(
        f"{label} {f'{share:.1%}'[:-1].removesuffix('.0')} %" for share, label in shares
    )
    assert listed in page.text


def test_without_an_example_the_fields_hold_what_is_usual(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = uploaded(console, artifacts["housing"], {"evaluation": {"columns": COLUMNS}})
    page = console.admin.get(address(name))
    assert "This version has no example" in page.text
    values = page.form(address(name)).values
    assert [values[f"c{index}"] for index in range(4)] == ["6.25", "450", "INLAND", "Marin"]


def test_faults_are_at_their_fields(console: Console, homes: str) -> None:
    page = asked(console, homes, "much", "", "", "Napa")
    assert page.status == 422
    assert "2 values cannot be used" in page.text
    assert "expected a number, not the text 'much'" in page.text
    invalid = {
        given["id"]: given["aria-describedby"]
        for given in page.of("input")
        if "aria-invalid" in given
    }
    assert invalid == {"c0": "c0-fault", "c2": "c2-fault"}
    assert {"#c0", "#c2"} <= set(page.hrefs())
    assert page.form(address(homes)).values["c0"] == "much"
    assert "a value is required" in page.text
    assert answers(page) == []


def test_a_script_gets_the_answer_alone(console: Console, homes: str) -> None:
    typed = {"c0": "1", "c1": "", "c2": "INLAND", "c3": ""}
    headers = {"HX-Request": "true"}
    part = console.admin.post(address(homes), typed, headers=headers)
    assert part.status == 200
    assert len(answers(part)) == 1
    assert part.of("form") == part.of("html") == []
    refused = console.admin.post(address(homes), {**typed, "c0": "x"}, headers=headers)
    assert refused.status == 200, "it is read by the script"
    assert [link["data-fault"] for link in refused.of("a")] == ["c0"]


def test_another_version_answers_beside_it(console: Console, housing: str) -> None:
    page = asked(console, housing, "2", other="3")
    assert [float(text) for text in answers(page)] == pytest.approx([2.0, 6.0])
    assert "v3 says +200.0 % against v1" in page.text
    same = asked(console, housing, "2", other="4")
    assert "v4 says +200.0 % against v1" in same.text
    assert 'value="3" selected' in page.html


def test_another_version_with_other_columns_says_what_it_lacks(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    name = uploaded(console, artifacts["line-1"], {})
    assert console.service.admin.upload(name, artifacts["housing"]).status_code == 201
    page = asked(console, name, "2", other="2")
    assert len(answers(page)) == 1
    assert "v2 does not answer Columns of the model are missing" in page.text


def test_values_outside_of_training_are_named(console: Console, homes: str) -> None:
    page = asked(console, homes, "12.5", "0", "MOON", "Napa")
    assert "median income is above 12, the most in training" in page.text
    assert "bedrooms is below 1, the least in training" in page.text
    assert "ocean proximity did not occur in training" in page.text
    assert "extrapolates linearly" in page.text
    assert "in training." not in asked(console, homes, "12", "1", "ISLAND", "").text


def test_what_if_asks_for_the_whole_range(console: Console, homes: str, trained) -> None:
    page = asked(console, homes, "3.5", "", "NEAR BAY", "Napa", what_if="c0")
    tips = [mark["data-tip"] for mark in page.of("circle") if "data-tip" in mark]
    assert len(tips) == 42, "41 points, and the present value"
    model = trained["housing"].model
    for tip in (tips[0], tips[-1]):
        x, y = (
            float(text.replace(",", "").replace("\N{MINUS SIGN}", "-")) for text in tip.split(": ")
        )
        row = record(median_income=x, bedrooms=np.nan)
        assert y == pytest.approx(model.predict(row)[0], abs=0.51)


def test_what_if_asks_for_each_category_the_most_important_column_first(
    console: Console, homes: str, trained
) -> None:
    page = asked(console, homes, "3.5", "", "NEAR BAY", "Napa")
    model = trained["housing"].model
    for category in ("INLAND", "NEAR BAY", "ISLAND"):
        row = record(bedrooms=np.nan, ocean_proximity=category)
        assert f"{category} {model.predict(row)[0]:,.0f}" in page.text
    assert "for each value of ocean_proximity" in page.text


def test_what_if_follows_the_chance_of_the_predicted_class(
    console: Console, artifacts: dict[str, bytes]
) -> None:
    columns = {"petal_w": {"min": 0.1, "max": 2.5, "mean": 1.2}}
    name = uploaded(console, artifacts["iris-names"], {"evaluation": {"columns": columns}})
    page = asked(console, name, "5", "3.4", "1.5", "0.2")
    assert "Chance of setosa as petal_w moves" in page.text
    tips = [mark["data-tip"] for mark in page.of("circle") if "data-tip" in mark]
    assert tips[0].startswith("0.1: ")
    assert tips[0].endswith(" %")


def test_dates_are_typed_as_text(console: Console) -> None:
    sold = pd.date_range("2024-01-01", periods=60, freq="31h")
    frame = pd.DataFrame({"sold": sold})
    model = make_pipeline(DateEncoder(), LinearRegression()).fit(frame, np.arange(60.0))
    columns = {"sold": {"first": "2024-01-01", "last": "2024-03-16"}}
    name = fitted(console, model, evaluation={"columns": columns})
    assert console.admin.get(address(name)).form(address(name)).values["c0"] == "2024-03-16"
    page = asked(console, name, "2024-02-29T12:00")
    expected = model.predict(pd.DataFrame({"sold": [pd.Timestamp("2024-02-29T12:00")]}))[0]
    assert float(answers(page)[0]) == pytest.approx(expected)
    assert "Prediction as sold moves through the range" in page.text
    later = asked(console, name, "2024-05-01")
    assert "sold is above 2024-03-16, the most in training" in later.text
    refused = asked(console, name, "29.2.2024")
    assert "expected a date, such as 2026-01-31" in refused.text


@pytest.mark.slow  # the model process starts; test_answers.py has the same without it
def test_models_that_scikit_learn_serves_answer_by_their_process(console: Console) -> None:
    rows = np.random.default_rng(4).normal(size=(60, 2))
    detector = IsolationForest(n_estimators=3, random_state=0).fit(rows)
    page = asked(console, fitted(console, detector), "9", "-9")
    assert answers(page) == ["-1"]
    assert re.search(r"Score -0\.\d+ below 0: an outlier", page.text)
    pair = LinearRegression().fit(rows, rows @ np.array([[2.0, 0.5], [1.0, 0.0]]))
    page = asked(console, fitted(console, pair), "1.5", "2")
    assert "1 5 2 0.75" in page.text
    labels = np.array([["a", "up"], ["b", "down"]])
    nearest = KNeighborsClassifier(1).fit([[0.0], [9.0]], labels)
    assert "1 b 2 down" in asked(console, fitted(console, nearest), "8").text


def test_programs_send_the_row_of_the_form(console: Console, homes: str) -> None:
    county = "'; rm -rf / #\u202e\"$(id)`${x}"
    page = asked(console, homes, "3.5", "", "NEAR BAY", county)
    codes = dict(re.findall(r'id="call-(\w+)" tabindex="0">(.*?)</pre>', page.html, re.DOTALL))
    curl = shlex.split(html.unescape(codes["curl"]))
    sent = {"instances": [{**ROW, "county": county}]}
    assert json.loads(curl[-1]) == sent
    assert curl[-1].isprintable()
    posted: list[tuple[str, object]] = []

    class Requests:
        @staticmethod
        def post(url, **options):
            posted.append((url, options["json"]))
            raise SystemExit

    program = (
        html.unescape(codes["python"])
        .replace("import requests", "")
        .replace("os.environ['HOTSWAP_TOKEN']", "''")
    )
    with pytest.raises(SystemExit):
        exec(program, {"requests": Requests})  # noqa: S102 - as somebody would who copied it
    ((url, body),) = posted
    assert urlsplit(url).path == f"/models/{homes}/1/predict"
    assert body == sent
    javascript = html.unescape(codes["javascript"])
    lines = re.findall(r"^  (\".*),$", javascript.partition("};")[0], re.MULTILINE)
    assert json.loads("{" + ",".join(lines) + "}") == sent["instances"][0]


def test_text_of_strangers_in_the_form_is_never_markup(console: Console, homes: str) -> None:
    page = asked(console, homes, HOSTILE, "", HOSTILE, HOSTILE, other=HOSTILE, what_if=HOSTILE)
    assert page.status == 422
    page = asked(console, homes, "3.5", "", HOSTILE, HOSTILE)
    assert page.status == 200
    assert page.of("img") == []
    assert all("src" in script for script in page.of("script"))
    assert page.form(address(homes)).values["c2"] == HOSTILE


def test_an_alias_leads_to_the_number_and_an_archived_version_says_so(
    console: Console, housing: str, artifacts: dict[str, bytes]
) -> None:
    assert console.admin.get(address(housing, "production")).location == address(housing, 2)
    name = uploaded(console, artifacts["line-1"], {})
    assert console.service.admin.ask("DELETE", f"/models/{name}/1").status_code == 204
    page = console.admin.get(address(name))
    assert page.status == 404
    assert "is archived" in page.text


def test_many_columns_are_in_groups_of_which_the_important_ones_come_first(
    console: Console,
) -> None:
    rows = np.random.default_rng(2).normal(size=(50, 40))
    names = [f"x{index}" for index in range(40)]
    model = LinearRegression().fit(pd.DataFrame(rows, columns=names), rows[:, 33])
    weights = [{"feature": "x33", "value": 1.0}]
    name = fitted(console, model, evaluation={"coefficients": weights})
    page = console.admin.get(address(name))
    fields = [given["data-field"] for _, given in page.elements if "data-field" in given]
    assert fields[0] == "c33"
    assert sorted(fields, key=lambda key: int(key[1:])) == [f"c{index}" for index in range(40)]
    assert "The most important" in page.text
    assert "x9 to x18" in page.text


def test_only_who_may_predict_may_try(console: Console, homes: str) -> None:
    reader = console.person("upload")
    assert "Try" not in reader.get(f"/console/models/{homes}/1").text
    assert reader.get(address(homes)).status == 403
    assert reader.post(address(homes), {"c0": "1"}).status == 403
    elsewhere = console.person("predict", models=["other-*"])
    assert elsewhere.get(address(homes)).status == 404
    assert elsewhere.post(address(homes), {"c0": "1"}).status == 404
    assert "Try a prediction" in console.person("predict").get(f"/console/models/{homes}/1").text


PASTED = "id\tmedian_income\tbedrooms\tocean_proximity\tcounty\n"


def pasted(console: Console, name: str, text: str, **others: str) -> Page:
    return console.admin.post(address(name, tab="rows"), {"rows": text, **others})


def test_rows_of_a_spreadsheet_are_predicted_in_a_table(
    console: Console, homes: str, trained
) -> None:
    empty = console.admin.get(address(homes, tab="rows"))
    (form,) = [form for form in empty.forms if "rows" in form.values]
    assert form.values["rows"].splitlines()[2] == "3.5\t\tNEAR BAY\tNapa"
    page = pasted(console, homes, PASTED + "a\t4.25\t120\tINLAND\t\r\n\r\nb\t3.5\t\tISLAND\tNapa\n")
    assert page.status == 200
    frame = pd.DataFrame(
        [
            {**ROW, "median_income": 4.25, "bedrooms": 120, "ocean_proximity": "INLAND"},
            {**ROW, "ocean_proximity": "ISLAND"},
        ]
    ).astype({"bedrooms": float})
    frame.loc[0, "county"] = np.nan
    first, second = trained["housing"].model.predict(frame)
    assert f"1 {first:,.0f} a 4.25 120 INLAND" in page.text
    assert f"2 {second:,.0f} b 3.5 ISLAND Napa" in page.text
    assert "2 predictions" in page.text


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW, ROW]),
        json.dumps({"instances": [ROW, ROW]}),
        PASTED.replace("\t", ";") + "a;3.5;;NEAR BAY;Napa\n" * 2,
        PASTED.replace("\t", ",") + 'a,3.5,,"NEAR BAY",Napa\n' * 2,
        json.dumps({"inputs": {name: [cell] * 2 for name, cell in ROW.items()}}),
    ],
)
def test_rows_are_read_in_each_usual_form(console: Console, homes: str, trained, text: str) -> None:
    (expected,) = trained["housing"].model.predict(record(bedrooms=np.nan))
    page = pasted(console, homes, text)
    assert page.text.count(f"{expected:,.0f}") == 2


def test_faults_of_pasted_rows_are_at_their_cells(console: Console, homes: str) -> None:
    page = pasted(console, homes, PASTED + "a\t1\t2\tINLAND\t\nb\tmuch\t2\t\tNapa\n")
    assert page.status == 422
    assert "b much expected a number, not the text 'much' 2" in page.text
    assert "a value is required" in page.text
    assert "2 values cannot be used, as marked below" in page.text
    assert [given["class"] for given in page.of("td") if given.get("class") == "wrong"] == [
        "wrong",
        "wrong",
    ]
    page = pasted(console, homes, json.dumps([ROW, {**ROW, "median_income": "x"}]))
    assert "x expected a number, not the text 'x' NEAR BAY" in page.text.replace(" Napa", "")


def test_a_bad_table_says_what_is_missing_and_keeps_the_text(console: Console, homes: str) -> None:
    for text, status, words in (
        ("", 400, "Expected a line with the names of the columns"),
        ("1\t2\n3\t4\n", 422, "Columns of the model are missing: 'median_income'"),
        ('{"a": ', 400, "The rows are not JSON"),
        (PASTED + "a\t1\n", 422, "expected 5 values as in the header, not 2"),
        ("[1, 2]", 422, "expected"),
    ):
        page = pasted(console, homes, text)
        assert page.status == status
        assert words in page.text
        (form,) = [form for form in page.forms if "rows" in form.values]
        assert form.values["rows"].strip() == text.strip()


def test_predictions_are_downloaded_as_csv_with_all_digits(
    console: Console, flowers: str, trained
) -> None:
    cells = trained["iris-names"].rows
    text = cells.assign(prediction="old").to_csv(index=False)
    response = console.admin.client.post(
        address(flowers, tab="rows"),
        data={"rows": text, "as": "csv"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert response.mimetype == "text/csv"
    name = f"attachment; filename={flowers}-v1-predictions.csv"
    assert response.headers["Content-Disposition"] == name
    found = pd.read_csv(io.StringIO(response.text))
    assert found["prediction_2"].tolist() == trained["iris-names"].model.predict(cells).tolist()
    pd.testing.assert_frame_equal(found[cells.columns], cells)


def test_text_of_strangers_in_pasted_rows_is_never_markup(console: Console, homes: str) -> None:
    for record_ in (
        {**ROW, "county": HOSTILE},
        {**ROW, HOSTILE: HOSTILE, "median_income": HOSTILE},
    ):
        page = pasted(console, homes, json.dumps([record_]))
        assert page.of("img") == []
        assert all("src" in script for script in page.of("script"))
        assert "alert(1)" in page.text


def sent(console: Console, name: str, content: bytes, **fields: str) -> TestResponse:
    """The response to a file."""
    parts = [part(f'; name="{field}"', text.encode()) for field, text in fields.items()]
    return console.admin.client.post(
        address(name, tab="file"),
        data=b"".join([*parts, part('; name="file"; filename="rows"', content), END]),
        content_type=FORM,
        headers={"Sec-Fetch-Site": "same-origin"},
    )


@pytest.fixture(scope="module")
def rows(trained) -> pd.DataFrame:
    return trained["housing"].rows.iloc[:7].reset_index(drop=True)


@pytest.fixture(scope="module")
def predicted(trained, rows: pd.DataFrame):
    return pytest.approx(trained["housing"].model.predict(rows).tolist())


def test_a_csv_file_comes_back_with_its_predictions(
    console: Console, homes: str, rows: pd.DataFrame, predicted
) -> None:
    before = console.service.stored()
    text = rows.assign(id=range(7)).to_csv(index=False)
    answer = sent(console, homes, b"\xef\xbb\xbf" + text.encode())
    assert answer.status_code == 200
    assert f"filename={homes}-v1-predictions.csv" in answer.headers["Content-Disposition"]
    found = pd.read_csv(io.StringIO(answer.text))
    assert found["prediction"].tolist() == predicted
    pd.testing.assert_frame_equal(found[[*rows.columns, "id"]], rows.assign(id=range(7)))
    assert console.service.stored() == before, "nothing is kept"


def test_a_parquet_file_comes_back_as_csv_or_parquet(
    console: Console, homes: str, rows: pd.DataFrame, predicted
) -> None:
    content = rows.to_parquet(index=False)
    found = pd.read_csv(io.StringIO(sent(console, homes, content).text))
    assert found["prediction"].tolist() == predicted
    assert found[rows.columns].isna().sum().to_dict() == rows.isna().sum().to_dict()
    answer = sent(console, homes, content, **{"as": "parquet"})
    assert "predictions.parquet" in answer.headers["Content-Disposition"]
    table = pd.read_parquet(io.BytesIO(answer.data))
    assert table["prediction"].tolist() == predicted
    pd.testing.assert_frame_equal(table[rows.columns], rows)


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "Choose a file that is not empty"),
        (b"PK\x03\x04more", 400, "Save the sheet as CSV first"),
        (b"PAR1 and no more", 400, "Parquet"),
        (b"\x80\x81", 400, "not UTF-8"),
        (b"median_income\n1\n", 422, "Columns of the model are missing"),
        (
            b"median_income,bedrooms,ocean_proximity,county\nx,1,INLAND,\n",
            422,
            "row 1, median_income",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    console: Console, homes: str, content: bytes, status: int, words: str
) -> None:
    page = Page(sent(console, homes, content))
    assert page.status == status
    assert words in page.text
    assert page.form(address(homes)).method == "post"


def test_a_file_is_limited_as_a_prediction_is(
    make_console: ConsoleMaker, artifacts: dict[str, bytes]
) -> None:
    console = make_console(max_predict_mb=1)
    name = uploaded(console, artifacts["line-1"], {})
    for size in (2**20 + 1, 2**21):
        page = Page(sent(console, name, b"x\n" + b"1\n" * (size // 2)))
        assert page.status == 413
        assert "HOTSWAP_MAX_PREDICT_MB" in page.text


def test_more_text_than_a_page_takes_is_refused_with_the_text_kept(
    console: Console, housing: str
) -> None:
    text = "x\n" + "1\t\n" * (2**20 // 3)
    page = console.admin.post(address(housing, tab="rows"), {"rows": text})
    assert page.status == 413
    assert "send the rows as a file" in page.text
    (form,) = [form for form in page.forms if "rows" in form.values]
    assert form.values["rows"].strip() == text.strip()
