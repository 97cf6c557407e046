"""Whether a lock is in privacy mode, whether it is held open in office mode; whose tag a door refused.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-27
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("held_open", "privacy_mode"):
        op.add_column("seen_locks", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in ("hector_user_id", "tap_tag"):
        op.add_column("entries", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in ("held_open", "privacy_mode"):
        op.drop_column("seen_locks", name)
    for name in ("tap_tag", "hector_user_id"):
        op.drop_column("entries", name)
