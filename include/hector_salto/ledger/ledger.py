"""Opens the ledger, keeps it at the installed version, and writes what runs plan, do and see."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import logging
import re
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import tenacity
from sqlalchemy import and_, create_engine, delete, event, func, insert, make_url, or_, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from hector_salto.access import release, schemas
from hector_salto.access.drift import DRIFT, DriftBaseline
from hector_salto.access.guard_history import FEWEST_READS, LONG_STANDING, DatedRead, ReadCounts
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.snapshot import KEYS, SCHEMAS, Snapshot, empty_snapshot
from hector_salto.ledger.last_digests import LastDigests, forget_digests
from hector_salto.ledger.site_claims import is_held
from hector_salto.ledger.snapshot_rows import (
    MANY,
    Cells,
    as_stored,
    digest_of,
    end_rows,
    insert_cells,
    stored_cells,
    within_calendar,
)
from hector_salto.ledger.tables import (
    BOOKED,
    SEEN,
    Alert,
    Call,
    CallOperation,
    DoorEntry,
    Operation,
    ProblemRow,
    ReleaseRow,
    Run,
    SeenBorrower,
    SeenGroup,
    SeenMember,
    SeenPerson,
    SeenReservation,
    SeenRoom,
    SeenSchedule,
    writable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection, Engine, Row, RowMapping, Select
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect

LOG = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION = "0004"  # of the tables that this code knows: the last of the migrations
SCHEMA = "ledger"  # of a PostgreSQL database, so that it may be one that others use too
WAIT_FOR_LOCK = 30  # seconds that a write waits for another process's
RESTART = 30.0  # seconds: a PostgreSQL that restarts is there again
# What libpq and a server that has just begun, or ends, say to a client that connects.
RESTARTING = re.compile(
    r"refused|starting up|shutting down|not yet accepting|recovery mode|closed the connection|terminating connection"
    r"|reset by peer|timeout expired|timed out|no route to host|translate host name",
    re.IGNORECASE,
)
MIGRATING = 7_402_026  # any number: PostgreSQL's name of our lock
CHUNK = 500  # rows in one insert
CACHE_KIB = (
    65_536  # of SQLite's pages: with its own 2 MB the indexes of a large site's first look are written many times over
)
SAMPLED = 400  # rows of each index that statistics are made from
BESIDE = timedelta(minutes=1)  # two processes, each with its clock and its transaction
SERVER_ERROR, GAVE_UP = 500, 408  # HTTP: whether it was carried out is unknown
FOREVER = datetime.max.replace(tzinfo=UTC)
LATE = timedelta(hours=1)  # after which a request without an answer is not carried out any more
LONGEST_ID = 200  # of an event; Salto's own have 36 letters
SALTO_SIDE = ("people", "groups", "members", "doors", "schedules")  # what can drift
READ_BY_CLEANUP = ("groups", "members", "doors", "schedules", "locks")
MADE = ("done", "no_seat", "unknown")  # outcomes after which the user may be there
LEFT = "left"  # state of an operation that would repair drift, at a site that only wants it reported
TABLES = dict(zip(SCHEMAS, SEEN, strict=True))


class LedgerError(Exception):
    """The ledger cannot be read or written; the message says where and what to do. Nothing is sent unwritten."""


class SiteLostError(LedgerError):
    """Another run has taken over the site that this one had reserved."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """How a run begins."""

    integration: str
    kind: str
    airflow_run_id: str
    folder: str
    began_at: datetime
    triggered_by: str | None = None
    plan_only: bool = False
    chosen_references: list[str] | None = None
    approve: str | None = None
    trigger: str | None = None

    @property
    def whole(self) -> bool:
        """A sync of all reservations that applies its plan: only such a run can tell that a problem is over."""
        return self.kind == "sync" and not self.plan_only and not self.chosen_references


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run whose end is not in the ledger."""

    id: int
    kind: str
    airflow_run_id: str
    began_at: datetime

    def dag_id(self, integration: str) -> str:
        return f"salto_{self.kind}__{integration}"


