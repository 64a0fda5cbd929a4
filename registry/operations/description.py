"""Change the description and the tags of a model or of a version."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from registry.errors import MetadataRefused
from registry.storage.tables import ModelTagRow, VersionTagRow, utc_now
from registry.stored_text import MAX_TAGS


def describe(
    session: Session,
    row: Any,
    tag_row: type[ModelTagRow | VersionTagRow],
    *,
    description: str | None,
    tags: Mapping[str, str] | None,
    some_tags: Mapping[str, str | None] | None,
) -> bool:
    """Replace what is not None. Whether anything changed.

    ``tags`` replaces all tags, ``some_tags`` those that it names; None in it deletes a tag.

    ``row`` is a ModelRow or a VersionRow, and ``tag_row`` the class of its tags. A new description
    changes ``updated_at``, tags do not.

    Raises MetadataRefused where ``some_tags`` would make more tags than ``MAX_TAGS``.
    """
    if description is not None and description != row.description:
        row.description, row.updated_at = description, utc_now()
    if some_tags is not None:
        merged = {tag.key: tag.value for tag in row.tags} | dict(some_tags)
        tags = {key: value for key, value in merged.items() if value is not None}
        if len(tags) > MAX_TAGS:
            raise MetadataRefused(f"There would be more than {MAX_TAGS} tags.")
    if tags is not None:
        kept = {tag.key: tag for tag in row.tags}
        row.tags = [kept.get(key) or tag_row(key=key) for key in tags]
        for tag in row.tags:
            tag.value = tags[tag.key]
    return bool(session.new) or any(map(session.is_modified, session.dirty))


def revision_of(description: str, tags: Mapping[str, str]) -> str:
    """Tells this description and these tags from any others."""
    text = json.dumps([description, dict(tags)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
