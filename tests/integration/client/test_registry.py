"""The requests of the client, and how it reads the responses."""

import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from hotswap import Registry, ReplyNotUnderstood, errors
from hotswap.artifact_formats import format_of
from hotswap.errors import DownloadDamaged
from tests.integration.cli.fake_service import ARTIFACT, Answer, FakeService, multipart, problem


def test_lists_request_the_next_page_only_when_it_is_needed(
    registry: Registry, service: FakeService
) -> None:
    for _ in range(450):
        service.add_version("housing")
    found = registry.versions("housing")
    assert next(found)["version"] == 450
    assert len(service.requests) == 1
    assert [version["version"] for version in found] == list(range(449, 0, -1))
    assert [received.query.get("after") for received in service.requests] == [
        None,
        ["200"],
        ["400"],
    ]


def test_a_list_that_shrinks_between_pages_ends(registry: Registry, service: FakeService) -> None:
    page = {"items": [], "page": 1, "page_size": 200, "total": 9}
    service.script("GET", "/models", Answer(200, page))
    assert list(registry.models()) == []


@pytest.mark.parametrize("following", [7, "7"])
def test_an_invalid_next_cursor_is_not_understood(
    registry: Registry, service: FakeService, following: object
) -> None:
    page = {"items": [], "page": 1, "page_size": 200, "total": 9, "next": following}
    service.script("GET", "/models", Answer(200, page))

    with pytest.raises(ReplyNotUnderstood):
        list(registry.models())


def test_models_can_be_filtered_by_name_and_tag(registry: Registry, service: FakeService) -> None:
    list(registry.models("hous", ("team", "pricing")))
    assert service.requests[0].query["q"] == ["hous"]
    assert service.requests[0].query["tag"] == ["team:pricing"]


def test_versions_can_be_requested_with_their_intervals(
    registry: Registry, service: FakeService
) -> None:
    service.add_version("housing", metric_intervals={"rmse": [1, 2]}, baseline={"rmse": 9})
    (version,) = registry.versions("housing", intervals=True)
    assert version["metric_intervals"] == {"rmse": [1, 2]}
    assert service.requests[0].query["include"] == ["intervals"]


def test_models_can_be_sorted_and_requested_with_what_is_live(
    registry: Registry, service: FakeService
) -> None:
    service.add_version("housing")
    list(registry.models())
    list(registry.models(sort="-requests", live=True))
    plain, chosen = (received.query for received in service.requests)
    assert set(plain) == {"page_size"}
    assert (chosen["sort"], chosen["include"]) == (["-requests"], ["live"])


def happened(seq: int) -> dict[str, object]:
    return {"seq": seq, "type": "promoted", "at": "2026-11-21T06:00:00Z"}


def test_events_are_followed_as_they_happen(registry: Registry, service: FakeService) -> None:
    """Asked with the tag of the last reply; what happened between two requests is in order."""
    path = "/models/m/history"

    def page(tag: str, *seqs: int) -> Answer:
        items = [happened(seq) for seq in seqs]
        return Answer(200, {"items": items, "total": 9, "page": 1, "page_size": 9}, {"ETag": tag})

    unchanged = Answer(304, None, {"ETag": "a"})
    for answer in (page("a", 4), unchanged, unchanged, page("b", 7), page("b", 7, 6, 4, 3)):
        service.script_next("GET", path, answer)
    service.script("GET", path, problem(404, "model-not-found", "gone"))

    found = registry.follow("m", seconds=0)

    assert [next(found)["seq"], next(found)["seq"]] == [6, 7]
    with pytest.raises(errors.NotFound):
        next(found)
    tags = [received.headers["If-None-Match"] for received in service.requests]
    assert tags == [None, "a", "a", "a", None, "b"]


def test_events_after_a_known_one_are_followed(registry: Registry, service: FakeService) -> None:
    service.events = [happened(seq) for seq in range(1, 301)]
    found = registry.follow("m", after=40, seconds=0)
    assert [next(found)["seq"] for _ in range(260)] == list(range(41, 301))


