"""Searches of models and versions find the same on both databases."""

import pytest

from registry.operations.create_model import create_model
from registry.operations.update_version import update_version
from registry.reading.searches import Search, highest_versions, search_models, search_versions
from registry.storage.tables import VersionRow
from registry.tokens import Grant
from tests.factories import add_versions

EVERYTHING = Grant(1, "ann", frozenset({"admin"}), None)


@pytest.fixture
def shop(database):
    add_versions(database, "Boots", ["ready", "archived"])
    add_versions(database, "books", ["ready", "failed"])
    create_model(database, "bags", actor="ann", tags={"a": "X\\_%[y"})
    update_version(database, "books", "1", actor="ann", tags={"k": "v"})
    with database.write() as session:
        session.get(VersionRow, ("books", 2)).run_id = "r1"
        session.get(VersionRow, ("books", 2)).source = "models:/m-1"
    return database


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["bags", "books", "Boots"]),
        ("name LIKE 'b%'", ["bags", "books"]),
        ("name ILIKE 'bO%'", ["books", "Boots"]),
        ("name LIKE '[bB]%'", []),
        ("name != 'bags'", ["books", "Boots"]),
        ("tags.a LIKE 'X\\_\\%'", []),
        ("tags.a LIKE 'X\\__[%'", ["bags"]),
        ("tags.a ILIKE 'x\\%'", ["bags"]),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", ["bags", "books", "Boots"]),
    ],
)
def test_models(shop, text, found):
    with shop.read() as session:
        rows, more = search_models(session, EVERYTHING, Search(filter=text, most=10))

        assert ([row.name for row in rows], more) == (found, False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [("books", 2), ("books", 1), ("Boots", 1)]),
        ("version_number < 99999999999", [("books", 2), ("books", 1), ("Boots", 1)]),
        ("tags.k = 'v'", [("books", 1)]),
        ("run_id IN ('r1', 'r2')", [("books", 2)]),
        ("run_id NOT IN ('r1')", [("books", 1), ("Boots", 1)]),
        ("source_path LIKE 'hotswap:/b%/1'", [("books", 1)]),
        ("source_path = 'models:/m-1'", [("books", 2)]),
    ],
)
def test_versions(shop, text, found):
    search = Search(filter=text, order_by=["name ASC"], most=10)
    with shop.read() as session:
        rows, _ = search_versions(session, EVERYTHING, search)

        assert [(row.model, row.number) for row in rows] == found


def test_pages_and_what_a_grant_covers(shop):
    some = Grant(1, "ann", frozenset(), ("boo*",))
    with shop.read() as session:
        first, more = search_versions(session, some, Search(order_by=["version_number"], most=2))
        rest, none = search_versions(
            session, some, Search(order_by=["version_number"], skipped=2, most=2)
        )

        found = [(row.model, row.number) for row in first + rest]
        assert found == [("books", 1), ("Boots", 1), ("books", 2)]
        assert (more, none) == (True, False)
        numbers = {name: row.number for name, row in highest_versions(session, ["Boots"]).items()}
        assert numbers == {"Boots": 1}
