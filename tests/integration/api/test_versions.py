"""Reading, listing, describing and archiving versions, and their artifacts' bytes."""

import hashlib
from pathlib import Path

import pytest
import skops.io
from sklearn.tree import DecisionTreeRegressor

from registry.engines import chain_program
from tests.integration.api.conftest import check_problem, places


def numbers(answer):
    assert answer.status_code == 200, answer.text
    return [item["version"] for item in answer.json["items"]]


def test_a_version_matches_the_contract(admin, fresh_name, artifacts):
    said = {
        "format": "skops",
        "kind": "linear",
        "metrics": {"rmse": 48211.7, "r2": 1},
        "params": {"note": "mine", "nested": {"deep": [1, None]}},
        "signature": {
            "inputs": [
                {"name": "width", "type": "number", "nullable": False},
                {"name": "depth", "type": "integer", "nullable": False},
            ],
            "output": {"name": "area", "type": "number"},
        },
        "input_example": {"depth": 2, "width": 0.5, "colour": "red"},
        "tags": {"run": "7"},
        "description": "By hand",
        "lineage": {"data_rows": 30, "git_commit": None},
        "environment": {"python": "3.11.7"},
    }

    answer = admin.upload(fresh_name, artifacts["plane"], said)

    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/models/{fresh_name}/1"
    version = admin.get(answer.headers["Location"]).json
    assert version == answer.json
    assert version.pop("created_at").endswith("Z")
    assert version.pop("environment").items() >= {"python": "3.11.7"}.items()
    engine = version.pop("engine")
    assert set(engine) == {"name", "max_abs_diff", "max_rel_diff", "checked_rows", "memory_bytes"}
    assert engine["name"] == ("linear" if chain_program.AVAILABLE else "onnx")
    assert version == {
        "model": fresh_name,
        "version": 1,
        "status": "ready",
        "kind": "linear",
        "task": "regression",
        "aliases": [],
        "description": "By hand",
        "tags": {"run": "7"},
        "metrics": {"rmse": 48211.7, "r2": 1.0},
        "params": said["params"],
        "signature": said["signature"],
        "input_example": {"width": 0.5, "depth": 2},
        "artifact": {
            "format": "skops",
            "sha256": hashlib.sha256(artifacts["plane"]).hexdigest(),
            "size": len(artifacts["plane"]),
        },
        "lineage": said["lineage"],
        "created_by": "admin (HOTSWAP_ADMIN_TOKEN)",
    }


