"""The first tables and views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hector_salto.ledger.tables import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# How a reservation is now depends on the moment: the page says it (include/hector_salto/ledger/reservation_states.py), and no view says it again.
LATEST_RESERVATIONS = """
create view latest_reservations as
with versions as (
  select v.*, row_number() over (partition by v.integration, v.reservation_id order by v.id desc) as nth
  from seen_reservations v
)
select
  r.integration, r.reference, r.reservation_id, r.status, r.start, r.finish, r.decision, r.reason,
  r.window_start, r.window_end, r.seen_at as so_since, r.until as gone_since
from versions r
where r.nth = 1
"""
RUN_CHANGES = """
create view run_changes as
select
  n.integration, n.id as run_id, n.kind as run_kind, n.began_at, n.airflow_run_id, n.triggered_by,
  o.position, o.kind, o.unit, o.reference, o.user_id, o.lock_name, o.before, o.after, o.cause, o.reason, o.removal,
  coalesce(o.outcome, o.state) as outcome, o.message, o.settled_at
from operations o join runs n on n.id = o.run_id
where n.plan_only = false
"""
OPEN_PROBLEMS = """
create view open_problems as
select
  n.integration, p.code, p.who, p.subject, p.reference, p.message, p.next_step, p.red, n.id as run_id, p.open_since
