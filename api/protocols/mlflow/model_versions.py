"""Model versions, for MLflow's clients."""

import re

from sqlalchemy.orm import Session

from api.access import grant
from api.protocols.mlflow import schemas
from api.protocols.mlflow.answers import Answer, version_answer
from api.protocols.mlflow.calls import VIA, as_mlflow_says, call
from api.protocols.mlflow.pages import page_of, search_of
from api.protocols.mlflow.requests import (
    StageChange,
    Version,
    VersionChange,
    VersionSearch,
    VersionTag,
    VersionTagKey,
)
from api.services import services
from registry.errors import NotOffered, ReferenceMalformed, VersionNotFound
from registry.names import check_model_name
from registry.operations.archive_version import archive_version
from registry.operations.update_version import update_version
from registry.reading.queries import find_version
from registry.reading.searches import search_versions
from registry.storage.tables import VersionRow

_INTEGER = re.compile(r"-?[0-9]+")
_LARGEST = 2**31 - 1


@call("GET", "/model-versions/get", "any", Version, schemas.VERSION)
def get_model_version(arguments: Version) -> Answer:
    """Show a version."""
    return _answer(arguments)


@call("PATCH", "/model-versions/update", "upload", VersionChange, schemas.VERSION)
def update_model_version(arguments: VersionChange) -> Answer:
    """Change the description of a version."""
    with services().database.read() as session:
        find_current_version(session, arguments.name, arguments.version)
    update_version(
        services().database,
        arguments.name,
        number_of(arguments.version),
        actor=grant().name,
        description=arguments.description,
        via=VIA,
    )
    return _answer(arguments)


@call("DELETE", "/model-versions/delete", "admin", Version, schemas.NOTHING)
def delete_model_version(arguments: Version) -> Answer:
    """Archive a version. Its number is never used again."""
    database = services().database
    with database.confirming(VersionNotFound), database.read() as session:
        find_current_version(session, arguments.name, arguments.version)
    number = number_of(arguments.version)
    archive_version(database, arguments.name, number, actor=grant().name, via=VIA)
    return {}


@call("GET", "/model-versions/search", "any", VersionSearch, schemas.VERSIONS)
def search_model_versions(arguments: VersionSearch) -> Answer:
    """List the versions that a filter finds, of the models that the token covers."""
    search = search_of(arguments)
    with services().database.read() as session:
        rows, more = search_versions(session, grant(), search)
        found = [version_answer(row) for row in rows]
    return page_of("model_versions", found, search, more=more)


@call("POST", "/model-versions/set-tag", "upload", VersionTag, schemas.NOTHING)
def set_model_version_tag(arguments: VersionTag) -> Answer:
    """Set a tag of a version."""
    return _change_tag(arguments.name, arguments.version, arguments.key, arguments.value)


@call("DELETE", "/model-versions/delete-tag", "upload", VersionTagKey, schemas.NOTHING)
def delete_model_version_tag(arguments: VersionTagKey) -> Answer:
    """Delete a tag of a version, if it has it."""
    return _change_tag(arguments.name, arguments.version, arguments.key, None)


@call("POST", "/model-versions/transition-stage", "any", StageChange, schemas.NOTHING)
def transition_model_version_stage(arguments: StageChange) -> Answer:
    """Never done: 400."""
    with services().database.read() as session:
        find_current_version(session, arguments.name, arguments.version)
    raise NotOffered("Stages are not offered: set an alias.")


def find_current_version(session: Session, name: str, version: str) -> VersionRow:
    """The version. Raises NameMalformed, and VersionNotFound also where it is archived.

    ``version`` must be a number: raises ReferenceMalformed.
    """
    check_model_name(name)
    number = number_of(version)
    with as_mlflow_says(name, version):
        row = find_version(session, name, number)
        if row.status == "archived":
            raise VersionNotFound(name, number)
    return row


def number_of(version: str) -> str:
    """The number as ``parse_reference`` reads it; 0, which no version has, for one out of range.

    Raises ReferenceMalformed.
    """
    if not _INTEGER.fullmatch(version):
        error = ReferenceMalformed(version)
        error.detail = f"Parameter 'version' must be an integer, got '{version[:100]}'."
        raise error
    number = int(version) if len(version) <= len(str(_LARGEST)) else 0
    return str(number) if 0 < number <= _LARGEST else "0"


def _change_tag(name: str, version: str, key: str, value: str | None) -> Answer:
    with services().database.read() as session:
        find_current_version(session, name, version)
    number = number_of(version)
    update_version(
        services().database, name, number, actor=grant().name, some_tags={key: value}, via=VIA
    )
    return {}


def _answer(arguments: Version) -> Answer:
    with services().database.read() as session:
        row = find_current_version(session, arguments.name, arguments.version)
        return {"model_version": version_answer(row, with_aliases=True)}
