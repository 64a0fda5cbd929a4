"""What a worker and a write cost does not grow with the registry.

Costs are counted: statements sent to the database, and instructions that SQLite carried out.
"""

import threading
import time
from functools import partial

import pytest
from sqlalchemy import event

from registry.live.counter import Counter
from registry.live.pool import Pool
from registry.live.snapshot import served_version
from registry.live.watch import Watch
from registry.operations.create_token import create_token
from registry.operations.promote import PromotionRequest, promote
from registry.operations.rollback import rollback
from registry.reading.queries import find_usable_version
from registry.storage.database import Database
from registry.storage.tables import AliasRow
from tests.factories import add_versions, ungated
from tests.fakes import Constant, Preparer

_STEP = 10
"""SQLite instructions between two calls of a progress handler."""


class Costs:
    """Counts what is sent to a database of its own, and what SQLite does for it."""

    def __init__(self, url):
        self.statements = self.instructions = self.while_writing = 0
        self.written = []
        self._began = None
        self.database = Database(url)
        event.listen(self.database.engine, "before_cursor_execute", self._sent)
        event.listen(self.database.engine, "connect", self._connected)
        event.listen(self.database.engine, "commit", self._committed)

    def of(self, action):
        """Statements and instructions of one call."""
        before = self.statements, self.instructions
        action()
        return self.statements - before[0], self.instructions - before[1]

    def _sent(self, _connection, _cursor, statement, parameters, *_):
        self.statements += 1
        if statement == "BEGIN IMMEDIATE":
            self._began = self.instructions
        elif self._began is not None:
            self.written.append((statement, str(parameters)))

    def _committed(self, _):
        if self._began is not None:
            self.while_writing += self.instructions - self._began
            self._began = None

    def _connected(self, connection, _):
        connection.set_progress_handler(self._worked, _STEP)

    def _worked(self):
        self.instructions += _STEP


class Worker:
    """A worker's serving state, and what its reads of the database cost."""

    def __init__(self, url, folder):
        self.costs = Costs(url)
        self.database = self.costs.database
        self.counter = Counter(folder / "counter")
        self.database.committed = self.counter.bump
        self.pool = Pool(lambda version: Constant(), limit=2**30)
        self.watch = Watch(self.database, self.counter, self.pool, find_usable)

    def load_all(self):
        """Load what is live, as a start does, without the poll."""
        self.watch.snapshot()
        deadline = time.monotonic() + 30
        while self.watch.missing():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def close(self):
        self.counter.close()
        self.database.dispose()


def find_usable(session, model, reference):
    return served_version(find_usable_version(session, model, reference))


@pytest.fixture
def worker_of(sqlite_template, tmp_path):
    """Makes a worker of a registry of so many models, each with as many versions and an alias."""
    made = []

    def make(models, versions):
        folder = tmp_path / f"{models}-{versions}"
        folder.mkdir()
        file = folder / "registry.db"
        file.write_bytes(sqlite_template.read_bytes())
        worker = Worker(f"sqlite:///{file}", folder)
        made.append(worker)
        for number in range(models):
            add_versions(worker.database, f"model-{number}", ["ready"] * versions)
        with worker.database.write() as session:
            for number in range(models):
                session.add(AliasRow(model=f"model-{number}", name="production", number=1))
        return worker

    before = set(threading.enumerate())
    yield make
    for worker in made:
        worker.pool.close()
    for thread in set(threading.enumerate()) - before:
        thread.join()  # it may be about to read the database
    for worker in made:
        worker.close()


def test_each_version_loaded_at_start_takes_a_constant_number_of_statements(worker_of):
    few, many = worker_of(5, 1), worker_of(60, 1)

    more = many.costs.of(many.load_all)[0] - few.costs.of(few.load_all)[0]

    assert more == 2 * 55, "to begin a transaction, and to see that the version is still ready"


def test_versions_loaded_at_start_are_looked_up_together(worker_of):
    costs = {size: worker_of(size, 1) for size in (5, 60)}
    for worker in costs.values():
        worker.pool.publishing = lambda key: threading.Lock()  # anything that can be entered

    counts = [worker.costs.of(worker.load_all)[0] for worker in costs.values()]

    assert counts[0] == counts[1]


def test_the_first_prediction_after_a_write_takes_as_many_statements_in_a_large_registry(worker_of):
    small, large = (prepared(worker_of(*size)) for size in ((2, 10), (20, 30)))

    for write in (promoted, rolled_back, token_created):
        write(small)
        write(large)
        looks = [
            worker.costs.of(partial(worker.watch.resolve, "model-1", "production"))
            for worker in (small, large)
        ]

        assert looks[0][0] == looks[1][0], write
        assert looks[1][1] < 1.5 * looks[0][1], write


def test_a_write_takes_as_many_statements_in_a_large_registry(worker_of):
    small, large = (prepared(worker_of(*size)) for size in ((2, 10), (20, 30)))

    for write in (promoted, rolled_back, token_created):
        costs = [worker.costs.of(partial(write, worker)) for worker in (small, large)]

        assert costs[0][0] == costs[1][0], write
        assert costs[1][1] < 1.5 * costs[0][1], write


def test_a_rollback_takes_as_many_locked_statements_with_a_long_history(worker_of):
    worker = worker_of(2, 5)
    costs = []
    for moves in (3, 30):
        for number in range(moves):
            promoted(worker, number % 3 + 1)
        before = worker.costs.while_writing
        rolled_back(worker)
        costs.append(worker.costs.while_writing - before)

    assert costs[1] < 1.2 * costs[0]


def test_a_promotion_reads_nothing_twice_in_its_write_transaction(worker_of):
    worker = prepared(worker_of(2, 5))

    for write in (partial(promoted, number=4), rolled_back):
        worker.costs.written.clear()
        write(worker)
        reads = [sent for sent in worker.costs.written if sent[0].startswith("SELECT")]

        assert len(reads) > 5
        assert len(reads) == len(set(reads)), reads


def prepared(worker):
    """The worker with everything loaded, an alias that was moved, and nothing yet to be cached."""
    worker.load_all()
    promoted(worker, 3)
    for write in (promoted, rolled_back, token_created):
        write(worker)
        worker.watch.snapshot()
    return worker


def test_a_promotion_reads_no_tags_of_the_model_or_the_versions(worker_of):
    sent = statements_of(promoted, worker_of(2, 3))

    assert any("FROM versions" in statement for statement in sent)
    assert not any("_tags" in statement for statement in sent)


def test_moves_without_gates_read_no_metrics_and_no_holdout(worker_of):
    worker = worker_of(2, 3)
    promoted(worker, 3)

    for move in (promoted, rolled_back):
        sent = statements_of(move, worker)
        assert any("FROM policies" in statement for statement in sent)
        assert not any("FROM metrics" in s or "FROM holdouts" in s for s in sent)


def statements_of(action, worker):
    """What ``action`` sends to the database of ``worker``."""
    sent = []

    def note(connection, cursor, statement, *_):
        sent.append(statement)

    event.listen(worker.database.engine, "before_cursor_execute", note)
    action(worker)
    event.remove(worker.database.engine, "before_cursor_execute", note)
    return sent


def promoted(worker, number=2):
    promote(
        worker.database,
        Preparer(),
        "model-1",
        str(number),
        PromotionRequest(actor="ann"),
        evaluate_gates=ungated,
    )


def rolled_back(worker):
    order = PromotionRequest(actor="ann")
    rollback(worker.database, Preparer(), "model-1", order, evaluate_gates=ungated)


def token_created(worker):
    create_token(worker.database, "ci", ["predict"], actor="ann")
