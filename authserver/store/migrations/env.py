"""Alembic's entry: runs in the connection and transaction that `upgrade` hands over."""

from alembic import context

from authserver.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