@dataclass(frozen=True, slots=True)
class LastVerification:
    """The last look at the site that a sync has kept, and what runs have changed since or may still change.

    folder: name of that run's folder; groups: ids and names; people: whether users are among it; own: the same of whatever
    its own run has sent at all, for a caller that knows that the look was made before it.
    """

    folder: str
    groups: frozenset[str]
    people: bool
    own_groups: frozenset[str] = frozenset()
    own_people: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Which reservations: those for which all that is given holds; nothing given: all.

    finish_after: they finish after that moment; open_at: their window is open then; reference: they have it; user_ids: it
    is among their people; reservation_ids: these.
    """

    finish_after: datetime | None = None
    open_at: datetime | None = None
    reference: str | None = None
    user_ids: frozenset[str] | None = None
    reservation_ids: frozenset[str] | None = None

    def restrict(self, query: Select[Any]) -> Select[Any]:
        """A query of ``seen_reservations``, narrowed by all but the people."""
        table = SeenReservation
        if self.finish_after is not None:
            query = query.where(table.finish > self.finish_after)
        if self.open_at is not None:
            query = query.where(table.window_start <= self.open_at, table.window_end > self.open_at)
        if self.reference is not None:
            query = query.where(table.reference == self.reference)
        return query


EVERYTHING = Selection()


class Ledger:
    """One ledger.

    :param url: SQLAlchemy URL; SQLite or PostgreSQL.
    :param patience: seconds for which a PostgreSQL that is just restarting is waited for, each time a connection is made.
    """

    _opened: dict[tuple[str, float], Ledger] = {}  # noqa: RUF012 - one engine a process, URL and patience
    _opening = threading.Lock()
    _gave_up: set[str] = set()  # noqa: RUF012 - URLs for which a wait was in vain: an outage is waited for once, not by every call

    def __init__(self, url: str, patience: float = 0.0) -> None:
        self.url = make_url(url)
        self.patience = patience
        self.engine = self._engine()
        # SQLite allows one writer. Our threads are serialized here, so that none waits in SQLite's 50 ms back-off.
        self._turn = threading.Lock() if self.url.get_backend_name() == "sqlite" else nullcontext()

    @classmethod
    def open(cls, url: str, patience: float = 0.0, *, migrates: bool = True) -> Ledger:
        """The ledger at this URL, brought to the installed version first.

        Without ``migrates`` a ledger of another version is refused instead.

        A run is patient (RESTART): it need not end red because the database restarts. Who looks at a page is not.

        Raises:
            LedgerError: when it cannot be reached, was made by a newer version, or must be migrated first.
        """
        key = url, 0.0 if url.startswith("sqlite") else patience
        with cls._opening:
            if key not in cls._opened:
                ledger = cls(*key)
                with ledger.translate_errors():
                    ledger._upgrade(migrates=migrates)
                cls._opened[key] = ledger
            return cls._opened[key]

    @classmethod
    def forget_all(cls) -> None:
        """Close what this process has open (tests; after a fork)."""
        with cls._opening:
            for ledger in cls._opened.values():
                ledger.engine.dispose()
            cls._opened.clear()
            cls._gave_up.clear()

    @property
    def where(self) -> str:
        """Return the URL without its password and without the driver's options, which may hold another."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Whatever the database says, as one error that names it."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise LedgerError(
                f"the ledger at {self.where} cannot be used ({cause}): check that it is reachable and writable, then run again"
            ) from None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._turn, self.translate_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Beside a process that writes."""
        with self.translate_errors(), self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    # --- a run ------------------------------------------------------------------------------------------------------------

    def begin_run(self, begun: RunStart) -> int:
        fields = {name: getattr(begun, name) for name in RunStart.__dataclass_fields__}
        with self.transaction() as connection:
            return int(
                connection.execute(
                    insert(Run).values(**fields, whole=begun.whole, state="running").returning(Run.id)
                ).scalar_one()
            )

    def plan(
        self,
        run_id: int,
        operations: pd.DataFrame,
        problems: pd.DataFrame,
        left: pd.DataFrame | None = None,
        **facts: object,
    ) -> None:
        """The plan of a run (OPERATIONS, PROBLEMS) with what it was made from (columns of ``runs``).

        ``left``: OPERATIONS that would repair drift and are left out of the plan.

        A second try of the task that plans replaces the first's.

        Raises:
            LedgerError: when the run has sent something already; its record stays as it is.
        """
        rows = [row | {"run_id": run_id, "position": number} for number, row in enumerate(_all(operations, left), 1)]
        rows = [{"hector_says": None} | {name: row[name] for name in row if name != "rank"} for row in rows]
        _each_once(rows)
        with self.transaction() as connection:
            if _has_sent(connection, run_id):
                raise LedgerError(f"run {run_id} has sent its plan already, so the record of it is not replaced")
            connection.execute(delete(Operation).where(Operation.run_id == run_id))
            _insert(connection, Operation, rows)
            _problems(connection, run_id, problems)
            connection.execute(
                update(Run)
                .where(Run.id == run_id)
                .values(operations=len(operations), held=int(operations["state"].eq("held").sum()), **facts)
            )

    def add_problems(self, run_id: int, problems: pd.DataFrame) -> None:
        """The problems of a run, all of them (PROBLEMS)."""
        with self.transaction() as connection:
            _problems(connection, run_id, problems)

    def end_run(self, run_id: int, *, ended_at: datetime, causes: list[str], **facts: object) -> None:
        state = "red" if causes else "green"
        with self.transaction() as connection:
            connection.execute(
                update(Run).where(Run.id == run_id).values(ended_at=ended_at, state=state, causes=causes, **facts)
            )
            refresh_statistics(connection)

    def approve(self, integration: str, digest: str, by: str, at: datetime) -> None:
        """Keep who approved a held set, with the newest run that holds it; the first approval stays."""
        newest = select(func.max(Run.id)).where(Run.integration == integration, Run.digest == digest).scalar_subquery()
        with self.transaction() as connection:
            connection.execute(
                update(Run).where(Run.id == newest, Run.approved_by.is_(None)).values(approved_by=by, approved_at=at)
            )

    def unfinished(self, integration: str) -> list[UnfinishedRun]:
        """Return the runs without a recorded end: under way, or cut off."""
        query = select(Run.id, Run.kind, Run.airflow_run_id, Run.began_at).where(
            Run.integration == integration, Run.state == "running"
        )
        with self.reading() as connection:
            return [UnfinishedRun(*row) for row in connection.execute(query.order_by(Run.id))]

    def close_run(self, run_id: int, ended_at: datetime, cause: str) -> None:
        """End a run that was cut off. One that has recorded its end meanwhile keeps it."""
        values = {"ended_at": ended_at, "state": "red", "causes": [cause]}
        with self.transaction() as connection:
            connection.execute(update(Run).where(Run.id == run_id, Run.state == "running").values(**values))

    # --- who let it loose -------------------------------------------------------------------------------------------------

    def last_release(self, integration: str) -> release.ReleaseDecision | None:
        """Return the last decision of a person about an integration; None: there was none."""
        query = select(ReleaseRow).where(ReleaseRow.integration == integration).order_by(ReleaseRow.id.desc()).limit(1)
        with self.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else decision_of(row)

    def add_release(
        self, integration: str, decided: release.ReleaseDecision, airflow_run_id: str | None = None
    ) -> None:
        """Keep a person's decision about an integration."""
        target = decided.target
        values = {
            "integration": integration,
            "site_id": target.site_id,
            "hector_url": target.hector_url,
            "hector_instance": target.hector_instance,
            "decided_by": decided.by,
            "decided_at": decided.at,
            "withdrawn": decided.withdrawn,
            "airflow_run_id": airflow_run_id,
        }
        with self.transaction() as connection:
            connection.execute(insert(ReleaseRow).values(**values))

    def plan_site(self, run_id: int) -> str | None:
        """Return the id of the site that a run's plan is for; None: no plan was made."""
        with self.reading() as connection:
            return connection.execute(select(Run.site_id).where(Run.id == run_id)).scalar_one()

    def has_applied(self, run_id: int) -> bool:
        """Tell whether a run has applied a plan, or sent anything that changes something."""
        with self.reading() as connection:
            applied = connection.execute(select(Run.applied_at).where(Run.id == run_id)).scalar_one()
            return applied is not None or _has_sent(connection, run_id)

    def is_superseded(self, run_id: int) -> bool:
        """Tell whether a run is a sync, and one that began later has looked at Hector and Salto."""
        with self.reading() as connection:
            integration = connection.execute(select(Run.integration).where(Run.id == run_id)).scalar_one()
            return _is_superseded(connection, integration, run_id)

    # --- calls ------------------------------------------------------------------------------------------------------------

    def operation_ids(self, run_id: int) -> dict[str, int]:
        """The row of each operation of a run's plan, by key."""
        with self.reading() as connection:
            found = connection.execute(select(Operation.key, Operation.id).where(Operation.run_id == run_id))
            return {str(key): int(number) for key, number in found}

    def send(
        self,
        run_id: int,
        operations: Iterable[int],
        request: tuple[str, str, str],
        at: datetime,
        holder: str | None = None,
    ) -> int:
        """Write the intent of one request (service, method, path); committed when this returns.

        Args:
            holder: the process that has reserved the site (``hector_salto.ledger.site_claims``).

        Raises:
            SiteLostError: when another process has taken the site over: nothing may be sent.
        """
        service, method, path = request
        values = {"run_id": run_id, "service": service, "method": method, "path": path, "sent_at": at}
        with self.transaction() as connection:
            if holder is not None and not is_held(connection, holder, at):
                raise SiteLostError("another run has taken the site over")
            call_id = int(connection.execute(insert(Call).values(**values).returning(Call.id)).scalar_one())
            _insert(connection, CallOperation, [{"call_id": call_id, "operation_id": one} for one in operations])
        return call_id

    def answer(self, call_id: int, at: datetime, status: int | None, error: str | None) -> None:
        with self.transaction() as connection:
            connection.execute(
                update(Call).where(Call.id == call_id).values(answered_at=at, status=status, error=error)
            )

    def settle(self, operation_id: int, at: datetime, outcome: str, message: str) -> None:
        with self.transaction() as connection:
            connection.execute(
                update(Operation)
                .where(Operation.id == operation_id)
                .values(outcome=outcome, message=message or None, settled_at=at)
            )

    # --- what was seen ----------------------------------------------------------------------------------------------------

    def observe(  # noqa: PLR0913 - a look, when it was made, and what it covers
        self,
        run_id: int,
        integration: str,
        looked: Mapping[str, pd.DataFrame],
        at: datetime,
        *,
        read_at: datetime | None = None,
        again_at: datetime | None = None,
        still_read: datetime | None = None,
    ) -> None:
        """Keep what changed since the last look.

        Args:
            looked: tables of ``Seen`` by name; those left out were not looked at.
            at: when. A change that one of our own calls brought about is dated by its answer.
            read_at: when reading Salto began. A look that our own calls, of whichever run, have outdated since is not
                kept: a newer one may be. What Hector alone shows is kept all the same, but for a sync when one that began
                later has looked: then nothing is.
            again_at: when this run began to read again what it has changed itself; None: it has not.
            still_read: Hector is asked for reservations from this moment on; those over before it are not shown any
                more, which says nothing about them.
        """
        looked = {name: table[list(SCHEMAS[name].columns)] for name, table in looked.items()}
        digests = {name: digest_of(table) for name, table in looked.items()}  # before others are kept from writing
        with self.transaction() as connection:
            if _is_superseded(connection, integration, run_id):
                LOG.info("what run %d read is not kept: a sync that began later has looked already", run_id)
                return
            last_read = again_at or read_at
            newer = frozenset() if last_read is None else _read_since(connection, integration, last_read, run_id)
            outdated = read_at is not None and (
                _has_calls_since(connection, _others_of_site(integration, run_id), read_at)
                or _has_calls_since(connection, Run.id == run_id, again_at or read_at)
                or "sync" in newer
            )
            if outdated:
                LOG.info("what was read from Salto at %s is not kept: Salto was changed since, or read again", read_at)
                looked = {name: table for name, table in looked.items() if name in BOOKED}
            elif newer:  # a cleanup reads no users
                looked = {name: table for name, table in looked.items() if name not in READ_BY_CLEANUP}
            last = LastDigests.lock(connection, integration)
            same = last.find_same(digests, looked, still_read)
            anew = {name: table for name, table in looked.items() if name not in same}
            if anew:
                look = _Look(connection, integration, run_id, at, still_read)
                settled = look.keep(anew)
                last.replace({name: digests[name] if name in settled else None for name in anew}, still_read)
            if not outdated:
                connection.execute(update(Run).where(Run.id == run_id).values(observed_at=at, read_at=last_read))

    def read_snapshot(
        self,
        integration: str,
        at: datetime | None = None,
        *,
        about: Selection = EVERYTHING,
        names: Iterable[str] = SCHEMAS,
    ) -> Snapshot:
        """What was known to be so at a moment; None: at the last look.

        Args:
            integration: whose.
            at: aware.
            about: which reservations, with their people and rooms; a ledger of years holds many.
            names: of the tables to read; the others stay empty.
        """
        with self.reading() as connection:
            wanted = list(names)
            ids = (
                None if about == EVERYTHING or BOOKED.isdisjoint(wanted) else _about(connection, integration, at, about)
            )
            tables = {name: _as_of(connection, name, integration, at, _of(name, ids)) for name in wanted}
        return replace(empty_snapshot(), **tables)

    def read_surroundings(
        self, integration: str, reservation_ids: Iterable[str], user_ids: Iterable[str] = ()
    ) -> Snapshot:
        """Return what was so at the last look, as far as the chains of these reservations and users ask.

        That is their users, the access groups of both, and all locks; of places nothing.
        """
        with self.reading() as connection:
            read = partial(_as_of, connection, integration=integration, at=None)
            ids = set(reservation_ids)
            tables = {name: read(name=name, only=_of(name, ids)) for name in BOOKED}
            users = {*user_ids, *tables["borrowers"]["user_id"]}
            tables["people"] = read(name="people", only=(SeenPerson.user_id, users))
            site_users = set(tables["people"]["platform_user_id"].dropna())
            theirs = read(name="members", only=(SeenMember.platform_user_id, site_users))
            named = {f"{GROUP_PREFIX}{reference}" for reference in tables["reservations"]["reference"]}
            groups = pd.concat(
                [
                    read(name="groups", only=(SeenGroup.name, named)),
                    read(name="groups", only=(SeenGroup.group_id, set(theirs["group_id"]))),
                ]
            )
            tables["groups"] = groups.drop_duplicates("group_id", ignore_index=True)
            for name in ("members", "doors", "schedules"):
                tables[name] = read(name=name, only=(TABLES[name].group_id, set(groups["group_id"])))  # type: ignore[attr-defined]
            tables["locks"] = read(name="locks", only=None)
        return replace(empty_snapshot(), **tables)

    def left(self, integration: str, moment: datetime) -> frozenset[tuple[str, str | None]]:
        """Key and ``after`` of the drift that the last sync of all reservations before a moment did not repair."""
        with self.reading() as connection:
            last = (
                _whole_syncs(integration, moment).where(Run.planned_at.is_not(None)).with_only_columns(Run.id).limit(1)
            )
            known = or_(
                Operation.state == LEFT, and_(Operation.cause == DRIFT, Operation.outcome.is_distinct_from("done"))
            )
            query = select(Operation.key, Operation.after).where(Operation.run_id == last.scalar_subquery(), known)
            return frozenset((str(key), after) for key, after in connection.execute(query))

    def reads(self, integration: str, moment: datetime) -> list[DatedRead]:
        """Return what the syncs of all reservations before a moment read, as far back as the baseline looks."""
        query = _whole_syncs(integration, moment).where(
            Run.planned_at.is_not(None), Run.users_read.is_not(None), Run.reservations_read.is_not(None)
        )
        columns: list[Any] = [Run.began_at, Run.users_read, Run.reservations_read]
        query = query.with_only_columns(*columns)
        with self.reading() as connection:
            recent = connection.execute(query.where(Run.began_at > moment - LONG_STANDING)).all()
            earlier = connection.execute(query.where(Run.began_at <= moment - LONG_STANDING).limit(FEWEST_READS)).all()
        return [
            DatedRead(row.began_at, ReadCounts(row.users_read, row.reservations_read)) for row in (*recent, *earlier)
        ]

    def created_users(self, integration: str, site_id: str) -> frozenset[str]:
        """Return the Hector user ids of users whom the sync created on a site, as far as this ledger knows.

        A request that was sent and not answered counts as well: only a run sets the marker, by creating or by adopting.
        """
        sent = select(CallOperation.operation_id).where(CallOperation.operation_id == Operation.id).exists()
        happened = or_(Operation.outcome.in_(MADE), and_(Operation.outcome.is_(None), sent))
        query = (
            select(Operation.user_id, Operation.kind)
            .join(Run, Run.id == Operation.run_id)
            .where(Run.integration == integration, Run.site_id == site_id)
            .where(Operation.kind.in_(["user_create", "user_adopt"]), happened)
            .order_by(Operation.id)
        )
        with self.reading() as connection:
            last = {str(user_id): kind for user_id, kind in connection.execute(query)}
        return frozenset(user_id for user_id, kind in last.items() if kind == "user_create")

    def accounts(
        self, integration: str, moment: datetime, site_id: str | None = None
    ) -> tuple[tuple[DriftBaseline, ...], frozenset[str]]:
        """How the runs before a moment left a site, and the units (of OPERATIONS) of which that is not known.

        The last look of the last sync of all reservations counts for all units; a later reload of some reservations
        counts for the units it changed, when it looked again after that. Whatever else was changed is not known. Nothing
        is known of another site, or after another integration has applied a plan to this one.
        """
        with self.reading() as connection:
            base = connection.execute(
                _whole_syncs(integration, moment)
                .where(Run.observed_at.is_not(None))
                .with_only_columns(Run.id, Run.observed_at, Run.site_id)
                .limit(1)
            ).first()
            if base is None or base.site_id != site_id:
                return (), frozenset()
            if _was_handed_over(connection, integration, site_id, base.observed_at):
                return (), frozenset()
            later = connection.execute(_units_of_calls_after(integration, moment, base.observed_at)).all()
        own: dict[datetime, set[str]] = {}
        unsure: set[str] = set()
        for unit, rows in itertools.groupby(later, key=lambda row: str(row.unit)):
            last = max(rows, key=lambda row: row.sent_at)
            if last.kind == "sync" and last.observed_at is not None and last.observed_at > last.sent_at:
                own.setdefault(last.observed_at, set()).add(unit)
            else:
                unsure.add(unit)
        looks = [(base.observed_at, None), *((at, frozenset(units)) for at, units in own.items())]
        accounts = (DriftBaseline(self.read_snapshot(integration, at, names=SALTO_SIDE), units) for at, units in looks)
        return tuple(accounts), frozenset(unsure)

    def last_schedules(self, integration: str, group_ids: Iterable[str]) -> pd.DataFrame:
        """Return the schedules (SCHEMAS) that access groups carried when any was last seen in them."""
        columns: list[Any] = [SeenSchedule.until, *_columns("schedules")]
        query = select(*columns).where(SeenSchedule.integration == integration)
        with self.reading() as connection:
            found = among(connection, query, SeenSchedule.group_id, group_ids)
        last: dict[str, datetime] = {}
        for row in found:
            until = row.until or FOREVER
            last[row.group_id] = max(until, last.get(row.group_id, until))
        rows = [dict(row._mapping) for row in found if (row.until or FOREVER) == last[row.group_id]]  # noqa: SLF001 - SQLAlchemy's public name for it
        return schemas.frame(SCHEMAS["schedules"], [{k: v for k, v in row.items() if k != "until"} for row in rows])

    def last_look(self, integration: str) -> LastVerification | None:
        """The last look of a sync; None: there was none, or another integration may have changed the site since.

        What was changed since is what calls after it concern; those of other runs that were under way at that moment; and
        those that got no answer, because they may be carried out late.
        """
        with self.reading() as connection:
            columns: list[Any] = [Run.id, Run.folder, Run.observed_at, Run.site_id]
            query = select(*columns).where(
                Run.integration == integration, Run.kind == "sync", Run.observed_at.is_not(None)
            )
            look = connection.execute(query.order_by(Run.observed_at.desc(), Run.id.desc()).limit(1)).first()
            if look is None or _was_handed_over(connection, integration, look.site_id, look.observed_at):
                return None
            rows = connection.execute(_perhaps_changed(integration, look.id, look.observed_at)).all()
            own = connection.execute(_calls_of_run(look.id)).all()
        return LastVerification(look.folder, *_affected_groups(rows), *_affected_groups(own))

    # --- entries and alerts -----------------------------------------------------------------------------------------------

    def add_entries(self, integration: str, entries: pd.DataFrame) -> int:
        """Events at doors (DOOR_EVENTS); those known already are passed over. How many were new."""
        with self.transaction() as connection:
            first = min(entries["at"], default=datetime.now(UTC)) - timedelta(days=1)
            recent = select(DoorEntry.entry_id).where(DoorEntry.integration == integration, DoorEntry.at >= first)
            known = set(connection.execute(recent).scalars())
            rows = [
                row | {"integration": integration, "entry_id": shown}
                for row in _rows(entries.drop(columns="tag"))
                if (shown := _short(row["entry_id"])) not in known
            ]
            _insert(connection, DoorEntry, rows)
        return len(rows)

    # --- retention --------------------------------------------------------------------------------------------------------

    def remove_before(self, integration: str, moment: datetime) -> dict[str, int]:
        """Runs that began, and whatever was last seen, before a moment; how many rows of each."""
        removed: dict[str, int] = {}
        with self.transaction() as connection:
            old = select(Run.id).where(Run.integration == integration, Run.began_at < moment)
            calls = select(Call.id).where(Call.run_id.in_(old))
            connection.execute(delete(CallOperation).where(CallOperation.call_id.in_(calls)))
            for table in (Call, Operation, ProblemRow):
                removed[table.__tablename__] = connection.execute(delete(table).where(table.run_id.in_(old))).rowcount
            removed["runs"] = connection.execute(delete(Run).where(Run.id.in_(old))).rowcount
            over = select(SeenReservation.reservation_id).where(
                SeenReservation.integration == integration, SeenReservation.finish < moment
            )
            for seen_table in (SeenBorrower, SeenRoom, SeenReservation):  # what is over is not seen to end
                ended = delete(seen_table).where(
                    seen_table.integration == integration,
                    seen_table.until.is_(None),
                    seen_table.reservation_id.in_(over),
                )
                removed[seen_table.__tablename__] = connection.execute(ended).rowcount
            if any(removed[str(table.__tablename__)] for table in (SeenBorrower, SeenRoom, SeenReservation)):
                forget_digests(connection, integration)  # Hector may show one of them again
            for gone_table in SEEN:
                name = str(gone_table.__tablename__)  # type: ignore[attr-defined]
                gone = delete(gone_table).where(gone_table.integration == integration, gone_table.until < moment)
                removed[name] = removed.get(name, 0) + connection.execute(gone).rowcount
            for dated in (DoorEntry, Alert):
                gone = delete(dated).where(dated.integration == integration, dated.at < moment)
                removed[dated.__tablename__] = connection.execute(gone).rowcount
        return removed

    # --- opening ----------------------------------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        if self.url.get_backend_name() == "sqlite":
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            engine = create_engine(self.url, connect_args={"timeout": WAIT_FOR_LOCK})
            event.listen(engine, "connect", _sqlite_settings)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        options = {"options": f"-csearch_path={SCHEMA}", "connect_timeout": 10}
        engine = create_engine(self.url, connect_args=options, pool_pre_ping=True)
        if self.patience:
            event.listen(engine, "do_connect", self._connect)
        return engine

    def _connect(
        self, dialect: Dialect, _record: object, arguments: list[Any], named: dict[str, Any]
    ) -> DBAPIConnection:
        """Nothing has been sent through a connection that is only being made: it may be made again."""
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: RESTARTING.search(str(error)) is not None),
            wait=tenacity.wait_exponential(multiplier=0.25, max=3),
            stop=tenacity.stop_after_delay(self.patience)
            if str(self.url) not in self._gave_up
            else tenacity.stop_after_attempt(1),
            before_sleep=lambda _: LOG.info("the ledger's database does not answer: asking again"),
            reraise=True,
        )
        try:
            made: DBAPIConnection = again(dialect.connect, *arguments, **named)
        except Exception:
            self._gave_up.add(str(self.url))
            raise
        self._gave_up.discard(str(self.url))
        return made

    def found_version(self) -> str | None:
        """Return the version of the tables; null before the first time.

        Raises:
            LedgerError: when the database cannot be reached.
        """
        with self.translate_errors():
            return self._version()

    def _upgrade(self, *, migrates: bool) -> None:
        found = self._version()
        if found == VERSION:
            return
        if not migrates:
            raise LedgerError(
                f"the ledger at {self.where} has version {found or 'none'}, and this code needs {VERSION}; run "
                "`python -m commands ledger upgrade` (HECTOR_SALTO_LEDGER_MIGRATIONS is refuse)"
            )
        # Few processes need it, and it takes each task a fifth of a second to import.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self._alone() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:
                raise LedgerError(
                    f"the ledger at {self.where} was made by a newer version of this product: install that version"
                ) from None

    def _version(self) -> str | None:
        """Of the tables; None before the first time."""
        with self.engine.connect() as connection:
            if not self.engine.dialect.has_table(connection, "alembic_version"):
                return None
            return connection.execute(text("select version_num from alembic_version")).scalar_one_or_none()

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        """A connection that no other process migrates beside."""
        if self.url.get_backend_name() == "sqlite":
            with Path(f"{self.url.database}.migrating").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                with self.engine.begin() as connection:
                    yield connection
            return
        with self.engine.begin() as connection:
            connection.execute(text(f"select pg_advisory_xact_lock({MIGRATING})"))
            connection.execute(text(f"create schema if not exists {SCHEMA}"))
            yield connection


