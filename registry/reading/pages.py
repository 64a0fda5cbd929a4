"""One page of a list: by its number, or after the last item of the previous page.

A page number counts items from the start, so a page repeats or skips items when others are added or
removed between two requests. A cursor names an item: the items after it do not depend on those
before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, TypeVar

from sqlalchemy import BigInteger, Select, func
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.errors import ParameterMalformed
from registry.storage.tables import Base

_Row = TypeVar("_Row", bound=Base)

LARGEST_NUMBER = 2**63 - 1
_LARGEST_INTEGER = 2**31 - 1


class Page(TypedDict):
    """One page of a list; ``total`` counts all pages' items. ``next``, where there are more items,
    is the cursor that the following page comes after."""

    items: list[dict[str, Any]]
    page: int
    page_size: int
    total: int
    next: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page, from 1, and how many items it has at most; ``after``: a cursor instead.

    Raises ParameterMalformed for both a page and a cursor.
    """

    page: int = 1
    page_size: int = 50
    after: str | None = None

    def __post_init__(self) -> None:
        if self.after is not None and self.page != 1:
            raise ParameterMalformed("after", "'after' and 'page' cannot be combined.")

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size

    def after_number(self, key: InstrumentedAttribute[int]) -> int | None:
        """The cursor as a number that the column ``key`` can have: PostgreSQL compares it with no
        larger one. Raises ParameterMalformed."""
        if self.after is None:
            return None
        if not (self.after.isascii() and self.after.isdigit() and len(self.after) <= 19):
            raise ParameterMalformed("after", "expected a whole number: the 'next' of a page.")
        is_big = isinstance(key.type, BigInteger)
        return min(int(self.after), LARGEST_NUMBER if is_big else _LARGEST_INTEGER)


def page_of(
    items: Sequence[_Row],
    view: Callable[[_Row], dict[str, Any]],
    paging: Paging,
    *,
    total: int,
    cursor: Callable[[_Row], object],
) -> Page:
    """The page of ``items``, of which the caller read one more than a page has, if there is one."""
    shown = items[: paging.page_size]
    page: Page = {
        "items": [view(row) for row in shown],
        "page": paging.page,
        "page_size": paging.page_size,
        "total": total,
    }
    if len(items) > len(shown):
        page["next"] = str(cursor(shown[-1]))
    return page


def numbered_page(
    session: Session,
    query: Select[_Row],
    paging: Paging,
    view: Callable[[_Row], dict[str, Any]],
    key: InstrumentedAttribute[int],
    *,
    ascending: bool = False,
    total: int | None = None,
) -> Page:
    """The page of ``query`` by the number ``key``, the largest first unless ``ascending``.

    ``total``: how many rows it finds; None: they are counted.
    """
    found = query
    if (after := paging.after_number(key)) is not None:
        found = found.where(key > after if ascending else key < after)
    found = found.order_by(key.asc() if ascending else key.desc())
    return page_of(
        session.scalars(found.limit(paging.page_size + 1).offset(paging.offset)).all(),
        view,
        paging,
        total=count(session, query) if total is None else total,
        cursor=lambda row: getattr(row, key.key),
    )


def count(session: Session, query: Select[Any]) -> int:
    """How many rows ``query`` finds."""
    counted = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    return session.scalar(counted) or 0
