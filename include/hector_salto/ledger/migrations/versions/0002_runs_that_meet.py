"""Sites with their owner and the run that changes them; what a plan was read from; who let an integration loose.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-26
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hector_salto.ledger.tables import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sites",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=True),
        sa.Column("instance", sa.Text(), nullable=True),
        sa.Column("owned_since", Instant(), nullable=True),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("held_until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("site_id"),
    )
    op.add_column("runs", sa.Column("site_id", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("site_applied", sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("read_at", Instant(), nullable=True))
    op.add_column("runs", sa.Column("applied_at", Instant(), nullable=True))
    op.create_index("runs_by_site", "runs", ["site_id", "applied_at"], unique=False)
    op.add_column("operations", sa.Column("held_by", sa.Text(), nullable=True))
    op.add_column("operations", sa.Column("hector_says", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("trigger", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("plan_only_because", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("approved_by", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("approved_at", Instant(), nullable=True))
    op.add_column("seen_people", sa.Column("code_shared", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "releases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("hector_url", sa.Text(), nullable=True),
        sa.Column("hector_instance", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("airflow_run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("releases_by_time", "releases", ["integration", "decided_at"], unique=False)


def downgrade() -> None:
    op.drop_table("releases")
    op.drop_column("seen_people", "code_shared")
    for column in ("approved_at", "approved_by", "plan_only_because", "trigger"):
        op.drop_column("runs", column)
    for column in ("hector_says", "held_by"):
        op.drop_column("operations", column)
    op.drop_index("runs_by_site", "runs")
    for column in ("applied_at", "read_at", "site_applied", "site_id"):
        op.drop_column("runs", column)
    op.drop_table("sites")
