"""Runs the revisions on the connection `connector.store.migrations.upgrade` hands over."""

from alembic import context

from connector.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a table in place
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
