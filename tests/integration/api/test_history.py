"""The history of all models and tokens."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from registry.storage.tables import HistoryCheckRow
from tests.integration.api.conftest import AppMaker, Caller, Service, check_problem


@pytest.fixture(scope="module")
def watched(module_app: AppMaker) -> Service:
    """A service with the models a, b and other, described twice each, and a token for a and b."""
    service = module_app()
    for name in ("a", "b", "other"):
        service.admin.post("/models", json={"name": name})
        service.admin.patch(f"/models/{name}", json={"description": "changed"})
    service.caller("upload", name="ann").patch("/models/a", json={"description": "by ann"})
    return service


def found(caller: Caller, **query: object) -> list[tuple[str | None, str]]:
    """The model and type of each event, newest first."""
    answer = caller.get("/history", query_string=query)
    assert answer.status_code == 200, answer.text
    return [(event["model"], event["type"]) for event in answer.json["items"]]


def test_the_history_has_the_events_of_all_models_and_tokens(watched: Service) -> None:
    assert found(watched.admin) == [
        ("a", "model_updated"),
        (None, "token_created"),
        ("other", "model_updated"),
        ("other", "model_created"),
        ("b", "model_updated"),
        ("b", "model_created"),
        ("a", "model_updated"),
        ("a", "model_created"),
        (None, "token_created"),
    ]


@pytest.mark.parametrize("scopes", [("predict",), ("upload", "promote")])
def test_events_of_tokens_are_for_admins(watched: Service, scopes: tuple[str, ...]) -> None:
    events = found(watched.caller(*scopes))
    assert len(events) == 7
    assert None not in {model for model, _ in events}


@pytest.mark.parametrize("scope", ["predict", "admin"])
def test_a_token_sees_the_models_that_it_covers(watched: Service, scope: str) -> None:
    limited = watched.caller(scope, models=["?"])
    assert {model for model, _ in found(limited)} == {"a", "b"}
    assert found(limited, model="other") == []


def test_events_are_selected(watched: Service) -> None:
    admin = watched.admin
    assert found(admin, model="b") == [("b", "model_updated"), ("b", "model_created")]
    assert found(admin, actor="ann") == [("a", "model_updated")]
    assert found(admin, type="model_created", model="a") == [("a", "model_created")]
    assert found(admin, alias="production") == []


def test_events_are_selected_by_time(watched: Service) -> None:
    admin = watched.admin
    times = [
        event["at"] for event in admin.get("/history", query_string={"model": "b"}).json["items"]
    ]
    created = times[-1]
    assert ("b", "model_created") in found(admin, **{"from": created})
    assert ("b", "model_created") not in found(admin, to=created)
    assert found(admin, **{"from": "2100-01-01T00:00:00Z"}) == []
    assert found(admin, to="2001-01-01T00:00:00+02:00") == []


def test_pages_follow_each_other_by_the_number_of_an_event(watched: Service) -> None:
    def pages() -> Iterator[list[int]]:
        query: dict[str, object] = {"page_size": 2, "model": "a"}
        while True:
            page = watched.admin.get("/history", query_string=query).json
            yield [event["seq"] for event in page["items"]]
            if page["next"] is None:
                return
            query["before"] = page["next"]

    first, second = pages()
    assert (len(first), len(second)) == (2, 1)
    assert first[0] > first[1] > second[0]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"type": "renamed"}, "type"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-01T00:00:00"}, "from"),
        ({"to": "0001-01-01T00:00:00+14:00"}, "to"),
        ({"before": "0"}, "before"),
        ({"before": "9" * 20}, "before"),
        ({"page_size": "201"}, "page_size"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(
    watched: Service, query: dict[str, str], named: str
) -> None:
    problem = check_problem(
        watched.admin.get("/history", query_string=query), 400, "parameter-malformed"
    )
    assert named in problem["detail"]


def test_the_history_requires_a_token(watched: Service) -> None:
    check_problem(watched.stranger().get("/history"), 401, "unauthenticated")


def test_the_history_is_verified_and_the_outcome_kept(make_app: AppMaker) -> None:
    admin = make_app().admin
    head = admin.get("/history/head").json
    assert (head["seq"], head["verified_seq"], head["verified_at"]) == (1, None, None)
    checked = admin.post("/history/verify").json
    assert (checked["hash"], checked["verified_seq"], checked["broken_seq"]) == (
        head["hash"],
        1,
        None,
    )
    assert checked["fully_verified_at"] == checked["verified_at"]
    admin.post("/models", json={"name": "m"})
    later = admin.get("/history/head").json
    assert (later["seq"], later["verified_seq"]) == (2, 1)
    assert later["verified_at"] == checked["verified_at"]


def test_one_worker_of_a_server_verifies_the_history_by_itself(
    make_app: AppMaker, tmp_path: Path
) -> None:
    first, second = (make_app(data=tmp_path / "shared") for _ in range(2))
    assert any(thread.name == "housekeeping" for thread in threading.enumerate())

    first.services.housekeeping.look()
    head = second.admin.get("/history/head").json
    assert (head["verified_seq"], head["seq"]) == (1, 1)

    with first.services.database.write() as session:
        session.execute(delete(HistoryCheckRow))
    second.services.housekeeping.look()
    assert second.admin.get("/history/head").json["verified_at"] is None


def test_a_broken_history_is_a_conflict_that_names_the_first_bad_event(make_app: AppMaker) -> None:
    service = make_app()
    for name in ("a", "b", "c"):
        service.admin.post("/models", json={"name": name})
    with service.services.database.write() as session:
        session.execute(text("UPDATE history SET actor = 'eve' WHERE seq = 3"))
    problem = check_problem(service.admin.post("/history/verify"), 409, "history-broken")
    assert problem["seq"] == 3
    head = service.admin.get("/history/head").json
    assert (head["seq"], head["verified_seq"], head["broken_seq"]) == (4, 2, 3)
