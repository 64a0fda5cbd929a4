"""Runs the migrations on the connection and in the transaction of the caller.

Called by ``registry.storage.schema``; nothing else opens the database for a migration.
"""

from alembic import context

from registry.storage.all_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