def refresh_statistics(connection: Connection) -> None:
    """Let SQLite choose indexes by what is in the tables (PostgreSQL does so by itself): some milliseconds."""
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"pragma analysis_limit={SAMPLED}"))
        connection.execute(text("analyze"))


def decision_of(row: RowMapping) -> release.ReleaseDecision:
    """Return a row of ``releases`` as the decision that it keeps."""
    target = release.Target(row["site_id"], row["hector_url"], row["hector_instance"])
    return release.ReleaseDecision(target, row["decided_by"], row["decided_at"], row["withdrawn"])


def _sqlite_settings(connection: DBAPIConnection, _record: object) -> None:
    """Readers and one writer at a time, without waiting for each other more than they must."""
    connection.isolation_level = None  # the driver would begin too late, see _sqlite_begin
    cursor = connection.cursor()
    cursor.execute("pragma journal_mode=wal")
    cursor.execute("pragma synchronous=normal")
    cursor.execute("pragma foreign_keys=on")
    cursor.execute(f"pragma cache_size=-{CACHE_KIB}")
    cursor.close()


def _all(operations: pd.DataFrame, left: pd.DataFrame | None) -> list[dict[str, Any]]:
    return _rows(operations) + ([] if left is None else _rows(left.assign(state=LEFT)))


