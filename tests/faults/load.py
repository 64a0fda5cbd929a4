"""Load on a running service, and a look at what a restored backup of it holds."""

import threading

import pytest
from sqlalchemy import select

from api.services import Services
from benchmarks.swap import constant_model
from config import Settings
from registry.engines.predictor import example_batch
from registry.operations.scrub import scrub
from registry.reading.queries import find_version
from registry.storage.history import verify
from registry.storage.tables import VersionRow
from tests.system.models import upload

MODELS = ("a", "b")


class Load:
    """For each model a thread that uploads without pause and promotes what it uploaded.

    Version N of every model predicts N; version 1 has to be there.
    """

    def __init__(self, server):
        self._server = server
        self._done = threading.Event()
        self.faults = []
        self._threads = [threading.Thread(target=self._run, args=(name,)) for name in MODELS]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name):
        try:
            number = 1
            while not self._done.is_set():
                number = upload(self._server, name, constant_model(float(number + 1)))["version"]
                self._server.call("POST", f"/models/{name}/{number}/promote").raise_for_status()
        except Exception as error:  # noqa: BLE001 - told to the test
            self.faults.append(error)


def answer(services, model, reference):
    """The number of the version that answers, and its prediction."""
    loaded = services.watch.resolve(model, reference)
    batch = example_batch(loaded.version.signature, None)
    return loaded.version.number, list(loaded.predictor.predict(batch).values)


def look(data):
    """Ask every version in the restored ``data`` for a prediction; its events and versions."""
    services = Services.build(Settings(data=data))
    try:
        with services.database.read() as session:
            seq = verify(session).seq
            rows = session.scalars(select(VersionRow).where(VersionRow.model.in_(MODELS)))
            versions = [(row.model, row.number) for row in rows]
            live = {name: find_version(session, name, "production").number for name in MODELS}
        assert scrub(services.database, services.blobs).losses == ()
        for model, number in versions:
            assert answer(services, model, str(number)) == (number, [pytest.approx(number)])
        for model, number in live.items():
            assert answer(services, model, "production") == (number, [pytest.approx(number)])
        return seq, len(versions)
    finally:
        services.close()