def test_a_304_that_was_not_asked_for_is_not_understood(
    registry: Registry, service: FakeService
) -> None:
    service.script("GET", "/models/m", Answer(304))
    with pytest.raises(ReplyNotUnderstood):
        registry.model("m")


def test_a_plot_is_returned_as_svg(registry: Registry, service: FakeService) -> None:
    svg = Answer(200, b"<svg/>", {"Content-Type": "image/svg+xml; charset=utf-8"})
    service.script("GET", "/models/m/production/plots/roc.svg", svg)
    assert registry.plot("m", "production", "roc") == "<svg/>"
    assert service.requests[0].headers["Accept"] == "image/svg+xml"


def test_an_alias_can_be_requested_as_it_was_at_a_time(
    registry: Registry, service: FakeService
) -> None:
    path = "/models/housing/aliases/production"
    service.script("GET", path, Answer(200, {"alias": "production", "version": 1, "until": None}))
    assert registry.alias("housing", "production")["version"] == 1
    registry.alias("housing", "production", datetime(2026, 11, 21, 6, tzinfo=UTC))
    asked = [received.query for received in service.requests]
    assert asked == [{}, {"at": ["2026-11-21T06:00:00+00:00"]}]


def test_an_upload_sends_the_file_with_its_name_and_length(
    registry: Registry, service: FakeService, tmp_path: Path
) -> None:
    file = tmp_path / 'odd "name".skops'
    file.write_bytes(ARTIFACT)
    uploaded = registry.upload("housing", file, {"kind": "forest"}, idempotency_key="k1")
    assert (uploaded.version["version"], uploaded.replayed) == (1, False)
    (received,) = service.requests
    assert received.headers["Content-Length"] == str(len(received.body))
    assert "Transfer-Encoding" not in received.headers
    assert received.headers["Idempotency-Key"] == "k1"
    parts = multipart(received)
    assert parts["artifact"] == ("odd %22name%22.skops", ARTIFACT)
    assert json.loads(parts["metadata"][1]) == {"kind": "forest"}


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("model.txt", b"tree\nversion=v4\nnum_class=1\n", "lightgbm"),
        ("model.json", b'{"learner":{"attributes":{}}}', "xgboost"),
        ("model.model", b"{L\0\0\0\0\0\0\0\x07learner{L", "xgboost"),
        ("model.json", b'{"trees": []}', None),
        ("model.skops", b"tree\nversion=v4\n", None),
    ],
)
def test_a_booster_is_recognised_by_its_first_bytes_where_its_ending_says_nothing(
    tmp_path: Path, name: str, start: bytes, expected: str | None
) -> None:
    file = tmp_path / name
    file.write_bytes(start)

    assert format_of(file) == expected


def test_the_recognised_format_of_a_booster_is_sent(
    registry: Registry, service: FakeService, tmp_path: Path
) -> None:
    file = tmp_path / "model.txt"
    file.write_bytes(b"tree\nversion=v4\n")

    registry.upload("housing", file, {"tags": {"team": "pricing"}})

    metadata = json.loads(multipart(service.requests[0])["metadata"][1])
    assert metadata == {"tags": {"team": "pricing"}, "format": "lightgbm"}


def test_a_replayed_upload_is_marked_as_replayed(registry: Registry, service: FakeService) -> None:
    answer = Answer(201, {"model": "m", "version": 4}, {"Idempotent-Replayed": "true"})
    service.script("POST", "/models/m/versions", answer)
    uploaded = registry.upload("m", b"bytes", {}, filename="m.onnx")
    assert uploaded.replayed
    assert multipart(service.requests[0])["artifact"] == ("m.onnx", b"bytes")


def test_promote_distinguishes_no_expectation_from_none(
    registry: Registry, service: FakeService
) -> None:
    service.add_version("housing")
    registry.promote("housing", 1)
    registry.promote("housing", 1, expected_version=None)
    registry.promote("housing", 1, expected_version=1, reason="why", force=True, alias="canary")
    registry.promote("housing", 1, expected_generation=0)
    assert [received.json for received in service.requests] == [
        {},
        {"expected_version": None},
        {"expected_version": 1, "reason": "why", "force": True, "alias": "canary"},
        {"expected_generation": 0},
    ]