def _sqlite_begin(connection: Connection) -> None:
    """A transaction that reads before it writes must have the lock from the start, or it fails instead of waiting."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("begin" if reading else "begin immediate")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Plain rows: nulls as None, instants as datetimes, numbers and flags as Python's own."""
    records: list[dict[str, Any]] = table.astype("object").where(table.notna(), None).to_dict("records")  # type: ignore[assignment]
    return [{name: _plain(value) for name, value in row.items()} for row in records]


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell
    if isinstance(value, pd.Timestamp):
        return within_calendar(value)
    if isinstance(value, str):
        return writable(value)  # as it comes back, so that the same look twice is no change
    return value.item() if hasattr(value, "item") else value


def _short(entry_id: str) -> str:
    """Itself; one too long for a unique index by its digest."""
    return entry_id if len(entry_id) <= LONGEST_ID else hashlib.sha256(entry_id.encode()).hexdigest()


def _each_once(rows: list[dict[str, Any]]) -> None:
    """A key is too long for a unique index of PostgreSQL to see to that.

    Raises:
        LedgerError: naming the key that is there twice.
    """
    known: set[str] = set()
    for row in rows:
        if row["key"] in known:
            raise LedgerError(f"the plan has the operation {row['key']} twice: report it with this task's log")
        known.add(row["key"])


