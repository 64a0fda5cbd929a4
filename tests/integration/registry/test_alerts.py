"""Alerts: opened and closed once each, with an event."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.errors import AlertNotFound, ModelNotFound
from registry.operations.archive_model import archive_model
from registry.operations.close_alert import close_alert
from registry.operations.open_alert import open_alert
from registry.operations.see_alert import see_alert
from registry.reading.alerts import AlertFilter, alerts_of, list_alerts, open_alerts
from registry.reading.pages import Paging
from registry.reading.queries import list_history
from registry.storage.history import verify
from registry.tokens import Grant
from tests.factories import add_versions

ANN = Grant(1, "ann", frozenset({"promote"}), None)
OF_SHED = Grant(2, "shed-ci", frozenset({"promote"}), ("shed*",))


@pytest.fixture
def house(database):
    add_versions(database, "house", ["ready"] * 2)
    add_versions(database, "shed", ["ready"])
    return database


def found(database, grant=ANN, **wanted):
    with database.read() as session:
        return list_alerts(session, grant, AlertFilter(**wanted), Paging())["items"]


def opened(database, subject="production", model="house", kind="held"):
    with database.write() as session:
        return open_alert(
            session,
            kind,
            subject,
            "Version 2 waits at 5 %.",
            actor="keeper",
            model=model,
            alias="production",
            version=2,
            evidence={"requests": 12},
        )


def closed(database, subject="production", model="house", kind="held"):
    with database.write() as session:
        return close_alert(
            session, kind, subject, actor="keeper", reason="It goes on.", model=model
        )


def events(database, model="house"):
    with database.read() as session:
        verify(session)
        return list_history(session, model, Paging())["items"]


def test_an_alert_says_what_was_found_and_is_an_event(house):
    assert opened(house) is True

    (alert,) = found(house)
    assert {key: alert[key] for key in ("kind", "model", "alias", "version", "subject")} == {
        "kind": "held",
        "model": "house",
        "alias": "production",
        "version": 2,
        "subject": "production",
    }
    assert alert["message"] == "Version 2 waits at 5 %."
    assert alert["evidence"] == {"requests": 12}
    assert alert["closed_at"] is alert["seen_at"] is alert["seen_by"] is None
    (event,) = events(house)
    assert (event["type"], event["actor"], event["alias"]) == (
        "alert_opened",
        "keeper",
        "production",
    )
    assert event["reason"] == "Version 2 waits at 5 %."
    assert event["details"] == {
        "alert": alert["id"],
        "kind": "held",
        "subject": "production",
        "version": 2,
        "evidence": {"requests": 12},
    }
    assert event["to_version"] is None, "no alias has moved"


def test_an_open_alert_is_not_opened_again(house):
    assert opened(house) is True
    assert opened(house) is False

    assert len(found(house)) == len(events(house)) == 1


@pytest.mark.parametrize(
    "other", [{"subject": "canary"}, {"model": "shed"}, {"model": None}, {"kind": "guard"}]
)
def test_alerts_of_another_subject_model_or_kind_are_others(house, other):
    assert opened(house) is True
    assert opened(house, **other) is True
    assert opened(house, **other) is False

    assert closed(house, **other) is True
    assert [alert["model"] for alert in found(house, is_open=True)] == ["house"]


def test_a_closed_alert_stays_in_the_list_and_may_be_opened_again(house):
    opened(house)

    assert closed(house) is True
    assert closed(house) is False
    assert opened(house) is True

    assert [alert["closed_at"] is None for alert in found(house)] == [True, False]
    assert [alert["id"] for alert in found(house, is_open=False)] == [1]
    assert [event["type"] for event in events(house)] == [
        "alert_opened",
        "alert_closed",
        "alert_opened",
    ]
    assert events(house)[1]["reason"] == "It goes on."


def test_what_is_rolled_back_leaves_neither_an_alert_nor_an_event(house):
    def fail():
        with house.write() as session:
            open_alert(session, "held", "production", "It waits.", actor="keeper", model="house")
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        fail()

    assert found(house) == events(house) == []


@pytest.mark.parametrize("model", ["house", None])
def test_of_many_that_open_an_alert_at_once_one_does(house, model):
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda _: opened(house, model=model), range(6)))

    assert sorted(outcomes) == [False] * 5 + [True]
    assert len(found(house)) == 1


def test_of_many_that_close_an_alert_at_once_one_does(house):
    opened(house)

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda _: closed(house), range(6)))

    assert sorted(outcomes) == [False] * 5 + [True]
    assert len(events(house)) == 2


def test_the_first_who_sees_an_alert_is_noted_and_it_stays_open(house):
    opened(house)

    seen = see_alert(house, 1, ANN)
    again = see_alert(house, 1, Grant(3, "bob", frozenset({"promote"}), None))

    assert seen["seen_by"] == "ann"
    assert seen["seen_at"] is not None
    assert again == seen == found(house, is_open=True)[0]


def test_a_limited_token_has_the_alerts_of_its_models(house):
    opened(house)
    opened(house, model="shed")
    opened(house, model=None, kind="watch", subject="host-1")

    assert [alert["model"] for alert in found(house)] == [None, "shed", "house"]
    assert [alert["model"] for alert in found(house, OF_SHED)] == ["shed"]
    assert see_alert(house, 2, OF_SHED)["seen_by"] == "shed-ci"
    for hidden in (1, 3, 99):
        with pytest.raises(AlertNotFound):
            see_alert(house, hidden, OF_SHED)
    assert [alert["seen_by"] for alert in found(house)] == [None, "shed-ci", None]


def test_the_alerts_of_a_model_can_be_listed_by_kind(house):
    opened(house)
    opened(house, kind="guard", subject="faults <= 1%")
    opened(house, model="shed")

    with house.read() as session:
        page = alerts_of(session, ANN, "house", AlertFilter(kind="guard"), Paging())
        with pytest.raises(ModelNotFound):
            alerts_of(session, ANN, "barn", AlertFilter(), Paging())
    assert [alert["subject"] for alert in page["items"]] == ["faults <= 1%"]


def test_open_alerts_are_counted_by_model_and_kind(house):
    opened(house)
    opened(house, subject="canary")
    opened(house, model=None, kind="watch", subject="host-1")
    opened(house, model="shed")
    closed(house, model="shed")

    with house.read() as session:
        assert open_alerts(session) == {("house", "held"): 2, ("", "watch"): 1}


def test_archiving_a_model_closes_its_alerts(house):
    opened(house)
    opened(house, kind="guard")
    opened(house, model="shed")

    archive_model(house, "house", actor="ann")

    assert [alert["model"] for alert in found(house, is_open=True)] == ["shed"]
    kinds = [event["type"] for event in events(house)]
    assert kinds == ["model_archived", *["alert_closed"] * 2, *["alert_opened"] * 2]
    assert events(house)[1]["reason"] == "The model was archived."
