"""Uploads that take over their inspection are refused with the reason and leave nothing.

integration/registry/test_inspector.py has how each is refused; ``make test`` uploads one.
"""

import dataclasses

import pytest

from api.services import attach
from registry.confinement.spawner import Spawner
from registry.intake.inspector import Inspector
from tests.integration.api.conftest import check_problem, new_name
from tests.marks import first_fast

HOSTILE = "tests.integration.registry.hostile"
SAYS = {
    "crash": "SIGSEGV",
    "hang": "took over 2 s",
    "allocate": "without a result",
    "write-ten-gigabytes": "without a result",
    "read-passwords": "without a result",
    "connect": "without a result",
    "fork": "without a result",
    "kill-everybody": "without a result",
    "say-nothing": "without a result",
    "say-nonsense": "sent an invalid message",
    "say-without-end": "sent an invalid message",
    "compile-without-end": "sent an invalid message",
    "claim-another-engine": "sent an invalid message",
    "signature-none": "sent an invalid message",
}
"""What the refusal says, by what the model does."""


@pytest.fixture(scope="module")
def hostile(module_app):
    """A service whose inspections are hostile, with a limit of two seconds."""
    service = module_app()
    spawner = Spawner([HOSTILE])
    inspector = Inspector(2, spawner=spawner, entry=f"{HOSTILE}:answer")
    attach(service.app, dataclasses.replace(service.services, inspector=inspector))
    yield service
    attach(service.app, service.services)
    spawner.close()


@pytest.mark.parametrize("hostility", first_fast(SAYS))
def test_an_upload_that_takes_over_its_inspection_is_refused(hostile, hostility):
    name = new_name()
    before = hostile.stored()

    answer = hostile.admin.upload(name, hostility.encode())

    problem = check_problem(answer, 422, "artifact-refused")
    assert SAYS[hostility] in problem["detail"]
    assert hostile.stored() == before
    assert hostile.admin.get(f"/models/{name}").status_code == 404
    assert hostile.admin.get("/livez").status_code == 200