def _has_sent(connection: Connection, run_id: int) -> bool:
    return connection.execute(select(Call.id).where(Call.run_id == run_id).limit(1)).first() is not None


def _others_of_site(integration: str, run_id: int) -> ColumnElement[bool]:
    """The other runs of an integration, and those of any other one that are for the same site."""
    site = select(Run.site_id).where(Run.id == run_id).scalar_subquery()
    return and_(Run.id != run_id, or_(Run.integration == integration, Run.site_id == site))


def _was_handed_over(connection: Connection, integration: str, site_id: str | None, looked: datetime) -> bool:
    """Tell whether another integration may have changed a site after a look at it."""
    applied = (Run.site_id == site_id, Run.applied_at > looked - LATE, Run.integration != integration)
    return connection.execute(select(Run.id).where(*applied).limit(1)).first() is not None


def _has_calls_since(connection: Connection, whose: ColumnElement[bool], moment: datetime) -> bool:
    """Whether a call of these runs was sent, or still under way, after a moment."""
    query = (
        select(Call.id)
        .join(Run, Run.id == Call.run_id)
        .where(whose)
        .where(func.coalesce(Call.answered_at, Call.sent_at) > moment)
        .where(or_(Run.ended_at.is_(None), Run.ended_at > moment))  # few: the index of calls by run finds theirs
    )
    return connection.execute(query.limit(1)).first() is not None


