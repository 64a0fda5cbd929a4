"""The client's errors as those of MLflow, whose callers decide by ``error_code``."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)

from hotswap.errors import (
    AddressMalformed,
    ClientError,
    ProblemReply,
    ServiceUnreachable,
    TokenMissing,
)

_CODES: dict[type[ClientError], int] = {
    AddressMalformed: INVALID_PARAMETER_VALUE,
    ServiceUnreachable: TEMPORARILY_UNAVAILABLE,
    TokenMissing: UNAUTHENTICATED,
}


@contextmanager
def mlflow_exceptions() -> Iterator[None]:
    """Raise RestException for a refusal of the service, MlflowException for other failures."""
    try:
        yield
    except ProblemReply as error:
        raise RestException(_rest_error(error)) from error
    except ClientError as error:
        raise MlflowException(str(error), _CODES.get(type(error), INTERNAL_ERROR)) from error


def _rest_error(error: ProblemReply) -> dict[str, str]:
    code = str(error.problem.get("error_code", error.status))
    message = str(error)
    if error.status in {401, 403}:
        message += " The token is that of HOTSWAP_TOKEN."
    return {"error_code": code, "message": message}