from problems p join runs n on n.id = p.run_id
where n.id in (select max(id) from runs where whole = true and planned_at is not null group by integration)
"""
VIEWS = {
    "latest_reservations": LATEST_RESERVATIONS,
    "run_changes": RUN_CHANGES,
    "open_problems": OPEN_PROBLEMS,
}


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("delivered_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("alerts_by_time", "alerts", ["integration", "at"], unique=False)

    op.create_table(
        "entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("lock_id", sa.Text(), nullable=True),
        sa.Column("lock_name", sa.Text(), nullable=True),
        sa.Column("platform_user_id", sa.Text(), nullable=True),
        sa.Column("access_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("integration", "entry_id"),
    )
    op.create_index("entries_by_time", "entries", ["integration", "at"], unique=False)

    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("airflow_run_id", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("triggered_by", sa.Text(), nullable=True),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("plan_only", sa.Boolean(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("chosen_references", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("approve", sa.Text(), nullable=True),
        sa.Column("planned_at", Instant(), nullable=True),
        sa.Column("observed_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("causes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("operations", sa.Integer(), nullable=True),
        sa.Column("held", sa.Integer(), nullable=True),
        sa.Column("holds", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("users_read", sa.Integer(), nullable=True),
        sa.Column("reservations_read", sa.Integer(), nullable=True),
        sa.Column("site_name", sa.Text(), nullable=True),
        sa.Column("site_zone", sa.Text(), nullable=True),
        sa.Column("seats", sa.Integer(), nullable=True),
        sa.Column("seats_used", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("requests_hector", sa.Integer(), nullable=True),
        sa.Column("requests_salto", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("runs_by_time", "runs", ["integration", "began_at"], unique=False)

    op.create_table(
        "seen_borrowers",
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "seen_borrowers_by_reservation_id", "seen_borrowers", ["reservation_id"], unique=False, postgresql_using="hash"
    )
    op.create_index("seen_borrowers_by_user_id", "seen_borrowers", ["user_id"], unique=False, postgresql_using="hash")
    op.create_index("seen_borrowers_now", "seen_borrowers", ["integration", "until"], unique=False)

    op.create_table(
        "seen_doors",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("lock_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_doors_now", "seen_doors", ["integration", "until"], unique=False)

    op.create_table(
        "seen_groups",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_groups_by_name", "seen_groups", ["name"], unique=False, postgresql_using="hash")
    op.create_index("seen_groups_now", "seen_groups", ["integration", "until"], unique=False)

    op.create_table(
        "seen_locks",
        sa.Column("lock_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("iq_online", sa.Boolean(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_locks_now", "seen_locks", ["integration", "until"], unique=False)

    op.create_table(
        "seen_members",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("platform_user_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_members_now", "seen_members", ["integration", "until"], unique=False)

    op.create_table(
        "seen_people",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("hector_status", sa.Text(), nullable=True),
        sa.Column("has_code", sa.Boolean(), nullable=False),
        sa.Column("site_user_id", sa.Text(), nullable=True),
        sa.Column("platform_user_id", sa.Text(), nullable=True),
        sa.Column("subscription_state", sa.Text(), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("has_tag", sa.Boolean(), nullable=False),
        sa.Column("tag_id", sa.Text(), nullable=True),
        sa.Column("own_tag", sa.Boolean(), nullable=False),
        sa.Column("tag_blocked", sa.Boolean(), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("office_mode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_people_by_email", "seen_people", ["email"], unique=False, postgresql_using="hash")
    op.create_index("seen_people_by_user_id", "seen_people", ["user_id"], unique=False, postgresql_using="hash")
    op.create_index("seen_people_now", "seen_people", ["integration", "until"], unique=False)

    op.create_table(
        "seen_places",
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("place_name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("lock_name", sa.Text(), nullable=True),
        sa.Column("lock_id", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_places_now", "seen_places", ["integration", "until"], unique=False)

    op.create_table(
        "seen_reservations",
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("start", Instant(), nullable=False),
        sa.Column("finish", Instant(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("window_start", Instant(), nullable=True),
        sa.Column("window_end", Instant(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_reservations_by_finish", "seen_reservations", ["integration", "finish"], unique=False)
    op.create_index("seen_reservations_by_window", "seen_reservations", ["integration", "window_end"], unique=False)
    op.create_index(
        "seen_reservations_by_reservation_id",
        "seen_reservations",
        ["reservation_id"],
        unique=False,
        postgresql_using="hash",
    )
    op.create_index(
        "seen_reservations_by_reference", "seen_reservations", ["reference"], unique=False, postgresql_using="hash"
    )
    op.create_index("seen_reservations_now", "seen_reservations", ["integration", "until"], unique=False)

    op.create_table(
        "seen_rooms",
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("place_name", sa.Text(), nullable=True),
        sa.Column("lock_name", sa.Text(), nullable=True),
        sa.Column("lock_id", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "seen_rooms_by_reservation_id", "seen_rooms", ["reservation_id"], unique=False, postgresql_using="hash"
    )
    op.create_index("seen_rooms_now", "seen_rooms", ["integration", "until"], unique=False)

    op.create_table(
        "seen_schedules",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("monday", sa.Boolean(), nullable=False),
        sa.Column("tuesday", sa.Boolean(), nullable=False),
        sa.Column("wednesday", sa.Boolean(), nullable=False),
        sa.Column("thursday", sa.Boolean(), nullable=False),
        sa.Column("friday", sa.Boolean(), nullable=False),
        sa.Column("saturday", sa.Boolean(), nullable=False),
        sa.Column("sunday", sa.Boolean(), nullable=False),
        sa.Column("start_time", sa.Text(), nullable=False),
        sa.Column("end_time", sa.Text(), nullable=False),
        sa.Column("start_date", sa.Text(), nullable=True),
        sa.Column("end_date", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("seen_schedules_now", "seen_schedules", ["integration", "until"], unique=False)

    op.create_table(
        "calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("calls_by_run", "calls", ["run_id"], unique=False)
    op.create_index("calls_by_time", "calls", ["sent_at"], unique=False)

    op.create_table(
        "operations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("group_name", sa.Text(), nullable=True),
        sa.Column("group_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("site_user_id", sa.Text(), nullable=True),
        sa.Column("platform_user_id", sa.Text(), nullable=True),
        sa.Column("lock_id", sa.Text(), nullable=True),
        sa.Column("lock_name", sa.Text(), nullable=True),
        sa.Column("tag_id", sa.Text(), nullable=True),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("removal", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "position"),
    )
    op.create_index("operations_by_reference", "operations", ["reference"], unique=False, postgresql_using="hash")
    op.create_index("operations_by_user", "operations", ["user_id"], unique=False, postgresql_using="hash")

    op.create_table(
        "problems",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.Column("red", sa.Boolean(), nullable=False),
        sa.Column("open_since", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("problems_by_run", "problems", ["run_id"], unique=False)

    op.create_table(
        "call_operations",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("operation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "operation_id"),
    )
    op.create_index("ix_call_operations_operation_id", "call_operations", ["operation_id"], unique=False)
    for view in VIEWS.values():
        op.execute(view)


def downgrade() -> None:
    for view in VIEWS:
        op.execute(f"drop view {view}")
    for table in (
        "call_operations",
        "problems",
        "operations",
        "calls",
        "seen_schedules",
        "seen_rooms",
        "seen_reservations",
        "seen_places",
        "seen_people",
        "seen_members",
        "seen_locks",
        "seen_groups",
        "seen_doors",
        "seen_borrowers",
        "runs",
        "entries",
        "alerts",
    ):
        op.drop_table(table)
