"""Paging through lists: by number, and by cursor during writes."""

import sys
import threading
from urllib.parse import urlencode

import pytest

from registry.storage.history import record
from tests.integration.api.conftest import check_problem, new_name
from tests.marks import each_once


def read_all(caller, path, page_size=7, **query):
    """Every item, by following ``next``, and how many pages there were."""
    items, pages, asked = [], 0, {**query, "page_size": page_size}
    while True:
        answer = caller.get(f"{path}?{urlencode(asked)}")
        assert answer.status_code == 200, answer.text
        page = answer.json
        items += page["items"]
        pages += 1
        if "next" not in page:
            return items, pages
        assert len(page["items"]) == page_size
        asked["after"] = page["next"]


def note(service, name):
    with service.services.database.write() as session:
        record(session, "promoted", actor="ann", model=name, alias="production", to_version=1)


@pytest.fixture(scope="module")
def metrics(service, artifacts):
    """Seven versions: equal figures, different ones, and two without the metric."""
    return upload_metrics(service.admin, new_name(), artifacts)


def upload_metrics(admin, name, artifacts):
    for rmse in (2.0, None, 1.0, 2.0, 3.0, None, 2.0):
        said = {} if rmse is None else {"metrics": {"rmse": rmse}}
        answer = admin.upload(name, artifacts["line-1"], said)
        assert answer.status_code == 201, answer.text
    return name


def test_paging_through_a_history_during_writes_returns_every_event_once(service, admin, uploaded):
    name, _ = uploaded
    for _ in range(60):
        note(service, name)
    before = {event["seq"] for event in read_all(admin, f"/models/{name}/history", 200)[0]}
    done = threading.Event()

    def write():
        while not done.is_set():
            note(service, name)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        events, pages = read_all(admin, f"/models/{name}/history")
    finally:
        done.set()
        writer.join()

    numbers = [event["seq"] for event in events]
    assert pages >= 9
    assert numbers == sorted(set(numbers), reverse=True)
    assert before <= set(numbers)


ORDERS = {
    None: [7, 6, 5, 4, 3, 2, 1],
    "version": [1, 2, 3, 4, 5, 6, 7],
    "-created_at": [7, 6, 5, 4, 3, 2, 1],
    "metrics.rmse": [3, 7, 4, 1, 5, 6, 2],
    "-metrics.rmse": [5, 7, 4, 1, 3, 6, 2],
    "metrics.unknown": [7, 6, 5, 4, 3, 2, 1],
}


@pytest.mark.parametrize(("sort", "size"), each_once(ORDERS, [1, 2, 3, 5, 7, 8]))
def test_cursors_and_page_numbers_list_versions_in_the_same_order(admin, metrics, sort, size):
    query, expected = {} if sort is None else {"sort": sort}, ORDERS[sort]
    path = f"/models/{metrics}/versions"
    by_page = []
    for page in range(1, 9):
        asked = urlencode({**query, "page": page, "page_size": size})
        answer = admin.get(f"{path}?{asked}").json
        by_page += [each["version"] for each in answer["items"]]
        assert (answer["page"], answer["total"]) == (page, 7)
        assert ("next" in answer) == (page * size < 7)

    by_cursor, _ = read_all(admin, path, size, **query)

    assert [each["version"] for each in by_cursor] == expected
    assert by_page == expected


def test_versions_of_one_status_can_be_listed_by_cursor(admin, fresh_name, artifacts):
    upload_metrics(admin, fresh_name, artifacts)
    for number in (2, 5):
        admin.delete(f"/models/{fresh_name}/{number}")
    path = f"/models/{fresh_name}/versions"

    for query, expected in (
        ({"status": "archived"}, [5, 2]),
        ({"status": "ready", "sort": "metrics.rmse"}, [3, 7, 4, 1, 6]),
    ):
        found, _ = read_all(admin, path, 1, **query)
        assert [each["version"] for each in found] == expected


def test_models_and_tokens_can_be_listed_by_cursor(service, admin, fresh_name):
    for letter in "cAbD":
        admin.post("/models", json={"name": f"{fresh_name}-{letter}"})
        service.caller("predict")

    models, _ = read_all(admin, "/models", 1, q=fresh_name)
    tokens, _ = read_all(admin, "/tokens", 2)

    assert [model["name"][-1] for model in models] == ["A", "b", "c", "D"]
    ids = [token["id"] for token in tokens]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == admin.get("/tokens").json["total"]


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=-1", "after=%D9%A1", "after=3&page=2", "after=99&sort=metrics.rmse"],
)
def test_a_malformed_cursor_is_refused(admin, unchanged, query):
    name, _ = unchanged
    answer = admin.get(f"/models/{name}/versions?{query}")
    assert "after" in check_problem(answer, 400, "parameter-malformed")["detail"]


def test_a_cursor_beyond_the_largest_number_gives_an_empty_or_complete_list(admin, unchanged):
    name, _ = unchanged
    path = f"/models/{name}/versions"

    assert len(admin.get(f"{path}?after={'9' * 19}").json["items"]) == 3
    assert admin.get(f"{path}?after=1").json["items"] == []
    by_metric = admin.get(f"{path}?sort=metrics.rmse&after={'9' * 19}")
    check_problem(by_metric, 400, "parameter-malformed")


def test_listed_versions_are_not_copied_field_by_field(admin, unchanged):
    name, _ = unchanged

    def calls(page_size):
        count = 0

        def counting(_frame, event, _):
            nonlocal count
            count += event == "call"

        path = f"/models/{name}/versions?page_size={page_size}"
        admin.get(path)  # what is done for the first time fills caches
        sys.setprofile(counting)
        try:
            answer = admin.get(path)
        finally:
            sys.setprofile(None)
        assert len(answer.json["items"]) == page_size
        return count

    assert (calls(3) - calls(1)) / 2 < 200
