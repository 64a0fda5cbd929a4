"""How a worker prepares the service, and tells the main process."""

from collections.abc import Callable
from multiprocessing import Pipe
from threading import Thread

import pytest

from cli.exits import SAID_NO, WRONG_USAGE, CommandFailed
from cli.preparation import AdminToken, Preparation, prepared_by
from config import Settings
from registry.operations.ensure_admin import admin_token_in
from registry.storage.database import Database
from tests.preparing import prepared


def runs() -> bool:
    return False


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """The data directory of the environment's settings; it does not exist yet."""
    data = tmp_path / "data"
    monkeypatch.setenv("HOTSWAP_DATA", str(data))
    return data


@pytest.fixture
def prepare(configured) -> Callable[..., AdminToken | None]:
    """Prepares the service of the environment."""
    return lambda *hold, **more: prepared(Settings.from_environment(), *hold, **more)


def test_the_first_start_reports_the_admin_token_that_it_made(prepare, configured) -> None:
    token = prepare()

    file = configured / "admin.token"
    assert token.made == file.read_text().strip()
    assert token.first == 1
    database = Database(f"sqlite:///{configured / 'registry.db'}")
    assert token.filed == token.usable == admin_token_in(database, file)
    database.dispose()


def test_later_starts_report_no_value(prepare) -> None:
    first = prepare()

    assert prepare() == first._replace(made=None)


def test_a_configured_token_is_usable_and_never_shown(prepare, monkeypatch) -> None:
    monkeypatch.setenv("HOTSWAP_ADMIN_TOKEN", "a-configured-token-0123456789abcdef")

    token = prepare()

    assert (token.made, token.filed) == (None, None)
    assert token.usable is not None


def test_the_directory_is_held_before_there_is_a_database(prepare, configured) -> None:
    before: list[bool] = []

    prepare(lambda: before.append((configured / "registry.db").exists()))

    assert before == [False]
    assert (configured / "registry.db").exists()


def test_there_is_no_database_where_another_service_holds_it(prepare, configured) -> None:
    def hold() -> None:
        raise CommandFailed("It is in use.", SAID_NO)

    with pytest.raises(CommandFailed, match="in use"):
        prepare(hold)

    assert not (configured / "registry.db").exists()


def test_a_directory_that_a_predecessor_holds_is_not_held_again(prepare) -> None:
    token = prepare()
    held: list[None] = []

    assert prepare(lambda: held.append(None), keeps_schema=True) == token._replace(made=None)
    assert not held


def test_a_successor_does_not_migrate_the_database(prepare, configured) -> None:
    configured.mkdir()

    with pytest.raises(CommandFailed, match="which the running service does not support") as failed:
        prepare(keeps_schema=True)

    assert failed.value.advice


@pytest.mark.parametrize("url", ["mysql://registry@db/registry", "what is this"])
def test_an_address_that_is_not_of_a_database_is_refused(prepare, monkeypatch, url) -> None:
    monkeypatch.setenv("HOTSWAP_DATABASE_URL", url)

    with pytest.raises(CommandFailed, match=r"mysql|Could not parse .* URL") as failed:
        prepare()

    assert failed.value.exit_code == SAID_NO


def test_a_directory_that_cannot_be_read_is_named_with_what_to_do(prepare, configured) -> None:
    configured.write_text("a file")

    with pytest.raises(CommandFailed, match=r"cannot be used|Not a directory") as failed:
        prepare()

    assert failed.value.exit_code in {SAID_NO, WRONG_USAGE}
    assert configured.read_text() == "a file"


def test_a_service_that_is_stopped_meanwhile_has_no_token() -> None:
    ours, _theirs = Pipe()

    assert prepared_by(ours, lambda: None, lambda: True) is None


def test_a_worker_in_the_place_of_one_that_died_prepares_again() -> None:
    """The first one died when it had asked for the hold."""
    preparation, token = Preparation(keeps_schema=False), AdminToken(None, None, None, None)
    main = preparation.part_of(0).main
    held: list[None] = []
    assert main is not None

    main.send("suitable")
    main.send("suitable")
    main.send(token)

    assert prepared_by(preparation.worker, lambda: held.append(None), runs) == token
    assert len(held) == 2


def test_a_worker_in_the_place_of_one_that_died_when_it_had_prepared_only_serves(
    configured,
) -> None:
    preparation, token = Preparation(keeps_schema=False), AdminToken(None, None, None, None)
    died, next_one = preparation.part_of(0), preparation.part_of(0)
    assert died.main is not None
    died.main.send(token)
    assert prepared_by(preparation.worker, lambda: None, runs) == token
    preparation.finish()

    next_one.take()

    assert not (configured / "registry.db").exists()


def test_the_first_worker_prepares_and_the_others_wait_for_it() -> None:
    preparation = Preparation(keeps_schema=False)

    first, second = preparation.part_of(0), preparation.part_of(1)

    assert first.main is not None
    assert second.main is None
    assert not second.finished.poll()
    preparation.finish()
    assert first.finished.poll()
    assert second.finished.poll()


def test_workers_that_start_later_neither_prepare_nor_wait() -> None:
    preparation = Preparation(keeps_schema=False)
    preparation.finish()

    part = preparation.part_of(0)

    assert part.main is None
    part.take()


def test_a_worker_takes_its_part_before_it_serves(configured) -> None:
    preparation = Preparation(keeps_schema=False)
    worker = Thread(target=preparation.part_of(0).take, daemon=True)
    worker.start()

    assert prepared_by(preparation.worker, lambda: None, runs) is not None

    assert worker.is_alive(), "it waits until the main process lets all of them serve"
    preparation.finish()
    worker.join(10)
    assert not worker.is_alive()
