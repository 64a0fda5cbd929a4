"""The tables of all modules."""

from registry.storage import (
    alert_tables,
    host_tables,
    rollout_tables,
    split_tables,
    tables,
    webhook_tables,
)
from registry.storage.tables import Base

MODULES = (tables, split_tables, rollout_tables, alert_tables, webhook_tables, host_tables)
"""What defines tables: a table is part of ``METADATA`` once its module is imported."""
METADATA = Base.metadata

HOST_TABLES = ("hosts", "promotions", "promotion_hosts", "uploaded_files")
"""Tables of what the running hosts do, and of what they are receiving. Their rows mean nothing in
another database."""
NOT_BACKED_UP = ("sessions", *HOST_TABLES)
"""Whoever restores a backup signs nobody in, and none of its hosts runs."""
