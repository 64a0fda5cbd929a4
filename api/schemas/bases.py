"""Base classes of schemas, and the pages of lists."""

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.schemas.fields import QueryNumber, text

MAX_PAGE_SIZE = 200


class StrictSchema(ma.Schema):
    """Refuses unknown keys."""

    class Meta:
        unknown = ma.RAISE


class OptionalBodySchema(StrictSchema):
    """A body that may be omitted; all of its fields are optional too."""


class PagingSchema(ma.Schema):
    page = QueryNumber(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = QueryNumber(load_default=50, validate=validate.Range(1, MAX_PAGE_SIZE))
    after = text(
        200,
        metadata={
            "description": "Instead of 'page': the 'next' of the previous page. Each item is then "
            "returned once, even if others are added in the meantime."
        },
    )


class PlainSchema(ma.Schema):
    """Describes data that is plain JSON already, and returns it unchanged: copying the items of a
    page field by field takes as long as reading them from the database."""

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:  # noqa: ARG002 - marshmallow's own signature
        return obj


def page_of(item: type[ma.Schema], name: str) -> type[ma.Schema]:
    """The schema of a list whose items are of the schema ``item``."""
    return PlainSchema.from_dict(
        {
            "items": fields.List(fields.Nested(item)),
            "page": fields.Integer(),
            "page_size": fields.Integer(),
            "total": fields.Integer(),
            "next": fields.String(
                metadata={
                    "description": "Present if there are more items: 'after' for the next page."
                }
            ),
        },
        name=name,
    )