def test_omitted_metadata_is_read_from_the_model(admin, fresh_name, artifacts):
    version = admin.upload(fresh_name, artifacts["iris-names"]).json

    assert (version["kind"], version["task"]) == ("logistic", "classification")
    assert version["params"]["solver"] == "lbfgs"
    assert [column["name"] for column in version["signature"]["inputs"]] == [
        "sepal_l",
        "sepal_w",
        "petal_l",
        "petal_w",
    ]
    assert version["signature"]["output"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert (version["description"], version["tags"], version["metrics"]) == ("", {}, {})
    assert version["input_example"] is None
    assert "scikit-learn" in version["environment"]


@pytest.mark.parametrize(
    ("reference", "number"), [("1", 1), ("latest", 3), ("production", 2), ("champion", 1)]
)
def test_a_version_is_found_by_number_alias_or_latest(admin, uploaded, reference, number):
    name, _ = uploaded
    admin.promote(name, 2)
    admin.promote(name, 1, alias="champion")
    version = admin.get(f"/models/{name}/{reference}").json
    assert version["version"] == number
    assert version["aliases"] == {1: ["champion"], 2: ["production"], 3: []}[number]


@pytest.mark.parametrize(
    "reference", ["0", "4", "99999999999999999999999", "9" * 5000, "staging", "Production"]
)
def test_an_unknown_version_is_404(admin, unchanged, reference):
    name, _ = unchanged
    check_problem(admin.get(f"/models/{name}/{reference}"), 404, "version-not-found")


@pytest.mark.parametrize(
    "reference", ["01", "-1", "1.0", "+1", "Latest", "a b", "%00", "a" * 129, "..", "\u0661"]
)
def test_a_malformed_reference_is_400(admin, unchanged, reference):
    name, _ = unchanged
    check_problem(admin.get(f"/models/{name}/{reference}"), 400, "reference-malformed")


def test_versions_of_an_unknown_model_are_404(admin):
    check_problem(admin.get("/models/nobody/1"), 404, "model-not-found")
    check_problem(admin.get("/models/nobody/versions"), 404, "model-not-found")
    check_problem(admin.get("/models/nobody/history"), 404, "model-not-found")


@pytest.fixture(scope="module")
def measured(service, artifacts):
    """A model with five versions; 1 and 4 lack rmse, 2 is archived."""
    name = "measured"
    for metrics in ({}, {"rmse": 3}, {"rmse": 1}, {"mae": 9}, {"rmse": 2, "mae": 7}):
        answer = service.admin.upload(name, artifacts["line-1"], {"metrics": metrics})
        assert answer.status_code == 201, answer.text
    service.admin.delete(f"/models/{name}/2")
    return name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"sort": "version"}, [1, 2, 3, 4, 5]),
        ({"sort": "-version"}, [5, 4, 3, 2, 1]),
        ({"sort": "created_at"}, [1, 2, 3, 4, 5]),
        ({"sort": "-created_at"}, [5, 4, 3, 2, 1]),
        ({"sort": "-metrics.rmse"}, [2, 5, 3, 4, 1]),
        ({"sort": "metrics.rmse"}, [3, 5, 2, 4, 1]),
        ({"sort": "metrics.nobody"}, [5, 4, 3, 2, 1]),
        ({"status": "ready"}, [5, 4, 3, 1]),
        ({"status": "archived"}, [2]),
        ({"status": "failed"}, []),
        ({"status": "ready", "sort": "metrics.rmse", "page_size": 2}, [3, 5]),
        ({"status": "ready", "sort": "metrics.rmse", "page_size": 2, "page": 2}, [4, 1]),
    ],
)
def test_versions_are_listed_sorted_and_filtered(admin, measured, query, expected):
    answer = admin.get(f"/models/{measured}/versions", query_string=query)
    assert numbers(answer) == expected


@pytest.fixture(scope="module")
def tagged(service, artifacts):
    """A model with a linear version, two trees, of which the first is tagged, and a linear one with
    the tag."""
    name = "tagged"
    tree = skops.io.dumps(DecisionTreeRegressor().fit([[1.0], [2.0]], [1.0, 2.0]))
    files = {"linear": artifacts["line-1"], "tree": tree}
    for kind, rmse, tags in (
        ("linear", 1, {}),
        ("tree", 4, {"team": "a:b"}),
        ("tree", 2, {"team": "a"}),
        ("linear", 3, {"team": "a:b"}),
    ):
        answer = service.admin.upload(name, files[kind], {"metrics": {"rmse": rmse}, "tags": tags})
        assert answer.status_code == 201, answer.text
    return name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "tree"}, [3, 2]),
        ({"tag": "team:a:b"}, [4, 2]),
        ({"tag": "team:"}, []),
        ({"kind": "tree", "sort": "-metrics.rmse"}, [2, 3]),
        ({"tag": "team:a:b", "sort": "metrics.rmse"}, [4, 2]),
        ({"tag": "team:a:b", "kind": "linear", "status": "ready"}, [4]),
    ],
)
def test_versions_are_filtered_by_kind_and_tag(admin, tagged, query, expected):
    answer = admin.get(f"/models/{tagged}/versions", query_string=query)
    assert numbers(answer) == expected
    assert answer.json["total"] == len(expected)


def test_a_page_of_versions_includes_the_total(admin, measured):
    page = admin.get(f"/models/{measured}/versions?status=ready&page_size=3").json
    assert set(page) == {"items", "page", "page_size", "total", "next"}
    assert (page["page"], page["page_size"], page["total"]) == (1, 3, 4)
    assert page["items"][0] == admin.get(f"/models/{measured}/5").json


