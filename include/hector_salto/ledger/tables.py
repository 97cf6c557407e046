"""The ledger's tables. docs/ledger.md explains each column to analysts; include/hector_salto/ledger/migrations makes them.

Rows are added, and completed once (a run when it ends, a call when it is answered, an operation when it is settled,
something seen when it is seen no more); nothing is rewritten but the rows of ``sites`` and ``last_snapshots``. No tokens, no
tag numbers.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import JSON, DateTime, Double, ForeignKey, Index, Text, TypeDecorator, UniqueConstraint, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

if TYPE_CHECKING:
    from sqlalchemy import Dialect

CASCADE = "CASCADE"
BOOKED = frozenset({"reservations", "borrowers", "rooms"})  # tables of a snapshot that are known by their reservation
UNWRITABLE = re.compile(r"[\x00\ud800-\udfff]")  # a text column of PostgreSQL takes no NUL, and UTF-8 no half of a pair


def writable(words: str) -> str:
    """Words as the ledger keeps them: what no database takes is replaced, so that it does not stop a run."""
    return UNWRITABLE.sub("\ufffd", words)


class Instant(TypeDecorator[datetime]):
    """An instant, aware and in UTC on both sides; SQLite has no zones and keeps the UTC wall clock."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        moved = value.astimezone(UTC)
        return moved.replace(tzinfo=None) if dialect.name == "sqlite" else moved

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text of any length and content; what is written and what is looked for are made writable alike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else writable(value)


def _found_by(name: str, column: str) -> Index:
    """An index on words of any length: PostgreSQL's ordered index ends a write whose words are longer than 2,700 bytes."""
    return Index(name, column, postgresql_using="hash")