def _is_superseded(connection: Connection, integration: str, run_id: int) -> bool:
    """Tell whether a run is a sync, and one that began later has looked: what it knows of Hector is newer."""
    kind = select(Run.kind).where(Run.id == run_id).scalar_subquery()
    later = (Run.integration == integration, Run.kind == "sync", kind == "sync", Run.id > run_id)
    query = select(Run.id).where(*later, Run.observed_at.is_not(None))
    return connection.execute(query.limit(1)).first() is not None


def _read_since(connection: Connection, integration: str, moment: datetime, run_id: int) -> frozenset[str]:
    """Return the kinds of the other runs whose kept look was read after a moment."""
    others = (Run.integration == integration, Run.id != run_id, Run.read_at > moment)
    return frozenset(connection.execute(select(Run.kind).where(*others).distinct()).scalars())


def _insert(connection: Connection, table: type[Any], rows: list[dict[str, Any]]) -> None:
    for begin in range(0, len(rows), CHUNK):
        connection.execute(insert(table), rows[begin : begin + CHUNK])


def _problems(connection: Connection, run_id: int, problems: pd.DataFrame) -> None:
    """All problems of a run, each open since when the last sync of all reservations before it has it open."""
    run = connection.execute(select(Run.integration, Run.began_at).where(Run.id == run_id)).one()
    before = (
        select(Run.id)
        .where(Run.integration == run.integration, Run.whole.is_(True), Run.planned_at.is_not(None), Run.id < run_id)
        .order_by(Run.id.desc())
        .limit(1)
    )
    query = select(ProblemRow.code, ProblemRow.subject, ProblemRow.open_since).where(
        ProblemRow.run_id == before.scalar_subquery()
    )
    since = {(code, subject): opened for code, subject, opened in connection.execute(query)}
    rows = _rows(problems)
    for row in rows:
        row |= {"run_id": run_id, "open_since": since.get((row["code"], row["subject"]), run.began_at)}
    connection.execute(delete(ProblemRow).where(ProblemRow.run_id == run_id))
    _insert(connection, ProblemRow, rows)


