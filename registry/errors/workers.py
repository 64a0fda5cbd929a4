"""A worker that is starting, stopping or at a limit."""

from collections.abc import Iterable

from registry.errors.base import Unavailable


class NotReady(Unavailable):
    title = "Not ready"
    retry_after = 1

    def __init__(self, missing: Iterable[tuple[str, int]]) -> None:
        named = ", ".join(f"{model}/{number}" for model, number in missing)
        super().__init__(f"This worker has not loaded all live versions yet: {named}.")


class Draining(Unavailable):
    title = "Stopping"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("This service is stopping; it accepts no new traffic.")


class Overloaded(Unavailable):
    title = "Too many bodies at once"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__(
            "This worker is receiving as many bodies as one caller may send. Try again."
        )


class BodyUnfinished(Unavailable):
    title = "Worker stopped"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("This worker stopped before the body had arrived. Send it again.")


class OpenFilesExhausted(Unavailable):
    title = "Too many open files"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__(
            "This worker, or its machine, has as many files open as the operating system allows. "
            "Try again."
        )


class WorkerFull(Unavailable):
    title = "Too many large bodies at once"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__(
            "The large bodies that this worker is decoding use all the memory for them "
            "(HOTSWAP_DECODING_MB). Try again."
        )


class IntakeUnavailable(Unavailable):
    title = "Intake unavailable"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "The process that inspects uploads could not be started; nothing was changed."
        )


class IntakeBusy(Unavailable):
    title = "Too many uploads at once"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "This worker is already inspecting as many uploads as it can; nothing was changed. "
            "Try again."
        )


class ScoringBusy(Unavailable):
    title = "Too many evaluations at once"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "This worker is already evaluating as many versions as it can; nothing was changed. "
            "Try again."
        )
