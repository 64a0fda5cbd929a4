"""Model cards, as Markdown and as HTML, of versions whose every text is hostile."""

import hashlib
import json
import re
from base64 import b64encode
from html.parser import HTMLParser

import numpy as np
import pytest
import skops.io
from markdown_it import MarkdownIt
from sklearn.linear_model import LinearRegression

from registry.storage.history import record
from tests.integration.api.conftest import ADMIN_TOKEN, check_problem

EVIL = (
    "|`</code></pre><script>alert(1)</script>[x](javascript:alert(1))<img src=x onerror=y>\u202e'"
)
VOID = {"meta"}
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "section", "p", "ul"),
    *("li", "div", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "blockquote"),
}


class Page(HTMLParser):
    """What a browser would see: the elements, their attributes, and the text within."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.attributes, self.texts = [], [], set(), []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def within(self, tag):
        return [text for inside, text in self.texts if inside == tag]


def sections(markdown):
    """The text under each heading."""
    parts = re.split(r"^## (.*)$", markdown, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text):
    """The cells of the tables in a section, by the first."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip(" `"): row[1:] for row in cells}


EVALUATION = {
    "rows": 1234,
    "train_rows": 5000,
    "dropped_rows": 2,
    "notes": [EVIL],
    "baseline": {"rmse": 99.5},
    "metric_intervals": {"rmse": [40.5, 44.25]},
    "columns": {
        "width": {
            "min": -1.5,
            "max": 9,
            "mean": 2.25,
            "missing": 3,
            "treatment": "fill with the median",
            "oddities": ["3 blank read as missing"],
        },
        "depth": {"values": {"a": 7, EVIL: 9, **dict.fromkeys("bcdef", 1)}, "other": 40},
    },
}


@pytest.fixture(scope="module")
def documented(service, artifacts):
    """A version with complete metadata, promoted with two gates."""
    said = {
        "kind": "linear",
        "metrics": {"rmse": 42.125, "made_up": 1},
        "signature": {
            "inputs": [
                {"name": "width", "type": "number"},
                {"name": "depth", "type": "number", "nullable": True},
            ],
            "output": {"name": "area", "type": "number"},
        },
        "input_example": {"width": 0.5, "depth": 2},
        "description": "First line\n\n# no heading\nlast line",
        "tags": {"run": "7"},
        "lineage": {"data_rows": 6236, "seed": 3, "parent_version": 2, "recipe": {"a": [1]}},
        "evaluation": EVALUATION,
    }
    name = "told"
    answer = service.admin.upload(name, artifacts["plane"], said)
    assert answer.status_code == 201, answer.text
    gates = [
        {
            "gate": "rmse < champion @ 95%",
            "passed": True,
            "candidate": 43.5,
            "champion": 50.25,
            "interval": [-9.5, -4],
            "measured": "holdout",
        },
        {"gate": "signature compatible", "passed": True},
    ]
    with service.services.database.write() as session:
        record(
            *(session, "promoted"),
            actor="ci",
            model=name,
            alias="production",
            to_version=1,
            reason="better",
            details={"gates": gates},
        )
    return name


def card(caller, name, version="1", accept="text/markdown"):
    answer = caller.get(f"/models/{name}/{version}/card", headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    return answer


def test_a_card_describes_the_version_and_its_lineage(admin, documented):
    found = sections(card(admin, documented).text)

    assert list(found) == [
        *("What it predicts", "Data", "Metrics", "Gates passed", "Columns", "Limits"),
        "How to call it",
    ]
    what = found["What it predicts"]
    assert "a linear model and predicts `area`, a number, from 2 columns" in what
    assert "```text\nFirst line\n\n# no heading\nlast line\n```" in what
    assert rows(what)["Status"] == ["ready"]
    assert rows(what)["Tag"] == ["`run` is `7`"]
    data = rows(found["Data"])
    assert data["Rows trained on"] == ["5,000"]
    assert data["Rows held out for evaluation"] == ["1,234"]
    assert data["Rows of the data, as read"] == ["`6236`"]
    assert data["Parent version"] == ["`2`"]