def test_rollback_sends_only_given_options(registry: Registry, service: FakeService) -> None:
    service.add_version("housing")
    registry.rollback("housing")
    registry.rollback("housing", to_version=1, reason="why", expected_version=2)
    assert [received.json for received in service.requests] == [
        {},
        {"to_version": 1, "reason": "why", "expected_version": 2},
    ]


def test_a_record_returns_one_prediction(registry: Registry, service: FakeService) -> None:
    service.add_version("housing")
    assert registry.predict("housing", {"rooms": 3}, version=1)["prediction"] == 452600.0
    assert service.requests[0].json == {"rooms": 3}


def test_a_record_with_a_column_named_like_a_wrapper_returns_one_prediction(
    registry: Registry, service: FakeService
) -> None:
    service.add_version("m")
    answer = registry.predict("m", {"input": 3}, version=1, probabilities=True)
    assert service.requests[0].json == {"instances": [{"input": 3}]}
    assert answer["prediction"] == 1.5
    assert answer["probabilities"] == {"cheap": 0.25, "dear": 0.75}


def test_rows_and_bytes_return_a_list(registry: Registry, service: FakeService) -> None:
    service.add_version("m")
    assert registry.predict("m", [[1], [2]], version=1)["predictions"] == [1.5, 2.5]
    registry.predict("m", b"a\n1\n2\n", version=1, content_type="text/csv")
    assert service.requests[1].headers["Content-Type"] == "text/csv"
    assert service.requests[1].body == b"a\n1\n2\n"


@pytest.mark.parametrize("data", [{"a": float("nan")}, [{"a": object()}], b"a\n1\n"])
def test_values_that_json_does_not_have_are_refused_before_a_request(
    registry: Registry, data: object
) -> None:
    with pytest.raises(ValueError, match=r"JSON|content_type"):
        registry.predict("m", data)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_change_the_url_is_refused(
    registry: Registry, service: FakeService, name: str
) -> None:
    with pytest.raises(ValueError, match="not a valid name"):
        registry.model(name)
    assert service.requests == []


def test_a_slash_in_a_name_is_escaped(registry: Registry, service: FakeService) -> None:
    service.add_version("a/b?c")
    assert registry.model("a/b?c")["name"] == "a/b?c"
    assert service.requests[0].path == "/models/a%2Fb%3Fc"


def test_a_token_is_created_with_scopes_and_expiry(
    registry: Registry, service: FakeService
) -> None:
    expires = datetime(2027, 1, 1, tzinfo=UTC)
    made = registry.create_token("ci", ["upload"], models=["h*"], expires_at=expires)
    assert made["token"] == "hsw_new"
    assert service.requests[0].json == {
        "name": "ci",
        "scopes": ["upload"],
        "models": ["h*"],
        "expires_at": "2027-01-01T00:00:00+00:00",
    }
    registry.revoke_token(7)
    assert service.requests[1].path == "/tokens/7"


def test_a_download_writes_the_file_and_returns_its_hash(
    registry: Registry, service: FakeService, tmp_path: Path
) -> None:
    digest = hashlib.sha256(ARTIFACT).hexdigest()
    answer = Answer(200, ARTIFACT, {"ETag": f'"{digest}"'})
    service.script("GET", "/models/m/3/artifact", answer)
    assert registry.download("m", 3, tmp_path / "model.skops") == digest
    assert (tmp_path / "model.skops").read_bytes() == ARTIFACT


def test_a_damaged_download_does_not_replace_the_file(
    registry: Registry, service: FakeService, tmp_path: Path
) -> None:
    service.script("GET", "/models/m/3/artifact", Answer(200, b"x", {"ETag": f'"{"0" * 64}"'}))
    target = tmp_path / "model.skops"
    target.write_bytes(b"before")
    with pytest.raises(DownloadDamaged):
        registry.download("m", 3, target)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("model.skops", b"before")
    ]