class Table(DeclarativeBase):
    """All tables of the ledger."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way
        datetime: Instant(),
        str: Words(),
        list[str]: JSON(none_as_null=True),
    }


class Run(Table):
    """One run of salto_sync__<integration> or salto_cleanup__<integration>."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_time", "integration", "began_at"), Index("runs_by_site", "site_id", "applied_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    integration: Mapped[str]
    kind: Mapped[str]  # sync | cleanup
    airflow_run_id: Mapped[str]
    folder: Mapped[str]  # name of the run's folder
    triggered_by: Mapped[str | None]
    trigger: Mapped[str | None]  # access/release.py: Trigger
    began_at: Mapped[datetime]  # the run's clock, as_of
    plan_only: Mapped[bool]
    plan_only_because: Mapped[str | None]  # access/release.py: Gate; null: it was asked to, or it applied its plan
    whole: Mapped[bool]  # a sync of all reservations that applies its plan
    chosen_references: Mapped[list[str] | None]  # a reload of these reservations only; null: all
    approve: Mapped[str | None]
    approved_by: Mapped[str | None]  # who approved the set that this run holds
    approved_at: Mapped[datetime | None]
    planned_at: Mapped[datetime | None]
    observed_at: Mapped[datetime | None]  # when Salto was last read by this run
    read_at: Mapped[datetime | None]  # when the reading of Salto that was kept last began
    applied_at: Mapped[datetime | None]  # when the plan was taken to be applied; null: never
    ended_at: Mapped[datetime | None]  # null: under way, or killed
    state: Mapped[str]  # running | green | red
    causes: Mapped[list[str] | None]  # why it is red
    operations: Mapped[int | None]  # planned
    held: Mapped[int | None]
    holds: Mapped[list[str] | None]  # the guards that hold them, each with its limit
    digest: Mapped[str | None]  # what approves them
    users_read: Mapped[int | None]
    reservations_read: Mapped[int | None]
    site_id: Mapped[str | None]  # UUID in Salto of the site that the plan is for
    site_applied: Mapped[int | None]  # sites.applied before Salto was read; null: another run was applying its plan
    site_name: Mapped[str | None]  # as Salto shows it
    site_zone: Mapped[str | None]
    seats: Mapped[int | None]  # allowed by the subscription; null: no limit, or not read
    seats_used: Mapped[int | None]
    seconds: Mapped[float | None] = mapped_column(Double)  # spent in the tasks
    requests_hector: Mapped[int | None]
    requests_salto: Mapped[int | None]


class SiteRow(Table):
    """One site of Salto: the integration that owns it, and the run that is applying its plan."""

    __tablename__ = "sites"

    site_id: Mapped[str] = mapped_column(primary_key=True)  # UUID in Salto
    integration: Mapped[str | None]  # that owns it; null: none does
    instance: Mapped[str | None]  # the Airflow of that integration
    owned_since: Mapped[datetime | None]
    applied: Mapped[int]  # plans that were applied, those without an operation not counted
    run_id: Mapped[int | None]  # the run that is applying its plan
    holder: Mapped[str | None]  # the process that does so
    held_until: Mapped[datetime | None]  # after which another run may take over


class ReleaseRow(Table):
    """A person let an integration loose on a site, or asked for plans only."""

    __tablename__ = "releases"
    __table_args__ = (Index("releases_by_time", "integration", "decided_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    integration: Mapped[str]
    site_id: Mapped[str]
    hector_url: Mapped[str | None]
    hector_instance: Mapped[str | None]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime]
    withdrawn: Mapped[bool]
    airflow_run_id: Mapped[str | None]


class Operation(Table):
    """One operation of a run's plan, and what became of it."""

    __tablename__ = "operations"
    __table_args__ = (
        UniqueConstraint("run_id", "position"),
        _found_by("operations_by_reference", "reference"),
        _found_by("operations_by_user", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete=CASCADE))
    position: Mapped[int]
    key: Mapped[str]  # each once in a run (Ledger.plan); longer than an index of PostgreSQL may hold
    phase: Mapped[int]
    kind: Mapped[str]
    cause: Mapped[str]
    reason: Mapped[str]
    unit: Mapped[str]
    reference: Mapped[str | None]
    group_name: Mapped[str | None]
    group_id: Mapped[str | None]
    user_id: Mapped[str | None]
    site_user_id: Mapped[str | None]
    platform_user_id: Mapped[str | None]
    lock_id: Mapped[str | None]
    lock_name: Mapped[str | None]
    tag_id: Mapped[str | None]
    schedule_id: Mapped[str | None]
    before: Mapped[str | None]
    after: Mapped[str | None]
    removal: Mapped[bool]
    state: Mapped[str]  # ready | held | left
    held_by: Mapped[str | None]  # the guard, or "depends"
    hector_says: Mapped[str | None]  # access/withdrawals.py: why a removal withdraws what it does
    outcome: Mapped[str | None]  # null: not settled (plan only, under way, or killed)
    message: Mapped[str | None]
    settled_at: Mapped[datetime | None]


class Call(Table):
    """One request that changes something: written before it is sent, completed when it is answered."""

    __tablename__ = "calls"
    __table_args__ = (Index("calls_by_run", "run_id"), Index("calls_by_time", "sent_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete=CASCADE))
    service: Mapped[str]
    method: Mapped[str]
    path: Mapped[str]
    sent_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]  # null: what became of it is unknown
    status: Mapped[int | None]  # HTTP; null: no whole answer came
    error: Mapped[str | None]


class CallOperation(Table):
    """Which operations a call carries: one request can add several people to a group."""

    __tablename__ = "call_operations"

    call_id: Mapped[int] = mapped_column(ForeignKey("calls.id", ondelete=CASCADE), primary_key=True)
    operation_id: Mapped[int] = mapped_column(
        ForeignKey("operations.id", ondelete=CASCADE), primary_key=True, index=True
    )


class ProblemRow(Table):
    """One problem that a run found."""

    __tablename__ = "problems"
    __table_args__ = (Index("problems_by_run", "run_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete=CASCADE))
    code: Mapped[str]
    who: Mapped[str]
    subject: Mapped[str]
    reference: Mapped[str | None]
    message: Mapped[str]
    next_step: Mapped[str]
    red: Mapped[bool]
    open_since: Mapped[datetime]  # when the first run that found it without a break began


class DoorEntry(Table):
    """One event at a door, as Salto tells it (integration setting ``entries``)."""

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("integration", "entry_id"),
        Index("entries_by_time", "integration", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    integration: Mapped[str]
    entry_id: Mapped[str]
    at: Mapped[datetime]
    category: Mapped[str]
    detail: Mapped[str | None]
    lock_id: Mapped[str | None]
    lock_name: Mapped[str | None]
    platform_user_id: Mapped[str | None]
    access_by: Mapped[str | None]
    hector_user_id: Mapped[str | None]
    tap_tag: Mapped[str | None]


class Alert(Table):
    """One change of an alert condition, and who was alerted when."""

    __tablename__ = "alerts"
    __table_args__ = (Index("alerts_by_time", "integration", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    integration: Mapped[str]
    condition: Mapped[str]
    change: Mapped[str]  # entered | worsened | recovered
    severity: Mapped[int]
    at: Mapped[datetime]
    text: Mapped[str]
    next_step: Mapped[str]
    marks: Mapped[list[str]]  # kinds of failure, or the digest of the held set, that were reported
    channels: Mapped[dict[str, str | None]] = mapped_column(
        JSON()
    )  # whom it is for, each with when it got it; null: not yet
    delivered_at: Mapped[datetime | None]  # null: a channel still waits for it


class _Seen:
    """Something seen in Hector or Salto from ``seen_at`` until ``until`` (null: it still was at the last look)."""

    id: Mapped[int] = mapped_column(primary_key=True)
    integration: Mapped[str]
    since_run: Mapped[int]
    seen_at: Mapped[datetime]
    until: Mapped[datetime | None]


def _indexes(name: str, *columns: str) -> tuple[Index, ...]:
    found = [Index(f"{name}_now", "integration", "until")]
    return (*found, *(_found_by(f"{name}_by_{column}", column) for column in columns))


class SeenReservation(_Seen, Table):
    """A reservation as Hector showed it, with what was decided about it."""

    __tablename__ = "seen_reservations"
    __table_args__ = (
        *_indexes("seen_reservations", "reference", "reservation_id"),
        Index("seen_reservations_by_finish", "integration", "finish"),
        Index("seen_reservations_by_window", "integration", "window_end"),
    )

    reservation_id: Mapped[str]
    reference: Mapped[str]
    status: Mapped[str]
    start: Mapped[datetime]
    finish: Mapped[datetime]
    decision: Mapped[str]
    reason: Mapped[str]
    window_start: Mapped[datetime | None]
    window_end: Mapped[datetime | None]


class SeenBorrower(_Seen, Table):
    """A person of a reservation."""

    __tablename__ = "seen_borrowers"
    __table_args__ = _indexes("seen_borrowers", "user_id", "reservation_id")

    reservation_id: Mapped[str]
    user_id: Mapped[str]


class SeenRoom(_Seen, Table):
    """A place of a reservation, with the lock its attribute names."""

    __tablename__ = "seen_rooms"
    __table_args__ = _indexes("seen_rooms", "reservation_id")

    reservation_id: Mapped[str]
    place_id: Mapped[str]
    place_name: Mapped[str | None]
    lock_name: Mapped[str | None]
    lock_id: Mapped[str | None]


class SeenPerson(_Seen, Table):
    """A person of Hector or of the site, as far as their doors depend on it."""

    __tablename__ = "seen_people"
    __table_args__ = _indexes("seen_people", "email", "user_id")

    person: Mapped[str]
    user_id: Mapped[str | None]
    email: Mapped[str | None]
    name: Mapped[str | None]
    hector_status: Mapped[str | None]
    has_code: Mapped[bool]
    code_shared: Mapped[bool]
    site_user_id: Mapped[str | None]
    platform_user_id: Mapped[str | None]
    subscription_state: Mapped[str | None]
    blocked: Mapped[bool]
    has_tag: Mapped[bool]
    tag_id: Mapped[str | None]
    own_tag: Mapped[bool]
    tag_blocked: Mapped[bool]
    managed: Mapped[bool]
    office_mode: Mapped[bool]


class SeenPlace(_Seen, Table):
    """A place of Hector, with the lock its attribute names."""

    __tablename__ = "seen_places"
    __table_args__ = _indexes("seen_places")

    place_id: Mapped[str]
    place_name: Mapped[str]
    active: Mapped[bool]
    lock_name: Mapped[str | None]
    lock_id: Mapped[str | None]


class SeenLock(_Seen, Table):
    """A lock of the site."""

    __tablename__ = "seen_locks"
    __table_args__ = _indexes("seen_locks")

    lock_id: Mapped[str]
    name: Mapped[str]
    online: Mapped[bool]
    iq_online: Mapped[bool]
    zone: Mapped[str | None]
    held_open: Mapped[bool] = mapped_column(server_default=false())
    privacy_mode: Mapped[bool] = mapped_column(server_default=false())


class SeenGroup(_Seen, Table):
    """An access group named like ours."""

    __tablename__ = "seen_groups"
    __table_args__ = _indexes("seen_groups", "name")

    group_id: Mapped[str]
    name: Mapped[str]


class SeenMember(_Seen, Table):
    """A person in an access group."""

    __tablename__ = "seen_members"
    __table_args__ = _indexes("seen_members")

    group_id: Mapped[str]
    platform_user_id: Mapped[str]


class SeenDoor(_Seen, Table):
    """A lock in an access group."""

    __tablename__ = "seen_doors"
    __table_args__ = _indexes("seen_doors")

    group_id: Mapped[str]
    lock_id: Mapped[str]


class SeenSchedule(_Seen, Table):
    """A time schedule of an access group: wall clock of the locks' zone, as Salto shows it."""

    __tablename__ = "seen_schedules"
    __table_args__ = _indexes("seen_schedules")

    group_id: Mapped[str]
    schedule_id: Mapped[str]
    monday: Mapped[bool]
    tuesday: Mapped[bool]
    wednesday: Mapped[bool]
    thursday: Mapped[bool]
    friday: Mapped[bool]
    saturday: Mapped[bool]
    sunday: Mapped[bool]
    start_time: Mapped[str]
    end_time: Mapped[str]
    start_date: Mapped[str | None]
    end_date: Mapped[str | None]


class LastSnapshot(Table):
    """What the last snapshot of an integration was made of, so that the same again is known without reading it back."""

    __tablename__ = "last_snapshots"

    integration: Mapped[str] = mapped_column(primary_key=True)
    digests: Mapped[dict[str, str]] = mapped_column(JSON())  # by table (access/snapshot.py: SCHEMAS)
    still_read: Mapped[datetime | None]  # Hector was asked for reservations from this moment on; null: for all


SEEN: tuple[type[_Seen], ...] = (
    SeenReservation,
    SeenBorrower,
    SeenRoom,
    SeenPerson,
    SeenPlace,
    SeenLock,
    SeenGroup,
    SeenMember,
    SeenDoor,
    SeenSchedule,
)