def test_metrics_have_intervals_baselines_and_measurements(admin, documented):
    metrics = rows(sections(card(admin, documented).text)["Metrics"])

    assert metrics["rmse"] == ["42.125", "40.5 to 44.25", "99.5", "43.5"]
    assert metrics["made_up"] == ["1", "-", "-", "-"]


def test_a_card_shows_the_gates_of_promotions(admin, documented):
    gates = sections(card(admin, documented).text)["Gates passed"]

    assert "`production` was pointed at it by `ci`, for the reason `better`." in gates
    assert rows(gates)["rmse < champion @ 95%"] == [
        *("passed", "43.5", "50.25", "-9.5 to -4"),
        "holdout",
    ]
    assert rows(gates)["signature compatible"] == ["passed", "-", "-", "-", "-"]


def test_columns_show_their_ranges_in_training(admin, documented):
    columns = rows(sections(card(admin, documented).text)["Columns"])

    assert columns["width"] == [
        *("number", "no", "-1.5 to 9, mean 2.25", "3"),
        "`fill with the median; 3 blank read as missing`",
    ]
    assert columns["depth"][1] == "yes"
    assert "`a` (7)" in columns["depth"][2]
    assert columns["depth"][2].endswith(", `d` (1) and others (42)")
    assert columns["depth"][3:] == ["-", "-"]


def test_missing_parts_of_an_evaluation_are_named(admin, uploaded):
    name, _ = uploaded
    found = sections(card(admin, name).text)

    assert "No alias has pointed at it." in found["Gates passed"]
    assert "The ranges of its columns in training are unknown." in found["Limits"]
    assert "no input example" in found["How to call it"]
    assert "```" not in found["How to call it"]


@pytest.mark.parametrize(
    "evaluation",
    [
        {"metric_intervals": [1], "columns": 3, "baseline": "x", "rows": -1, "notes": {"a": 1}},
        {"metric_intervals": {"rmse": ["a", None]}, "columns": {"x": {"min": "<b>"}}},
        {"rows": 10**300},
    ],
)
def test_a_malformed_evaluation_is_named_and_not_shown(admin, fresh_name, artifacts, evaluation):
    admin.upload(fresh_name, artifacts["line-1"], {"evaluation": evaluation})
    limits = sections(card(admin, fresh_name).text)["Limits"]
    assert (
        f"Unreadable parts of the uploaded evaluation: `{', '.join(sorted(evaluation))}`" in limits
    )
    assert card(admin, fresh_name, accept="text/html").status_code == 200


def test_the_card_of_an_archived_version_does_not_describe_how_to_call_it(admin, uploaded):
    name, _ = uploaded
    admin.delete(f"/models/{name}/1")
    found = sections(card(admin, name).text)
    assert "archived" in rows(found["What it predicts"])["Status"][0]
    assert "It cannot be used for predictions." in found["How to call it"]


@pytest.fixture(scope="module")
def hostile(service):
    """Hostile texts everywhere: columns, target, tags, figures, and the promotion's reason."""
    name = "hostile"
    columns = [EVIL, "||", "https://evil.example", "`"]
    model = LinearRegression().fit(np.eye(4), np.arange(4.0))
    said = {
        "metrics": {EVIL: 1.5},
        "params": {EVIL: EVIL},
        "signature": {
            "inputs": [{"name": column, "type": "number"} for column in columns],
            "output": {"name": f"a\nb\\|{EVIL}", "type": "number"},
        },
        "input_example": dict.fromkeys(columns, 1.5),
        "description": f"{EVIL}\n```\n{EVIL}",
        "tags": {EVIL: EVIL},
        "lineage": {EVIL: EVIL, "git_commit": EVIL},
        "environment": {EVIL: EVIL},
        "evaluation": {
            "notes": [EVIL],
            "columns": {EVIL: {"values": {EVIL: 3}, "treatment": EVIL, "oddities": [EVIL]}},
            "baseline": {EVIL: 2.5},
        },
    }
    answer = service.admin.upload(name, skops.io.dumps(model), said)
    assert answer.status_code == 201, answer.text
    caller = service.caller("promote")
    promoted = caller.promote(name, 1, reason=EVIL)
    assert promoted.status_code == 200, promoted.text
    return name


