"""Which errors guards count."""

import errno

import pytest
from sqlalchemy.exc import OperationalError

from registry import errors
from registry.watching.version_faults import is_version_fault

FAULTS = [
    errors.PredictionRefused("The model's output for row 1 is not a finite number."),
    errors.PredictionTimedOut(20, 5),
    errors.ModelProcessUnavailable("it ended repeatedly; the next try is in 4 s"),
    errors.ArtifactRefused("Its process ended while it loaded (killed)."),
    errors.VersionUnavailable("m", 4, "KeyError, which the log has"),
    errors.BlobMissing("0" * 64),
    ZeroDivisionError(),
    MemoryError(),
]
NO_FAULTS = [
    errors.InputRefused("The rows do not match the signature."),
    errors.BodyMalformed("json", "it ends early"),
    errors.TooLarge("The body", "1 bytes"),
    errors.BodyTooSlow(1_000, 10),
    errors.NoProbabilities("m", 4),
    errors.ModelProcessUnavailable("too many requests are waiting for it", overloaded=True),
    errors.DatabaseUnavailable(),
    errors.DatabaseBusy(),
    errors.WorkerFull(),
    errors.Overloaded(),
    errors.OpenFilesExhausted(),
    errors.VersionLoading("m", 4),
    errors.RateLimited(5, 1),
    OSError(errno.EMFILE, "too many open files"),
]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_what_the_version_did_is_a_fault(error):
    assert is_version_fault(error, predicting=True)


@pytest.mark.parametrize("error", NO_FAULTS, ids=lambda error: type(error).__name__)
def test_bad_requests_and_failures_of_the_service_are_none(error):
    assert not is_version_fault(error, predicting=True)


def test_an_unexpected_error_before_the_version_answers_is_none():
    error = OperationalError("SELECT 1", {}, Exception("the connection was closed"))
    assert not is_version_fault(error, predicting=False)
