"""Which errors of a prediction are faults of the version: those that guards count.

Neither what is wrong with the request is one, nor what hits all versions alike: a database that is
away, a worker that has too much to do.
"""

from registry.errors import (
    ArtifactRefused,
    BlobUnavailable,
    ModelProcessUnavailable,
    PredictionRefused,
    PredictionTimedOut,
    RegistryError,
    VersionUnavailable,
)

_FAULTS = (
    ArtifactRefused,  # by the process that was to continue after the last one ended
    BlobUnavailable,
    PredictionRefused,
    PredictionTimedOut,
    VersionUnavailable,
)


def is_version_fault(error: Exception, *, predicting: bool) -> bool:
    """Whether the version is to blame for ``error``; ``predicting``: it had begun to answer.

    Errors that nobody expected are its own then, except those of the operating system.
    """
    if isinstance(error, ModelProcessUnavailable):
        return not error.overloaded
    if isinstance(error, RegistryError):
        return isinstance(error, _FAULTS)
    return predicting and not isinstance(error, OSError)
