"""Registered models and their aliases, for MLflow's clients."""

from contextlib import suppress

from sqlalchemy.orm import Session

from api.access import grant
from api.promotions import moved
from api.protocols.mlflow import schemas
from api.protocols.mlflow.answers import Answer, model_answer, version_answer
from api.protocols.mlflow.calls import VIA, as_mlflow_says, call
from api.protocols.mlflow.model_versions import find_current_version, number_of
from api.protocols.mlflow.pages import page_of, search_of
from api.protocols.mlflow.requests import (
    Alias,
    AliasTarget,
    Model,
    ModelChange,
    ModelSearch,
    ModelTag,
    ModelTagKey,
    NewModel,
    Rename,
    Stages,
)
from api.services import services
from registry.errors import AliasNotFound, ModelArchived, ModelNotFound, NameTaken, NotOffered
from registry.operations.archive_model import archive_model
from registry.operations.create_model import create_model
from registry.operations.delete_alias import delete_alias
from registry.operations.promote import PromotionRequest, promote
from registry.operations.update_model import update_model
from registry.reading.queries import find_model
from registry.reading.searches import highest_versions, search_models
from registry.storage.tables import AliasRow, ModelRow


@call("POST", "/registered-models/create", "upload", NewModel, schemas.MODEL)
def create_registered_model(arguments: NewModel) -> Answer:
    """Create a model without versions."""
    try:
        create_model(
            services().database,
            arguments.name,
            actor=grant().name,
            description=arguments.description,
            tags={tag.key: tag.value for tag in arguments.tags},
            via=VIA,
        )
    except NameTaken as error:
        if error.holder == arguments.name:
            error.detail = f"Registered Model (name={arguments.name}) already exists."
        raise
    except ModelArchived as error:
        taken = NameTaken(arguments.name, arguments.name)
        taken.detail = (
            f"Registered Model (name={arguments.name}) already exists. It is archived: its name "
            "and its numbers are not used again."
        )
        raise taken from error
    return _answer(arguments.name)


@call("GET", "/registered-models/get", "any", Model, schemas.MODEL)
def get_registered_model(arguments: Model) -> Answer:
    """Show a model, its aliases and its highest version."""
    return _answer(arguments.name)


@call("PATCH", "/registered-models/update", "upload", ModelChange, schemas.MODEL)
def update_registered_model(arguments: ModelChange) -> Answer:
    """Change the description of a model."""
    with as_mlflow_says(arguments.name):
        update_model(
            services().database,
            arguments.name,
            actor=grant().name,
            description=arguments.description,
            via=VIA,
        )
    return _answer(arguments.name)


@call("POST", "/registered-models/rename", "any", Rename, schemas.NOTHING)
def rename_registered_model(arguments: Rename) -> Answer:
    """Never done: 400."""
    with services().database.read() as session:
        find_current_model(session, arguments.name)
    raise NotOffered("The names of models do not change: copy the version to a new model.")


@call("DELETE", "/registered-models/delete", "admin", Model, schemas.NOTHING)
def delete_registered_model(arguments: Model) -> Answer:
    """Archive a model with all its versions. Its name and numbers are not reused."""
    database = services().database
    with database.confirming(ModelNotFound), database.read() as session:
        find_current_model(session, arguments.name)
    archive_model(database, arguments.name, actor=grant().name, via=VIA)
    return {}


@call("GET", "/registered-models/search", "any", ModelSearch, schemas.MODELS)
def search_registered_models(arguments: ModelSearch) -> Answer:
    """List the models that a filter finds and that the token covers."""
    search = search_of(arguments)
    with services().database.read() as session:
        rows, more = search_models(session, grant(), search)
        latest = highest_versions(session, [row.name for row in rows])
        found = [model_answer(row, latest.get(row.name)) for row in rows]
    return page_of("registered_models", found, search, more=more)


@call("POST", "/registered-models/get-latest-versions", "any", Stages, schemas.VERSIONS)
def post_latest_versions(arguments: Stages) -> Answer:
    """Show the highest version of a model: none has a stage."""
    return _latest_versions(arguments)