def test_only_description_and_tags_can_be_changed(admin, uploaded):
    name, _ = uploaded
    before = admin.get(f"/models/{name}/1").json

    changed = admin.patch(f"/models/{name}/1", json={"description": "new", "tags": {"a": "b"}})

    assert changed.status_code == 200
    assert changed.json == {**before, "description": "new", "tags": {"a": "b"}}
    assert admin.get(f"/models/{name}/1").json == changed.json
    refused = admin.patch(f"/models/{name}/1", json={"metrics": {"rmse": 0}, "status": "ready"})
    check_problem(refused, 422, "body-refused")
    assert sorted(places(refused)) == ["metrics", "status"]


def test_an_archived_version_is_readable_but_not_served(admin, uploaded, artifacts):
    name, _ = uploaded
    answer = admin.delete(f"/models/{name}/3")
    assert (answer.status_code, answer.data) == (204, b"")
    assert admin.delete(f"/models/{name}/3").status_code == 204

    assert admin.get(f"/models/{name}/3").json["status"] == "archived"
    assert admin.get(f"/models/{name}/3/artifact").data == artifacts["line-3"]
    assert admin.get(f"/models/{name}/latest").json["version"] == 2
    check_problem(admin.promote(name, 3), 409, "version-not-ready")
    refused = admin.post(f"/models/{name}/3/predict", json={"input": [1]})
    check_problem(refused, 404, "version-not-found")
    assert admin.upload(name, artifacts["line-1"]).json["version"] == 4


def test_a_version_is_not_archived_while_an_alias_points_at_it(admin, uploaded):
    name, _ = uploaded
    admin.promote(name, 2, alias="canary")
    problem = check_problem(admin.delete(f"/models/{name}/2"), 409, "version-has-alias")
    assert "canary" in problem["detail"]
    assert admin.get(f"/models/{name}/2").json["status"] == "ready"

    admin.delete(f"/models/{name}/aliases/canary")
    assert admin.delete(f"/models/{name}/2").status_code == 204


def test_an_artifact_is_downloaded_unchanged_with_its_hash(admin, unchanged, artifacts):
    name, digests = unchanged
    answer = admin.get(f"/models/{name}/2/artifact")

    assert answer.status_code == 200
    assert answer.data == artifacts["line-2"]
    assert answer.headers["ETag"] == f'"{digests[1]}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == str(len(artifacts["line-2"]))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert f"filename={name}-2.skops" in answer.headers["Content-Disposition"]