def _columns(name: str) -> list[Any]:
    return [getattr(TABLES[name], column) for column in SCHEMAS[name].columns]


def _of(name: str, reservations: set[str] | None) -> tuple[Any, set[str]] | None:
    """Return what narrows a table to some reservations; None: nothing does."""
    if name not in BOOKED or reservations is None:
        return None
    return TABLES[name].reservation_id, reservations  # type: ignore[attr-defined]


def _as_of(
    connection: Connection, name: str, integration: str, at: datetime | None, only: tuple[Any, set[str]] | None
) -> pd.DataFrame:
    """Return one table of a look; ``only``: rows whose column is one of these (None: all)."""
    query = _live(select(*_columns(name)), TABLES[name], integration, at)
    found = list(connection.execute(query).all()) if only is None else among(connection, query, *only)
    schema = SCHEMAS[name]
    if not found:
        return schemas.frame(schema, [])
    table = pd.DataFrame([tuple(row) for row in found], columns=list(schema.columns))
    return schemas.validate(schema, table).sort_values(KEYS[name], ignore_index=True)


def among(connection: Connection, query: Select[Any], column: Any, ids: Iterable[str]) -> list[Row[Any]]:  # noqa: ANN401 - a column
    """Rows of a query whose column is one of these.

    Ids are given as they are, not as a query: from that, a database that guesses wrong makes a loop in a loop.
    """
    wanted = sorted(set(ids))
    chunks = (wanted[begin : begin + MANY] for begin in range(0, len(wanted), MANY))
    return [row for some in chunks for row in connection.execute(query.where(column.in_(some)))]


def _about(connection: Connection, integration: str, at: datetime | None, about: Selection) -> set[str]:
    """Ids of the reservations that are asked about."""
    if about.reservation_ids is not None:
        return set(about.reservation_ids)
    query = about.restrict(_live(select(SeenReservation.reservation_id), SeenReservation, integration, at))
    if about.user_ids is None:
        return set(connection.execute(query).scalars())
    theirs = select(SeenBorrower.reservation_id).where(SeenBorrower.integration == integration)
    rows = among(connection, theirs, SeenBorrower.user_id, about.user_ids)
    return {
        str(row[0]) for row in among(connection, query, SeenReservation.reservation_id, {str(row[0]) for row in rows})
    }


def _whole_syncs(integration: str, moment: datetime) -> Select[Any]:
    """Syncs of all reservations that were to be applied, the latest first."""
    return (
        select(Run)
        .where(Run.integration == integration, Run.kind == "sync", Run.whole.is_(True), Run.began_at < moment)
        .order_by(Run.began_at.desc(), Run.id.desc())
    )


def _units_of_calls_after(integration: str, moment: datetime, looked: datetime) -> Select[Any]:
    """Units that calls after a look concerned: unit, sent_at, and the run's kind and last look; by unit."""
    columns: list[Any] = [Operation.unit, Call.sent_at, Run.kind, Run.observed_at]
    return (
        select(*columns)
        .join(CallOperation, CallOperation.operation_id == Operation.id)
        .join(Call, Call.id == CallOperation.call_id)
        .join(Run, Run.id == Operation.run_id)
        .where(Run.integration == integration, Run.began_at < moment, Call.sent_at > looked)
        .order_by(Operation.unit)
    )


def _perhaps_changed(integration: str, run_id: int, looked: datetime) -> Select[Any]:
    """Operations whose calls a look of a run may not have seen carried out."""
    beside = and_(Run.id != run_id, func.coalesce(Call.answered_at, Call.sent_at) > looked - BESIDE)
    unclear = or_(Call.status.is_(None), Call.status >= SERVER_ERROR, Call.status == GAVE_UP)
    unheard = and_(unclear, Call.sent_at > looked - LATE)
    return (
        _units_of_calls()
        .join(Run, Run.id == Call.run_id)
        .where(Run.integration == integration, Call.sent_at > looked - LATE)
        .where(or_(Call.sent_at > looked, beside, unheard))
    )


def _calls_of_run(run_id: int) -> Select[Any]:
    return _units_of_calls().where(Call.run_id == run_id)


def _units_of_calls() -> Select[Any]:
    """What the operations that calls carry concern."""
    columns: list[Any] = [Operation.group_id, Operation.group_name, Operation.user_id, Operation.reference]
    return (
        select(*columns)
        .join(CallOperation, CallOperation.operation_id == Operation.id)
        .join(Call, Call.id == CallOperation.call_id)
    )


def _affected_groups(rows: Iterable[Row[Any]]) -> tuple[frozenset[str], bool]:
    """Ids and names of the groups, and whether any row is about a person alone."""
    kept = list(rows)
    names = {str(name) for row in kept for name in (row.group_id, row.group_name) if name is not None}
    return frozenset(names), any(row.user_id and not row.reference for row in kept)


