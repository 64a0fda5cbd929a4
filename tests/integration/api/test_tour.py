"""The functions of the tour in CONTRIBUTING.md exist, and requests pass them in its order."""

import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from benchmarks.swap import constant_model
from tests.integration.api.conftest import AppMaker, Caller, Service

PAGE = Path(__file__).parents[3] / "CONTRIBUTING.md"
FLOW = re.compile(r"^### (\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\d+\. `([\w.]+:[\w.]+)`", re.MULTILINE)
ELSEWHERE = re.compile(r"^   - `([\w.]+:[\w.]+)`", re.MULTILINE)
"""A function that runs in another process or thread."""

FLOWS = dict(FLOW.findall(PAGE.read_text()))


def code_of(name: str) -> CodeType:
    """The code of a function, without its decorators."""
    return inspect.unwrap(pkgutil.resolve_name(name)).__code__


def test_every_function_of_the_tour_exists() -> None:
    for flow in ("Prediction", "Promotion", "Upload"):
        assert STEP.findall(FLOWS[flow])
        for name in STEP.findall(FLOWS[flow]) + ELSEWHERE.findall(FLOWS[flow]):
            assert callable(pkgutil.resolve_name(name)), name


@pytest.fixture(scope="module")
def own_service(module_app: AppMaker) -> Service:
    """The app inspects each upload, and nothing has been predicted with it."""
    return module_app()


def calls_of(action: Callable[[], Any]) -> list[CodeType]:
    """The code of each Python function that this thread calls in ``action``, in order."""
    calls: list[CodeType] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls.append(frame.f_code)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def first_calls(flow: str, calls: list[CodeType]) -> list[str]:
    """The steps of ``flow`` in the order of their first calls."""
    steps = {code_of(step): step for step in STEP.findall(FLOWS[flow])}
    return [steps[code] for code in dict.fromkeys(calls) if code in steps]


def test_each_flow_calls_the_functions_of_the_tour_in_order(
    own_service: Service, fresh_name: str
) -> None:
    admin: Caller = own_service.admin
    statuses = []

    def run(action: Callable[[], Any]) -> list[CodeType]:
        return calls_of(lambda: statuses.append(action().status_code))

    row = {"x0": 1.0, "x1": 2.0}
    upload = run(lambda: admin.upload(fresh_name, constant_model(17.0), {"input_example": row}))
    promotion = run(lambda: admin.promote(fresh_name, 1, gates=["input_example answered"]))
    prediction = run(lambda: admin.post(f"/models/{fresh_name}/predict", json=row))

    assert statuses == [201, 200, 200]
    assert first_calls("Upload", upload) == STEP.findall(FLOWS["Upload"])
    assert first_calls("Promotion", promotion) == STEP.findall(FLOWS["Promotion"])
    assert first_calls("Prediction", prediction) == STEP.findall(FLOWS["Prediction"])
