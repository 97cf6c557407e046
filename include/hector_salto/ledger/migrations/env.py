"""Alembic's entry: runs the steps on the connection it is given (``hector_salto.ledger.ledger.Ledger``)."""

from __future__ import annotations

from alembic import context

from hector_salto.ledger.tables import Table

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Table.metadata, render_as_batch=connection.dialect.name == "sqlite"
)
with context.begin_transaction():
    context.run_migrations()
