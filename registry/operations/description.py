"""Change the description and the tags of a model or of a version."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from registry.storage.tables import ModelTagRow, VersionTagRow, utc_now


def describe(
    session: Session,
    row: Any,
    tag_row: type[ModelTagRow | VersionTagRow],
    description: str | None,
    tags: Mapping[str, str] | None,
) -> bool:
    """Replace what is not None, all tags at once. Whether anything changed.

    ``row`` is a ModelRow or a VersionRow, and ``tag_row`` the class of its tags. A new description
    changes ``updated_at``, tags do not.
    """
    if description is not None and description != row.description:
        row.description, row.updated_at = description, utc_now()
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
