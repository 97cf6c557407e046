"""Runs as the page shows them: the last ones, and one of them with what it planned, did and found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, case, desc, func, or_, select

from hector_salto.access.operations import READY
from hector_salto.access.release import describe_starter
from hector_salto.ledger.tables import Operation, ProblemRow, Run

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row

    from hector_salto.ledger.ledger import Ledger

HELD, DONE = "held", "done"
UNWELL = ("failed", "unknown", "not_sent", "no_seat")


@dataclass(frozen=True)
class RunSummary:
    """One run in a list.

    state: running | green | red; causes: why it is red; operations, held: planned; done, unwell: what became of them
    (0 for a plan only); seats None: no limit, or not read.
    """

    id: int
    kind: str
    airflow_run_id: str
    began_at: datetime
    planned_at: datetime | None
    observed_at: datetime | None
    ended_at: datetime | None
    state: str
    plan_only: bool
    plan_only_because: str | None
    whole: bool
    chosen_references: list[str] | None
    triggered_by: str | None
    trigger: str | None
    approved_by: str | None
    approved_at: datetime | None
    causes: list[str]
    operations: int
    held: int
    holds: list[str]
    digest: str | None
    done: int
    unwell: int
    problems: int
    site_name: str | None
    site_zone: str | None
    seats: int | None
    seats_used: int | None
    seconds: float | None
    requests: int

    @property
    def has_plan(self) -> bool:
        """It came as far as a plan."""
        return self.planned_at is not None

    @property
    def started_by(self) -> str:
        """What started it, in words: the person, where there is one."""
        return describe_starter(self.trigger, self.triggered_by)

    @property
    def dag_prefix(self) -> str:
        """The DAG's id without the integration's name."""
        return f"salto_{self.kind}__"


_RUN_COLUMNS = (
    Run.id, Run.kind, Run.airflow_run_id, Run.began_at, Run.planned_at, Run.observed_at, Run.ended_at, Run.state, Run.plan_only,
    Run.plan_only_because, Run.whole, Run.chosen_references, Run.triggered_by, Run.trigger, Run.approved_by, Run.approved_at, Run.causes, Run.operations, Run.held, Run.holds, Run.digest, Run.site_name, Run.site_zone,
    Run.seats, Run.seats_used, Run.seconds, Run.requests_hector, Run.requests_salto,
)  # fmt: skip


def last_runs(
    ledger: Ledger, integration: str, *, limit: int, before: int | None = None, kind: str | None = None
) -> list[RunSummary]:
    """The last runs, latest first; ``before``: only those with a smaller id (the next page of the list)."""
    query = _runs().where(Run.integration == integration)
    query = query if before is None else query.where(Run.id < before)
    query = query if kind is None else query.where(Run.kind == kind)
    with ledger.reading() as connection:
        return [_line(row) for row in connection.execute(query.order_by(desc(Run.id)).limit(limit))]


def summaries(ledger: Ledger, *which: ColumnElement[bool]) -> list[tuple[str, RunSummary]]:
    """Return the runs of any integrations that are so, latest first, each with its integration."""
    query = _runs().add_columns(Run.integration).where(*which).order_by(desc(Run.id))
    with ledger.reading() as connection:
        rows = [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name for it
    return [(str(row.pop("integration")), _summary(row)) for row in rows]


def newest_plan(ledger: Ledger, integration: str, references: list[str] | None) -> RunSummary | None:
    """The last sync that came as far as a plan for all reservations (None), or for just these."""
    query = _runs().where(Run.integration == integration, Run.kind == "sync", Run.planned_at.is_not(None))
    query = query.where(Run.chosen_references.is_(None) if references is None else Run.chosen_references.is_not(None))
    with ledger.reading() as connection:
        for row in connection.execute(query.order_by(desc(Run.id)).limit(1 if references is None else 200)):
            line = _line(row)
            if line.chosen_references == references:
                return line
    return None


def run_by_id(ledger: Ledger, integration: str, run_id: int) -> RunSummary | None:
    return _one(ledger, _runs().where(Run.integration == integration, Run.id == run_id))


def run_by_name(ledger: Ledger, integration: str, airflow_run_id: str, kind: str) -> RunSummary | None:
    """A run by the id that Airflow gave it."""
    query = _runs().where(Run.integration == integration, Run.airflow_run_id == airflow_run_id, Run.kind == kind)
    return _one(ledger, query.order_by(desc(Run.id)).limit(1))


def run_holding(ledger: Ledger, integration: str, digest: str) -> RunSummary | None:
    """The newest sync of an integration whose plan held the set with this digest."""
    query = _runs().where(Run.integration == integration, Run.kind == "sync", Run.digest == digest)
    return _one(ledger, query.order_by(desc(Run.id)).limit(1))


def operations_of(ledger: Ledger, run_id: int) -> list[dict[str, Any]]:
    """What a run planned, in order, with what became of it."""
    names = (
        "position", "phase", "kind", "cause", "reason", "unit", "reference", "group_name", "group_id",
        "user_id", "platform_user_id", "lock_id", "lock_name", "held_by", "hector_says", "tag_id", "schedule_id", "before", "after", "removal", "state", "outcome",
        "message", "settled_at",
    )  # fmt: skip
    query = select(*(getattr(Operation, name) for name in names)).where(Operation.run_id == run_id)
    with ledger.reading() as connection:
        return [dict(row) for row in connection.execute(query.order_by(Operation.position)).mappings()]


def problems_listed(ledger: Ledger, run_id: int) -> list[dict[str, Any]]:
    columns = (
        ProblemRow.code,
        ProblemRow.who,
        ProblemRow.subject,
        ProblemRow.reference,
        ProblemRow.message,
        ProblemRow.next_step,
    )
    query = (
        select(*columns)
        .where(ProblemRow.run_id == run_id)
        .order_by(ProblemRow.who, ProblemRow.code, ProblemRow.subject)
    )
    with ledger.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _one(ledger: Ledger, query: Select[Any]) -> RunSummary | None:
    with ledger.reading() as connection:
        row = connection.execute(query).first()
    return None if row is None else _line(row)


def _runs() -> Select[Any]:
    outcome = func.coalesce(Operation.outcome, "")
    # What was to be sent and has no outcome was cut off, once its run is not under way any more (or recorded no end).
    lost = and_(
        Operation.outcome.is_(None), Operation.state == READY, Run.plan_only.is_(False), Run.planned_at.is_not(None)
    )
    counts = {"done": outcome == DONE, "unwell": or_(outcome.in_(UNWELL), lost)}
    counted = [
        select(func.coalesce(func.sum(case((chosen, 1), else_=0)), 0))
        .where(Operation.run_id == Run.id)
        .scalar_subquery()
        .label(name)
        for name, chosen in counts.items()
    ]
    found = select(func.count()).select_from(ProblemRow).where(ProblemRow.run_id == Run.id).scalar_subquery()
    columns: list[Any] = [*_RUN_COLUMNS, *counted, found.label("problems")]
    return select(*columns)


def _line(row: Row[Any]) -> RunSummary:
    return _summary(dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it


def _summary(fields: dict[str, Any]) -> RunSummary:
    requests = (fields.pop("requests_hector") or 0) + (fields.pop("requests_salto") or 0)
    for name in ("operations", "held"):
        fields[name] = fields[name] or 0
    return RunSummary(
        **fields | {"causes": fields["causes"] or [], "holds": fields["holds"] or [], "requests": requests}
    )
