"""A digest of each table of an integration's last snapshot: the same table again is not read back and compared.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-27
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "last_snapshots",
        sa.Column("integration", sa.Text(), primary_key=True),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("still_read", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    op.drop_table("last_snapshots")
