"""Every attack, uploaded to a real server: ``make test-attacks``.

Its name keeps it out of the test suite, because it takes minutes.
"""

import json
from collections.abc import Iterator

import pytest
import requests
from sklearn.linear_model import LinearRegression

from tests.attacks.attack import Attack, canary_in
from tests.attacks.conftest import FIGURE
from tests.attacks.corpus import CORPUS
from tests.attacks.opcodes import written
from tests.processes import memory
from tests.system.real_server import BIN, Server, free_port, running

REFUSALS = frozenset({413, 415, 422})
MEGABYTE = 2**20
MOST_GROWTH = 50 * MEGABYTE
GENUINE = Attack("none", "skops", lambda c: written(LinearRegression().fit(*FITTED), "skops"))
FITTED = [[0.1, 0.2, 0.3], [1.0, -2.0, 3.0], [0.0, 1.0, 1.0]], [1.0, 2.0, 3.0]
ROWS = [[0.1, 0.2, 0.3], [1.0, -2.0, 3.0]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("attacked") / "data"
    with running([BIN / "hotswap", "serve", "--workers", "2"], data, free_port()) as started:
        yield started


@pytest.fixture(scope="module")
def at_start(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[int, int]:
    """The memory of each worker in bytes, after each has taken, served and refused something."""
    upload(server, "genuine", GENUINE.make(None), GENUINE.format)
    for _ in range(20):
        _ask(server, "genuine")
    folder = tmp_path_factory.mktemp("first")
    for number in range(20):
        with canary_in(folder / str(number)) as canary:
            for name in list(CORPUS)[:: len(CORPUS) // 4]:
                upload(server, f"warm-{number}", CORPUS[name].make(canary), CORPUS[name].format)
    return {worker: memory(worker) for worker in server.workers()}


def upload(server: Server, model: str, content: bytes, format_: str) -> requests.Response:
    return server.call(
        "POST",
        f"/models/{model}/versions",
        files={
            "artifact": ("artifact", content),
            "metadata": (None, json.dumps({"format": format_})),
        },
    )


def stored(server: Server) -> list[str]:
    """Every file that the server keeps, but for its database, its logs and its own run files."""
    blobs = server.data / "blobs"
    return sorted(str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", list(CORPUS))
def test_the_server_refuses(name, server, at_start, tmp_path, record_property):
    attack, model = CORPUS[name], f"m{list(CORPUS).index(name)}"
    before = stored(server)
    with canary_in(tmp_path / "canary") as canary:
        answer = upload(server, model, attack.make(canary), attack.format)
        if attack.harmless:
            _ask(server, model)
        triggered = canary.triggered()
    workers = server.workers()
    lost = len(at_start.keys() - set(workers))
    growth = max(memory(worker) - at_start[worker] for worker in workers if worker in at_start)
    refused = answer.status_code in REFUSALS
    for figure, number in (("tried", 1), ("refused", refused), ("run", triggered), ("lost", lost)):
        record_property(FIGURE, (_NAMES.get(figure, figure), int(number)))
    record_property(FIGURE, ("largest growth of a worker, MB", round(growth / MEGABYTE, 1)))
    assert not triggered
    assert lost == 0
    assert growth < MOST_GROWTH
    if attack.harmless:
        assert answer.status_code == 201, answer.text
        return
    assert refused, answer.text
    assert answer.json()["detail"]
    assert stored(server) == before
    assert server.call("GET", f"/models/{model}").status_code == 404


_NAMES = {"lost": "workers lost"}


def _ask(server: Server, model: str) -> None:
    """Predict with it: a harmless one does nothing else."""
    promoted = server.call("POST", f"/models/{model}/1/promote", json={})
    assert promoted.status_code == 200, promoted.text
    answered = server.call("POST", f"/models/{model}/predict", json={"X": ROWS})
    # A model may have no answer for these rows.
    assert answered.status_code in {200, 422}, answered.text