def test_user_texts_are_escaped_in_html(admin, hostile):
    answer = card(admin, hostile, accept="text/html")
    page = Page(answer.text)

    assert set(page.elements) <= KNOWN
    assert page.attributes <= {
        *("lang", "charset", "name", "content", "scope", "class", "tabindex", "role"),
        "aria-label",
    }
    visible = EVIL.replace("\u202e", "\\u202e")
    assert visible in page.within("code")
    assert visible in page.within("blockquote")[0]
    assert "\u202e" not in answer.text


def test_user_texts_are_code_in_markdown(admin, hostile):
    tokens = MarkdownIt("commonmark").enable("table").parse(card(admin, hostile).text)

    assert not {token.type for token in tokens} & {"html_block", "blockquote_open", "hr"}
    within = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in within} <= {"text", "code_inline"}
    assert all("alert" not in child.content for child in within if child.type == "text")
    titles = [token.tag for token in tokens if token.type == "heading_open"]
    assert titles == ["h1", *["h2"] * 7]


def test_an_html_card_may_load_only_its_own_style(admin, documented):
    answer = card(admin, documented, accept="text/html")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)[1]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    for forbidden in ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert forbidden in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "style=" not in answer.text.replace(style, "")


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        (None, "", "text/markdown"),
        ("*/*", "", "text/markdown"),
        ("text/markdown", "", "text/markdown"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", "text/html"),
        ("text/html;q=0.5,text/markdown;q=0.4", "", "text/html"),
        ("text/markdown", "?format=html", "text/html"),
        ("text/html", "?format=markdown", "text/markdown"),
        ("application/json", "?format=html", "text/html"),
    ],
)
def test_the_request_selects_the_format(admin, documented, accept, query, expected):
    headers = {} if accept is None else {"Accept": accept}
    answer = admin.get(f"/models/{documented}/latest/card{query}", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == expected
    assert answer.mimetype_params["charset"] == "utf-8"
    assert "Accept" in answer.headers["Vary"]


def test_unavailable_cards_are_answered_with_a_problem(admin, documented):
    path = f"/models/{documented}/1/card"
    refused = admin.get(path, headers={"Accept": "application/json"})
    check_problem(refused, 406, "not-acceptable")
    check_problem(admin.get(f"{path}?format=pdf"), 400, "parameter-malformed")
    check_problem(admin.get(f"/models/{documented}/9/card"), 404, "version-not-found")
    check_problem(admin.get("/models/nobody/1/card?format=html"), 404, "model-not-found")
    check_problem(admin.get(f"/models/{documented}/-1/card"), 400, "reference-malformed")


def test_no_card_holds_a_token(admin, documented, hostile):
    for name in (documented, hostile):
        for accept in ("text/html", "text/markdown"):
            text = card(admin, name, accept=accept).text
            assert ADMIN_TOKEN not in text
            assert "hsw_" not in text


def test_long_lists_of_columns_and_classes_are_shortened(admin, fresh_name):
    model = LinearRegression().fit(np.zeros((2, 250)), [0.0, 1.0])
    admin.upload(fresh_name, skops.io.dumps(model))
    columns = sections(card(admin, fresh_name).text)["Columns"]
    assert len(rows(columns)) == 1 + 200
    assert "And 50 more" in columns


def test_the_input_example_is_shown_as_it_was_uploaded(admin, documented):
    calling = sections(card(admin, documented).text)["How to call it"]
    body = re.search(r"-d '(.*)'", calling)[1]
    assert json.loads(body) == {"instances": [{"width": 0.5, "depth": 2}]}
    assert f"http://localhost/models/{documented}/1/predict" in calling
    assert "$HOTSWAP_TOKEN" in calling
    assert "os.environ['HOTSWAP_TOKEN']" in calling
    answer = admin.post(f"/models/{documented}/1/predict", json=json.loads(body))
    assert answer.status_code == 200