def _live(query: Select[Any], table: Any, integration: str, at: datetime | None) -> Select[Any]:  # noqa: ANN401 - one of SEEN
    """Narrowed to what was so at a moment."""
    query = query.where(table.integration == integration)
    if at is None:
        return query.where(table.until.is_(None))
    return query.where(table.seen_at <= at, table.until.is_(None) | (table.until > at))


def _last_changes_of_groups(connection: Connection, integration: str) -> dict[str, datetime]:
    """When our own calls last changed each group since the last look, by group id and name."""
    looked = connection.execute(select(func.max(Run.observed_at)).where(Run.integration == integration)).scalar()
    query = (
        select(Operation.group_id, Operation.group_name, Operation.settled_at)
        .join(Run)
        .where(Run.integration == integration, Operation.outcome == "done", Operation.group_name.is_not(None))
    )
    if looked is not None:  # only runs that may have settled anything since: all others' operations need not be read
        query = query.where(Operation.settled_at > looked, or_(Run.ended_at.is_(None), Run.ended_at > looked))
    found: dict[str, datetime] = {}
    for group_id, name, settled in connection.execute(query):
        for subject in filter(None, (group_id, name)):
            if settled is not None:
                found[subject] = max(settled, found.get(subject, settled))
    return found


@dataclass(frozen=True)
class _Look:
    """A look that is compared with what is known, table by table.

    Attributes:
        still_read: Hector is asked for reservations from this moment on; None: for all.
    """

    connection: Connection
    integration: str
    run_id: int
    at: datetime
    still_read: datetime | None

    def keep(self, looked: Mapping[str, pd.DataFrame]) -> frozenset[str]:
        """Close what is so no more, and add what is so now.

        Returns:
            the tables of which the same look again would change nothing.
        """
        changed = _last_changes_of_groups(self.connection, self.integration)
        asked = self._asked_for() if self.still_read and not BOOKED.isdisjoint(looked) else None
        new = {name for name in looked if self._is_new(name)}
        known = {name: {} if name in new else self._known_rows(name, table, asked) for name, table in looked.items()}
        fresh = {name: self._keep_changes(name, known[name], table, changed) for name, table in looked.items()}
        if asked is None or not self._has_unseen(looked, fresh.get("reservations", []), asked, new):
            return frozenset(looked)
        return frozenset(looked) - BOOKED

    def _is_new(self, name: str) -> bool:
        """Tell whether nothing at all is known of a table."""
        query = _live(select(TABLES[name].id), TABLES[name], self.integration, None).limit(1)
        return self.connection.execute(query).first() is None

    def _asked_for(self) -> set[str]:
        return _about(self.connection, self.integration, None, Selection(finish_after=self.still_read))

    def _known_rows(self, name: str, looked: pd.DataFrame, asked: set[str] | None) -> dict[Cells, int]:
        """What is known to be so and could have been seen now: the cells of each row, with its ``id``.

        A reservation that was over before what Hector is asked for is not shown any more, which says nothing about it; if
        it is shown all the same, it was moved.
        """
        table = TABLES[name]
        query = _live(select(table.id, *map(as_stored, _columns(name))), table, self.integration, None)
        if name not in BOOKED or asked is None:
            found = list(self.connection.execute(query).all())
        else:
            found = among(self.connection, query, table.reservation_id, asked | _ids(looked))  # type: ignore[attr-defined]
        return {tuple(row)[1:]: row[0] for row in found}

    def _keep_changes(
        self, name: str, before: dict[Cells, int], looked: pd.DataFrame, changed: Mapping[str, datetime]
    ) -> list[Cells]:
        """Return the rows that are new."""
        table, columns = TABLES[name], list(SCHEMAS[name].columns)
        now = dict.fromkeys(stored_cells(looked, self.connection.dialect))
        fresh = [cells for cells in now if cells not in before]
        common = {"integration": self.integration, "since_run": self.run_id}
        over = [cells for cells in before if cells not in now]
        for moment, rows in self._by_moment(over, columns, changed).items():
            end_rows(self.connection, table, [before[cells] for cells in rows], moment)
        for moment, rows in self._by_moment(fresh, columns, changed).items():
            insert_cells(self.connection, table, common | {"seen_at": moment}, columns, rows)
        return fresh

    def _by_moment(
        self, rows: list[Cells], columns: list[str], changed: Mapping[str, datetime]
    ) -> dict[datetime, list[Cells]]:
        """A change of a group that one of our own calls brought about is dated by its answer."""
        named = [columns.index(name) for name in ("group_id", "name") if name in columns] if changed else []
        if not named:
            return {self.at: rows}
        found: dict[datetime, list[Cells]] = {}
        for cells in rows:
            own = (changed[str(cells[place])] for place in named if str(cells[place]) in changed)
            found.setdefault(next(own, self.at), []).append(cells)
        return found

    def _has_unseen(
        self, looked: Mapping[str, pd.DataFrame], fresh: list[Cells], asked: set[str], new: set[str]
    ) -> bool:
        """Tell whether a reservation that was over is shown again, and users or places are known of it that are not."""
        returned = {str(cells[0]) for cells in fresh} - asked  # SEEN_RESERVATIONS begin with their id
        return any(
            self._knows_of(name, returned - (_ids(looked[name]) if name in looked else set()))
            for name in ("borrowers", "rooms")
            if name not in new
        )

    def _knows_of(self, name: str, reservation_ids: set[str]) -> bool:
        column: Any = TABLES[name].reservation_id  # type: ignore[attr-defined]
        query = _live(select(column), TABLES[name], self.integration, None).limit(1)
        return bool(among(self.connection, query, column, reservation_ids))


def _ids(booked: pd.DataFrame) -> set[str]:
    return set(booked["reservation_id"].to_numpy(dtype=object))