@call("GET", "/registered-models/get-latest-versions", "any", Stages, schemas.VERSIONS)
def get_latest_versions(arguments: Stages) -> Answer:
    """Show the highest version of a model: none has a stage."""
    return _latest_versions(arguments)


def _latest_versions(arguments: Stages) -> Answer:
    with services().database.read() as session:
        find_current_model(session, arguments.name)
        found = highest_versions(session, [arguments.name])
        if arguments.stages and "none" not in {stage.lower() for stage in arguments.stages}:
            return {}
        versions = [version_answer(row, with_aliases=True) for row in found.values()]
    return {"model_versions": versions} if versions else {}


@call("POST", "/registered-models/set-tag", "upload", ModelTag, schemas.NOTHING)
def set_registered_model_tag(arguments: ModelTag) -> Answer:
    """Set a tag of a model."""
    return _change_tag(arguments.name, arguments.key, arguments.value)


@call("DELETE", "/registered-models/delete-tag", "upload", ModelTagKey, schemas.NOTHING)
def delete_registered_model_tag(arguments: ModelTagKey) -> Answer:
    """Delete a tag of a model, if it has it."""
    return _change_tag(arguments.name, arguments.key, None)


def _change_tag(name: str, key: str, value: str | None) -> Answer:
    with as_mlflow_says(name):
        update_model(services().database, name, actor=grant().name, some_tags={key: value}, via=VIA)
    return {}


@call("POST", "/registered-models/alias", "promote", AliasTarget, schemas.NOTHING)
def set_registered_model_alias(arguments: AliasTarget) -> Answer:
    """Promote a version under an alias, after it was loaded and its gates passed."""
    number = number_of(arguments.version)
    with services().database.read() as session:
        find_current_version(session, arguments.name, arguments.version)
    request = PromotionRequest(actor=grant().name, alias=arguments.alias, via=VIA)
    with as_mlflow_says(arguments.name, arguments.version):
        moved(promote, arguments.name, number, request)
    return {}


@call("DELETE", "/registered-models/alias", "promote", Alias, schemas.NOTHING)
def delete_registered_model_alias(arguments: Alias) -> Answer:
    """Delete an alias, if the model has it."""
    database = services().database
    with database.read() as session:
        find_current_model(session, arguments.name)
        missing = session.get(AliasRow, (arguments.name, arguments.alias)) is None
    if missing:
        database.confirm_again()
        return {}
    with suppress(AliasNotFound):  # deleted meanwhile
        delete_alias(database, arguments.name, arguments.alias, actor=grant().name, via=VIA)
    return {}


@call("GET", "/registered-models/alias", "any", Alias, schemas.VERSION)
def get_model_version_by_alias(arguments: Alias) -> Answer:
    """Show the version that an alias points at."""
    with services().database.read() as session:
        alias = find_alias(session, arguments.name, arguments.alias)
        row = find_current_version(session, arguments.name, str(alias.number))
        return {"model_version": version_answer(row, with_aliases=True)}


def find_current_model(session: Session, name: str) -> ModelRow:
    """The model. Raises NameMalformed, and ModelNotFound also where it is archived."""
    with as_mlflow_says(name):
        row = find_model(session, name)
        if row.archived_at is not None:
            raise ModelArchived(name)
    return row


def find_alias(session: Session, name: str, alias: str) -> AliasRow:
    """Raises what ``find_current_model`` raises, and AliasNotFound."""
    find_current_model(session, name)
    row = session.get(AliasRow, (name, alias))
    if row is None:
        missing = AliasNotFound(name, alias)
        missing.detail = f"Registered model alias {alias[:200]} not found."
        raise missing
    return row


def _answer(name: str) -> Answer:
    with services().database.read() as session:
        row = find_current_model(session, name)
        latest = highest_versions(session, [name])
        return {"registered_model": model_answer(row, latest.get(name))}
