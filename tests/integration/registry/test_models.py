"""Making models, changing what may change, and finding them again."""

from datetime import UTC, datetime, timedelta

import pytest

from registry.errors import ModelArchived, NameTaken, ParameterMalformed
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.create_model import create_model
from registry.operations.update_model import update_model
from registry.operations.update_version import update_version
from registry.reading.pages import Paging
from registry.reading.queries import find_usable_version, list_history, list_models, list_versions
from registry.storage.tables import AliasRow, MetricRow, ModelRow, VersionRow
from registry.tokens import Grant
from tests.factories import add_versions

EVERYTHING = Grant(1, "ann", frozenset({"admin"}), None)


def types(database, model="house"):
    with database.read() as session:
        return [event["type"] for event in list_history(session, model, Paging())["items"]]


def test_names_of_models_are_unique_regardless_of_case(database):
    view = create_model(database, "house", actor="ann", description="d", tags={"b": "2", "a": "1"})

    assert (view["name"], view["tags"], view["last_version"]) == (
        "house",
        {"a": "1", "b": "2"},
        None,
    )
    for name in ("house", "HOUSE"):
        with pytest.raises(NameTaken, match="'house'"):
            create_model(database, name, actor="bob")


@pytest.mark.parametrize("what", ["model", "version"])
def test_an_update_replaces_the_given_fields_and_keeps_the_others(database, what):
    add_versions(database, "house")

    def update(**changes):
        if what == "model":
            return update_model(database, "house", actor="ann", **changes)
        return update_version(database, "house", "1", actor="ann", **changes)

    update(description="d", tags={"a": "1", "b": "2"})
    view = update(tags={"b": "3", "c": "4"})

    assert (view["description"], view["tags"]) == ("d", {"b": "3", "c": "4"})
    assert types(database) == [f"{what}_updated"] * 2
    update(tags={"c": "4", "b": "3"}, description="d")
    update()
    assert types(database) == [f"{what}_updated"] * 2
    assert update(tags={})["tags"] == {}
    assert types(database) == [f"{what}_updated"] * 3


def test_an_archived_model_cannot_be_changed(database):
    add_versions(database, "house")
    archive_model(database, "house", actor="ann")

    with pytest.raises(ModelArchived):
        update_model(database, "house", actor="ann", description="d")


def test_models_are_listed_by_name_and_tag_in_pages(database):
    for name in ("b_1", "B-2", "bx1", "zoo"):
        create_model(database, name, actor="ann", tags={"team": name[0].lower()})

    def names(**asked):
        with database.read() as session:
            page = list_models(session, EVERYTHING, asked.pop("paging", Paging()), **asked)
        return [view["name"] for view in page["items"]], page["total"]

    assert names() == (["B-2", "b_1", "bx1", "zoo"], 4)
    assert names(text="B_1") == (["b_1"], 1)
    assert names(text="%") == ([], 0)
    assert names(tag="team:z") == (["zoo"], 1)
    assert names(paging=Paging(2, 3)) == (["zoo"], 4)
    assert names(paging=Paging(9, 3)) == ([], 4)


def test_versions_are_sorted_by_a_metric_with_those_without_it_last(database):
    add_versions(database, "house", ["ready", "ready", "failed", "ready"])
    with database.write() as session:
        for number, value in ((1, 5.0), (2, 3.0), (4, 4.0)):
            session.add(MetricRow(model="house", number=number, name="rmse", value=value))

    def numbers(**asked):
        with database.read() as session:
            page = list_versions(session, "house", Paging(), **asked)
        return [view["version"] for view in page["items"]]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(sort="metrics.rmse") == [2, 4, 1, 3]
    assert numbers(sort="-metrics.rmse") == [1, 4, 2, 3]
    assert numbers(sort="version") == [1, 2, 3, 4]
    assert numbers(status="failed") == [3]
    for sort in ("", "metrics.", "name", "--version"):
        if sort:
            with pytest.raises(ParameterMalformed):
                numbers(sort=sort)


def test_latest_is_the_highest_ready_version(database):
    add_versions(database, "house", ["ready", "ready", "failed", "archived"])
    with database.write() as session:
        session.add(AliasRow(model="house", name="blue", number=1))

    with database.read() as session:
        assert find_usable_version(session, "house", "latest").number == 2
        assert find_usable_version(session, "house", "blue").number == 1


def changed_at(database, row, *key):
    with database.read() as session:
        return session.get(row, key).updated_at


def test_a_description_changes_the_time_of_the_last_change_and_tags_do_not(database):
    add_versions(database, "house")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with database.write() as session:
        session.get(ModelRow, "house").updated_at = long_ago
        session.get(VersionRow, ("house", 1)).updated_at = long_ago

    update_model(database, "house", actor="ann", description="", tags={"a": "1"})
    update_version(database, "house", "1", actor="ann", description="", tags={"a": "1"})
    assert changed_at(database, ModelRow, "house") == long_ago
    assert changed_at(database, VersionRow, "house", 1) == long_ago

    update_version(database, "house", "1", actor="ann", description="d")
    assert changed_at(database, VersionRow, "house", 1) > long_ago
    assert changed_at(database, ModelRow, "house") == long_ago
    update_model(database, "house", actor="ann", description="d")
    assert changed_at(database, ModelRow, "house") > long_ago


def test_an_archived_version_changes_its_model(database):
    add_versions(database, "house")
    before = changed_at(database, ModelRow, "house")
    with database.write() as session:
        session.get(ModelRow, "house").updated_at = before - timedelta(days=1)

    archive_version(database, "house", "1", actor="ann")

    assert changed_at(database, ModelRow, "house") >= before