def test_a_card_is_returned_in_the_requested_format(
    registry: Registry, service: FakeService
) -> None:
    page = Answer(200, "# Häuser".encode(), {"Content-Type": "text/markdown; charset=utf-8"})
    service.script("GET", "/models/m/3/card", page)
    assert registry.card("m", 3) == "# Häuser"
    assert service.requests[0].headers["Accept"] == "text/markdown"
    with pytest.raises(ReplyNotUnderstood, match="no text/html, but text/markdown"):
        registry.card("m", 3, "text/html")


def test_versions_are_compared_by_their_references(
    registry: Registry, service: FakeService
) -> None:
    service.script("GET", "/models/m/compare", Answer(200, {"versions": [3, 5]}))
    assert registry.compare("m", [3, "production"]) == {"versions": [3, 5]}
    assert service.requests[0].query == {"versions": ["3,production"]}


def test_policy_holdout_and_evaluation_use_their_routes(
    registry: Registry, service: FakeService, tmp_path: Path
) -> None:
    service.script("PUT", "/models/m/policy", Answer(200, {"gates": ["r2 >= 0.6"]}))
    service.script("PUT", "/models/m/holdout", Answer(201, {"sha256": "ab"}))
    service.script("DELETE", "/models/m/holdout", Answer(204))
    report = {"passed": False, "candidate": {"version": 3}, "champion": None, "gates": []}
    service.script("POST", "/models/m/3/evaluate", Answer(200, report))
    kept = {**report, "evaluated_at": "2026-11-23T02:04:10Z"}
    service.script("GET", "/models/m/3/verdict", Answer(200, kept))
    table = tmp_path / "holdout.csv"
    table.write_bytes(b"x,y\n1,2\n")

    assert registry.set_policy("m", ["r2 >= 0.6"])["gates"] == ["r2 >= 0.6"]
    assert registry.set_holdout("m", table, target="y")["sha256"] == "ab"
    registry.set_holdout("m", pd.DataFrame({"x": [1], "y": [2]}))
    registry.delete_holdout("m")
    assert registry.evaluate("m", 3, gates=["r2 >= 0.9"]) == report
    assert registry.verdict("m", 3, alias="staging") == kept

    policy, file, frame, _, evaluated, verdict = service.requests
    assert policy.json == {"gates": ["r2 >= 0.6"]}
    assert (file.query, file.body) == ({"target": ["y"]}, b"x,y\n1,2\n")
    assert file.headers["Content-Type"] == "text/csv"
    assert frame.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert pd.read_parquet(io.BytesIO(frame.body)).to_dict("list") == {"x": [1], "y": [2]}
    assert evaluated.json == {"gates": ["r2 >= 0.9"]}
    assert verdict.query == {"alias": ["staging"]}


def test_a_service_without_parquet_gets_a_holdout_as_csv(
    registry: Registry, service: FakeService, tmp_path: Path
) -> None:
    path = "/models/m/holdout"
    service.script("PUT", path, Answer(201, {"sha256": "ab"}))
    refusal = problem(415, "format-unsupported", "No pyarrow here.")
    service.script_next("PUT", path, refusal)

    assert registry.set_holdout("m", pd.DataFrame({"x": [1], "y": [2]}))["sha256"] == "ab"

    refused, sent = service.requests
    assert refused.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert (sent.headers["Content-Type"], sent.body) == ("text/csv", b"x,y\n1,2\n")

    file = tmp_path / "holdout.parquet"
    file.write_bytes(refused.body)
    service.script_next("PUT", path, refusal)
    with pytest.raises(errors.UnsupportedFormat, match="No pyarrow here"):
        registry.set_holdout("m", file)


def test_a_holdout_file_of_an_unknown_kind_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.csv or \.parquet"):
        registry.set_holdout("m", tmp_path / "holdout.xlsx")
