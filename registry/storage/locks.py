"""How a row is locked that is going to be changed."""

from typing import Any

FOR_CHANGE: dict[str, Any] = {"key_share": True}
"""A value of ``with_for_update``. Rows with a foreign key to the locked row can still be inserted.

An event has one to its model, and is inserted when the head of the history is locked. So who has
locked the head does not wait for who has locked the model, and waits for the head.
"""
