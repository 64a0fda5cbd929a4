"""``hotswap.log`` warns as Python does, before anything is sent, and the version keeps it."""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import hotswap
from tests.integration.cli.fake_service import HSW, FakeService, multipart, running

_draws = np.random.default_rng(0)
X, Y = _draws.normal(size=(200, 2)), _draws.normal(size=200)
MODEL = LinearRegression().fit(X[:100], Y[:100])


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as started:
        yield started


def logged(service: FakeService) -> None:
    parts: Any = X[:100], X[100:], Y[100:]
    hotswap.log(MODEL, *parts, y_train=Y[:100], name="noise", url=service.url, token=HSW)


def test_a_warning_names_the_model_and_reaches_the_version(service: FakeService) -> None:
    with pytest.warns(hotswap.TrainingWarning, match=r"^noise: the model is no better") as caught:
        logged(service)

    (warning,) = caught
    assert warning.filename == __file__
    uploads = [received for received in service.requests if received.method == "POST"]
    sent = json.loads(multipart(uploads[0])["metadata"][1])
    assert [f"noise: {text}" for text in sent["evaluation"]["warnings"]] == [str(warning.message)]


def test_a_warning_that_is_an_error_prevents_the_upload(service: FakeService) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", hotswap.TrainingWarning)
        with pytest.raises(hotswap.TrainingWarning):
            logged(service)
    assert service.requests == []