def test_head_returns_the_headers_of_the_artifact(admin, unchanged, artifacts):
    name, digests = unchanged
    answer = admin.ask("HEAD", f"/models/{name}/2/artifact")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["ETag"] == f'"{digests[1]}"'
    assert answer.headers["Content-Length"] == str(len(artifacts["line-2"]))


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
    ],
)
def test_a_range_of_the_artifact_is_206(admin, unchanged, artifacts, asked, part):
    name, digests = unchanged
    whole = artifacts["line-2"]
    answer = admin.get(f"/models/{name}/2/artifact", headers={"Range": asked})

    first, last, _ = part.indices(len(whole))
    assert answer.status_code == 206
    assert answer.data == whole[first:last]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(whole)}"
    assert answer.headers["Content-Length"] == str(last - first)
    assert answer.headers["ETag"] == f'"{digests[1]}"'


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=100000-100001"])
def test_a_range_beyond_the_end_of_the_artifact_is_416(admin, unchanged, artifacts, asked):
    name, _ = unchanged
    answer = admin.get(f"/models/{name}/2/artifact", headers={"Range": asked})
    check_problem(answer, 416, "requested-range-not-satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(artifacts['line-2'])}"


def test_if_range_with_another_hash_returns_the_whole_artifact(admin, unchanged, artifacts):
    name, digests = unchanged
    path = f"/models/{name}/2/artifact"
    other = {"Range": "bytes=0-9", "If-Range": f'"{digests[0]}"'}
    same = {"Range": "bytes=0-9", "If-Range": f'"{digests[1]}"'}
    assert admin.get(path, headers=other).data == artifacts["line-2"]
    assert admin.get(path, headers=same).data == artifacts["line-2"][:10]


def test_a_failed_if_match_is_412_without_bytes(admin, unchanged):
    name, digests = unchanged
    path = f"/models/{name}/2/artifact"
    answer = admin.get(path, headers={"If-Match": f'"{digests[0]}"'})

    assert answer.status_code == 412
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == 412
    assert admin.get(path, headers={"If-Match": f'"{digests[1]}"'}).status_code == 200


def test_a_matching_if_none_match_is_304(admin, unchanged, artifacts):
    name, digests = unchanged
    path = f"/models/{name}/2/artifact"
    answer = admin.get(path, headers={"If-None-Match": f'"{digests[1]}"'})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == f'"{digests[1]}"'
    changed = admin.get(path, headers={"If-None-Match": f'"{digests[0]}"'})
    assert (changed.status_code, changed.data) == (200, artifacts["line-2"])


def test_damaged_bytes_are_never_sent_and_the_same_upload_repairs_them(make_app, artifacts):
    service = make_app()
    version = service.admin.upload("m", artifacts["line-1"]).json
    assert version["artifact"]["sha256"] in {Path(name).name for name in service.stored()}
    for name in service.stored():  # the file itself, and what was compiled from it
        stored = service.data / "blobs" / name
        stored.write_bytes(b"X" + stored.read_bytes()[1:])

    answer = service.admin.get("/models/m/1/artifact")
    check_problem(answer, 503, "blob-damaged")
    assert int(answer.headers["Retry-After"]) > 0
    check_problem(service.admin.get("/models/m/1/artifact"), 503, "blob-missing")
    check_problem(
        service.admin.post("/models/m/1/predict", json={"input": [1]}), 503, "blob-damaged"
    )
    check_problem(service.admin.promote("m", 1), 409, "version-not-loadable")
    assert service.admin.get("/models/m").json["aliases"] == {}

    assert service.admin.upload("m", artifacts["line-1"]).json["version"] == 2
    assert service.admin.get("/models/m/1/artifact").data == artifacts["line-1"]


def test_the_uploaded_evaluation_can_be_read(admin, fresh_name, artifacts):
    evaluation = {"baseline": {"rmse": 9.5}, "curve": [[0, 0.5], [1, 1]]}
    admin.upload(fresh_name, artifacts["line-1"], {"evaluation": evaluation})
    answer = admin.get(f"/models/{fresh_name}/1/evaluation")
    assert (answer.status_code, answer.json) == (200, {"profile": None, **evaluation})


def test_a_profile_is_checked_and_kept_as_it_was_uploaded(admin, fresh_name, artifacts):
    column = {"edges": [1.5], "counts": [2, 2], "missing": 0, "min": 1, "max": 2}
    output = {"edges": [], "counts": [3], "sd": 0.0, "source": "held-out"}
    profile = {"rows": 4, "source": "training", "columns": {"x0": column}, "output": output}
    admin.upload(fresh_name, artifacts["line-1"], {"evaluation": {"profile": profile}})
    assert admin.get(f"/models/{fresh_name}/1/evaluation").json["profile"] == profile

    profile["columns"]["x0"]["counts"] = [2, 9]
    refused = admin.upload(fresh_name, artifacts["line-1"], {"evaluation": {"profile": profile}})
    problem = check_problem(refused, 422, "metadata-refused")
    assert "add up to 11, not to the profile's 4 rows" in problem["detail"]
    assert admin.get(f"/models/{fresh_name}/2").status_code == 404


def test_a_list_of_versions_has_intervals_and_baselines_on_request(admin, fresh_name, artifacts):
    evaluation = {"metric_intervals": {"rmse": [8, 12.5]}, "baseline": {"rmse": 30.0}}
    admin.upload(fresh_name, artifacts["line-1"], {"evaluation": evaluation})
    admin.upload(fresh_name, artifacts["line-2"], {"evaluation": {"baseline": "none"}})
    path = f"/models/{fresh_name}/versions"

    newest, first = admin.get(f"{path}?include=intervals").json["items"]
    plain = admin.get(path).json["items"]

    assert (first["metric_intervals"], first["baseline"]) == ({"rmse": [8, 12.5]}, {"rmse": 30.0})
    assert (newest["metric_intervals"], newest["baseline"]) == ({}, {})
    assert [{**one, "metric_intervals": {}, "baseline": {}} for one in plain] == [
        {**one, "metric_intervals": {}, "baseline": {}} for one in (newest, first)
    ]
    assert "metric_intervals" not in plain[1]
    check_problem(admin.get(f"{path}?include=all"), 400, "parameter-malformed")
