"""Models, versions and aliases: their names, and the states that exclude an operation."""

from collections.abc import Iterable

from registry.errors.base import Conflict, Malformed, NotFound, Refused
from registry.errors.quoting import shown


class NameMalformed(Malformed):
    title = "Malformed model name"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{shown(name)} is not a valid model name: expected 1 to 128 letters, digits, '.', '_' "
            "or '-', starting with a letter or digit."
        )


class AliasMalformed(Malformed):
    title = "Malformed alias"

    def __init__(self, alias: str, why: str) -> None:
        super().__init__(f"{shown(alias)} is not a valid alias: {why}.")


class ReferenceMalformed(Malformed):
    title = "Malformed version reference"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{shown(reference)} is not a valid version: expected a number from 1, an alias or "
            "'latest'."
        )


class ModelNotFound(NotFound):
    title = "Model not found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no model {shown(name)}.")


class VersionNotFound(NotFound):
    title = "Version not found"

    def __init__(self, model: str, reference: object) -> None:
        super().__init__(f"Model '{model}' has no version {shown(str(reference))}.")

    @classmethod
    def archived(cls, model: str, number: int) -> "VersionNotFound":
        error = cls(model, number)
        error.detail = f"Version {number} of '{model}' is archived: it can be read but not used."
        return error


class FormNotFound(NotFound):
    title = "Compiled form not found"

    def __init__(self, model: str, number: int, form: str, forms: Iterable[str]) -> None:
        there = ", ".join(sorted(forms)) or "none"
        super().__init__(
            f"Version {number} of '{model}' has no compiled form {shown(form)}; it has: {there}."
        )


class AliasNotFound(NotFound):
    title = "Alias not found"

    def __init__(self, model: str, alias: str, at: str | None = None) -> None:
        """``at``: the time at which there was none; None: there is none now."""
        had = "has no" if at is None else "had no"
        when = "" if at is None else f" at {at}"
        super().__init__(f"Model '{model}' {had} alias {shown(alias)}{when}.")


class PlotNotFound(NotFound):
    title = "Plot not found"

    def __init__(self, model: str, number: int, plot: str, known: Iterable[str]) -> None:
        listed = ", ".join(known) or "none"
        super().__init__(
            f"Version {number} of '{model}' has no plot {shown(plot)}. It has: {listed}."
        )


class NameTaken(Conflict):
    """``holder`` is the model that has the name, in its own spelling."""

    title = "Name taken"

    def __init__(self, name: str, holder: str) -> None:
        self.holder = holder
        super().__init__(
            f"The name '{name}' is taken by '{holder}': names are unique regardless of case."
        )


class VersionNumberTaken(Conflict):
    title = "Version number taken"

    def __init__(self, model: str, number: int, last: int) -> None:
        super().__init__(
            f"Version {number} of '{model}' cannot be registered: the numbers up to {last} are "
            "taken, also those that no version has."
        )


class AliasTaken(Conflict):
    title = "Alias taken"

    def __init__(self, model: str, alias: str, holder: str) -> None:
        super().__init__(
            f"Model '{model}' has the alias '{holder}'; '{alias}' differs from it only in case. "
            f"Use '{holder}', or delete it first."
        )


class ModelArchived(Conflict):
    title = "Model archived"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model '{name}' is archived; its name cannot be reused.")


class VersionNotReady(Conflict):
    title = "Version not ready"

    def __init__(self, model: str, number: int, status: str) -> None:
        super().__init__(f"Version {number} of '{model}' is {status}, not ready.")


class VersionHasAlias(Conflict):
    title = "Version has an alias"

    def __init__(self, model: str, number: int, aliases: Iterable[str]) -> None:
        named = ", ".join(f"'{alias}'" for alias in aliases)
        super().__init__(
            f"Version {number} of '{model}' is live as {named}: move or delete that alias first, "
            "or end its split or rollout."
        )


class DescriptionConflict(Conflict):
    title = "Description has changed"

    def __init__(self, model: str, number: int) -> None:
        super().__init__(
            f"Somebody changed the description or the tags of version {number} of '{model}' in the "
            "meantime; nothing was changed. Read them and try again."
        )


class MetadataRefused(Refused):
    title = "Metadata refused"


class ArtifactRefused(Refused):
    title = "Artifact refused"
