"""Ends a run: green or red, with every cause named; its report, its doors of the next day, its last line in the ledger."""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
from airflow.providers.common.compat.sdk import Stats

from hector.hook import hector_hook
from hector_salto.access import schemas
from hector_salto.access.clocks import timezone_problems
from hector_salto.access.dependencies import rows
from hector_salto.access.operations import HELD
from hector_salto.access.places import silent_places
from hector_salto.access.problems import all_problems, problems
from hector_salto.access.results import DONE, NO_SEAT, UNKNOWN
from hector_salto.access.seats import SeatUse, forecast, seat_problems
from hector_salto.access.snapshot import Snapshot, snapshot_of_groups
from hector_salto.access.taps import with_tap_tags
from hector_salto.access.upcoming_failures import risks
from hector_salto.http_client import request_counter
from hector_salto.http_client.errors import RestError
from hector_salto.ledger.ledger import READ_BY_CLEANUP, LedgerError
from hector_salto.reports.change_details import Before, Hector
from hector_salto.reports.held import list_held
from hector_salto.reports.page import page
from hector_salto.reports.people import People
from hector_salto.reports.summary import Facts, Tables, summary, summary_lines
from hector_salto.reports.text import (
    failure_lines,
    many,
    outcome_counts,
    plan_lines,
    plan_only_sentence,
    problem_lines,
)
from hector_salto.workflow import release, run_history
from hector_salto.workflow.extraction import hector_of
from hector_salto.workflow.failures import HistoryError, RunError, StalePlanError, failure_messages, step_costs
from hector_salto.workflow.planning import Verification, snapshot_of_run
from hector_salto.workflow.recorder import Book
from hector_salto.workflow.run_start import OLDEST_PLAN, as_of, run_note
from hector_salto.workflow.site_cache import current_of, keep_current, site_id_of
from hector_salto.workflow.storage import StorageError, UnreadableFileError
from salto.hook import SaltoHook

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from hector_salto.access.current import Current
    from hector_salto.integration import Integration
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
SETTLING = (0.0, 3.0, 10.0)  # seconds: Salto shows what was written "within a few seconds" (contract, 5.3)
TOLD_AT_ONCE = 10
UNREADABLE = (RestError, LedgerError, HistoryError, StalePlanError, schemas.SchemaError, UnreadableFileError)
NO_PLAN = "the run ended before a plan was made, and nothing was written to Salto; see the failed task's log"
BEFORE = {"doors": "current_group_locks", "matches": "current_matches", "locks": "current_locks"}


@dataclass(frozen=True)
class ReportSpec:
    """What a run is to end with.

    integration: whose; steps: those whose failure ends it red; look: reads Salto again, None: nothing was sent;
    promise: what a green run has brought about.
    """

    integration: Integration
    steps: tuple[str, ...]
    look: Callable[[], Verification] | None
    promise: str = "Salto holds what Hector says"


@dataclass(frozen=True)
class ReportFindings:
    """What the report itself found.

    look: Salto after all was sent; unchecked: why tomorrow's doors were not checked; before: our groups before the run;
    problems: of the whole run, None: not looked for; events: at the doors, None: not read.
    """

    look: Verification | None = None
    unchecked: str | None = None
    before: Before | None = None
    problems: pd.DataFrame | None = None
    events: pd.DataFrame | None = None


def report(folder: RunFolder, ending: ReportSpec) -> None:
    """End the run: green when all of the plan holds in Salto, problems or not; red otherwise, naming each cause.

    The report's files come first: a ledger that is away just then is one of the causes, and hides none of the others.

    Raises:
        RunError: with every cause, when the run is red.
    """
    began, sent = time.monotonic(), request_counter.request_counts()
    causes = _overtaken(folder)
    if causes:
        ending = replace(ending, look=None)
    causes += failure_messages(folder, ending.steps)
    found = _found(folder, ending, causes)
    tables = _tables(folder, found.before, causes)
    facts = _facts(folder, ending, causes, found, (time.monotonic() - began, request_counter.request_counts() - sent))
    causes += _write(folder, facts, tables)
    if lost := _book(folder, facts, tables, found):
        causes += lost
        _write(folder, facts, tables)
    _tell(folder, facts, tables)
    if causes:
        for cause in causes:
            LOG.error(cause)
        more = f"; and {len(causes) - TOLD_AT_ONCE} more" if len(causes) > TOLD_AT_ONCE else ""
        raise RunError("; ".join(causes[:TOLD_AT_ONCE]) + more)
    LOG.info("green: %s", facts.promise)


def _overtaken(folder: RunFolder) -> list[str]:
    """Say how old a run is before anything else; return why an old one is not compared with Salto again."""
    age = datetime.now(UTC) - pd.Timestamp(run_note(folder)["as_of"])
    if age <= OLDEST_PLAN:
        return []
    minutes = age // timedelta(minutes=1)
    LOG.warning("report of an old run: what it read is %d minutes old", minutes)
    try:
        book = Book.of(folder)
        if not book.ledger.is_superseded(book.run_id):
            return []
    except (LedgerError, UnreadableFileError):
        return []  # the end of the report names it
    later = "a sync that began later has looked since, so nothing of it counts any more"
    return [f"what this run read is {minutes} minutes old, and {later}; see the report of the latest sync"]


def _found(folder: RunFolder, ending: ReportSpec, causes: list[str]) -> ReportFindings:
    """Salto after all was sent, and everything that is wrong; adds to ``causes``.

    Whatever happens here the run gets its report: without one it is unknown what else is wrong.
    """
    before = None
    try:
        if not folder.has("operations"):
            causes += [] if causes else [NO_PLAN]
            return ReportFindings(unchecked="the run has no plan")
        causes += _open_points(folder, known=bool(causes))
        before = _before(folder)
        look, missing, unread = _look(folder, ending, causes)
        causes += missing
        if look is not None:
            keep_current(folder, look.current, look.matches, look.read_at, look.again_at)
        found = ReportFindings(look, _why_unverified(folder, look, unread), before)
        if folder.has("desired_people"):  # the cleanup asks neither Hector nor for users
            events, unheard = _events(folder, ending.integration)
            everything = _problems(folder, ending.integration, unheard, risky=found.unchecked is None)
            found = replace(found, events=events, problems=everything)
    except (StorageError, UnreadableFileError) as error:
        causes.append(f"report: {error}")
        return ReportFindings(unchecked="the report is not complete", before=before)
    except Exception as error:
        LOG.exception("the report is not complete")
        name = type(error).__name__
        causes.append(f"report: failed in a way nobody foresaw ({name}); report it with this task's log")
        return ReportFindings(unchecked="the report is not complete", before=before)
    return found


def _open_points(folder: RunFolder, *, known: bool) -> list[str]:
    """What is not done or must not stay so; ``known``: something has failed, and says so."""
    operations, found = folder.read("operations", schemas.OPERATIONS), folder.read("problems", schemas.PROBLEMS)
    for line in problem_lines(found):
        LOG.warning(line)
    red = [f"{row.message}. Next step: {row.next_step}" for row in found[found["red"]].itertuples()]
    held = operations[operations["state"].eq(HELD)]
    plan_ = folder.read_json("plan") or {}
    if len(held):
        are, they = ("is", "it is") if len(held) == 1 else ("are", "they are")
        red.append(
            f"{many(len(held), 'operation')} {are} held; if {they} meant, run again with approve: {plan_['digest']}"
        )
    if folder.has("outcomes"):
        outcomes = folder.read("outcomes", schemas.OUTCOMES)
        LOG.info("applied: %s", outcome_counts(outcomes))
        red += list(failure_lines(operations[operations["state"].ne(HELD)], outcomes))
    elif not known and not release.plans_only(folder):  # a task that is killed says nothing
        red.append("apply: ended without a word, and what it sent is not known; start a new run")
    return red


def _before(folder: RunFolder) -> Before | None:
    """Our groups as the plan found them, kept apart: what is read after the run takes their place. None: not read."""
    if not all(folder.has(name) for name in ("members", *BEFORE.values())):
        return None
    for name, source in BEFORE.items():
        if not folder.has(f"before_{name}"):  # a second try of the report
            folder.write(f"before_{name}", folder.read(source))
    return Before(members=folder.read("members"), **{name: folder.read(f"before_{name}") for name in BEFORE})


def _look(folder: RunFolder, ending: ReportSpec, causes: list[str]) -> tuple[Verification | None, list[str], str]:
    """Salto after all was sent, what is not in place there although nothing has failed, and why it cannot be read."""
    if ending.look is None or not folder.has("outcomes"):
        return None, [], ""
    look = None
    try:
        for wait in SETTLING:
            time.sleep(wait)
            look = ending.look()
            if causes or look.remaining.empty:
                return look, [], ""
    except UNREADABLE as error:
        if causes:  # the run is red already, and its causes say why
            LOG.warning("Salto could not be read after the run: %s", error)
            return look, [], str(error)
        return look, [f"what was sent could not be read back: {error}"], str(error)
    left = look.remaining if look is not None else schemas.frame(schemas.OPERATIONS, [])
    return look, [f"not in place after the run: {line}" for line in plan_lines(rows(left))], ""


def _why_unverified(folder: RunFolder, look: Verification | None, unread: str) -> str | None:
    """Why nothing can be said about tomorrow's doors: what was read before the run is Salto no longer."""
    if not folder.has("desired_people"):
        return "neither Hector nor the users of the site were asked"
    if not folder.has("outcomes"):
        return "nothing was sent" if release.plans_only(folder) else "the plan was not applied"
    outcomes = folder.read("outcomes", schemas.OUTCOMES)
    if look is None and outcomes["state"].isin([DONE, NO_SEAT, UNKNOWN]).any():
        return f"Salto could not be read after the run: {unread}" if unread else "what was carried out is not known"
    return None


def _problems(folder: RunFolder, integration: Integration, unheard: pd.DataFrame, *, risky: bool) -> pd.DataFrame:
    """The run's problems with those that show only now: seats, silent places, and (risky) doors that will stay shut."""
    current, matches = current_of(folder)
    seats = _seats(folder, integration, current)
    folder.write("seats", seats)
    decisions = folder.read("decisions", schemas.DECISIONS)
    lines = folder.read("reservation_places", schemas.RESERVATION_PLACES)
    silent = silent_places(lines, folder.read("hector_places", schemas.HECTOR_PLACES), decisions)
    found = [seat_problems(seats), silent, unheard]
    if integration.schedule is not None:
        found.append(timezone_problems(integration.timezone, current.locks["zone"], as_of(folder)))
    if risky:
        found.append(risks(snapshot_of_run(folder, current, matches), as_of=as_of(folder)))
    new = pd.concat(found, ignore_index=True)
    for line in problem_lines(new):
        LOG.warning(line)
    everything = all_problems([folder.read("problems", schemas.PROBLEMS), new])
    folder.write("problems", everything)
    return everything


def _events(folder: RunFolder, integration: Integration) -> tuple[pd.DataFrame | None, pd.DataFrame]:
    """The doors' events of the last day; that they cannot be read is a problem, and no failure."""
    if not integration.entries:
        return None, problems("entries_unread", pd.DataFrame())
    since = as_of(folder).to_pydatetime() - timedelta(days=1)
    try:
        reader = SaltoHook(integration.salto_conn_id).reader(integration.site_id, site_id_of(folder))
        events = reader.events(since, hector_hook(integration).fingerprint)
        current, _ = current_of(folder)
        events = with_tap_tags(events, hector_of(folder)[0].users, current.tags)
    except RestError as error:
        return None, problems("entries_unread", pd.DataFrame([{"why": str(error)}]))
    return events, problems("entries_unread", pd.DataFrame())


def _book(folder: RunFolder, facts: Facts, tables: Tables, found: ReportFindings) -> list[str]:
    """What was found and how the run ended, into the ledger; what could not be written there, as causes."""
    lost: list[str] = []
    for write in (_book_found, _book_end):
        try:
            write(folder, replace(facts, causes=[*facts.causes, *lost]), tables, found)
        except (LedgerError, UnreadableFileError) as error:
            cause = f"the end of the run could not be written down, so make why knows less than happened: {error}"
            lost += [cause] if cause not in lost else []
    return lost


def _book_found(folder: RunFolder, facts: Facts, tables: Tables, found: ReportFindings) -> None:  # noqa: ARG001 - as _book_end
    book = Book.of(folder)
    if found.look is not None:
        _observe(folder, book, found.look)
    if found.problems is not None:
        book.ledger.add_problems(book.run_id, found.problems)
    if found.events is not None:
        new = book.ledger.add_entries(book.integration, found.events)
        LOG.info("doors: %d events of the last day, %d of them new", len(found.events), new)


def _book_end(folder: RunFolder, facts: Facts, tables: Tables, found: ReportFindings) -> None:  # noqa: ARG001 - as _book_found
    book = Book.of(folder)
    book.ledger.end_run(
        book.run_id,
        ended_at=datetime.now(UTC),
        causes=facts.causes,
        **({"seats_used": now["used"]} if (now := tables.seats_now) else {}),
        seconds=facts.seconds,
        requests_hector=facts.requests.get("Hector", 0),
        requests_salto=facts.requests.get("Salto KS", 0),
    )


def _observe(folder: RunFolder, book: Book, look: Verification) -> None:
    if folder.has("desired_people"):
        looked: Snapshot = snapshot_of_run(folder, look.current, look.matches)
        names = [name for name in looked.tables() if name not in {"reservations", "borrowers", "rooms"}]
        book.observe(looked, read_at=look.read_at, again_at=look.again_at, names=names)
    else:
        book.observe(
            snapshot_of_groups(look.current), read_at=look.read_at, again_at=look.again_at, names=READ_BY_CLEANUP
        )


def _seats(folder: RunFolder, integration: Integration, current: Current) -> pd.DataFrame:
    subscribed = current.users["subscription_state"].eq("subscribed")
    people = folder.read("desired_people", schemas.DESIRED_PEOPLE)
    matches = folder.read("current_matches")
    managed = matches.loc[matches["user_id"].isin(people["user_id"]), "platform_user_id"]
    others = int((subscribed & ~current.users["platform_user_id"].isin(managed)).sum())
    return forecast(
        folder.read("timetable"),
        SeatUse(current.seats, others, len(people)),
        provision=integration.provision_users,
        days=integration.horizon_days,
        zone=current.site_zone,
        as_of=as_of(folder),
    )


def _facts(
    folder: RunFolder,
    ending: ReportSpec,
    causes: list[str],
    found: ReportFindings,
    reporting: tuple[float, Counter[str]],
) -> Facts:
    run, plan_ = run_note(folder), _note(folder, "plan") or {}
    plans_only, because = False, None
    with _unreadable_in(causes):
        plans_only, because = release.plans_only(folder), release.plan_only_because(folder)
    seconds, requests = step_costs(folder, ending.steps)
    conf = run.get("conf") or {}
    return Facts(
        integration=run["integration"],
        site_id=ending.integration.site_id,
        kind=run.get("kind", "sync"),
        run_id=run["run_id"],
        began=run["as_of"],
        by=run.get("triggered_by"),
        plan_only=plans_only,
        trigger=run.get("trigger"),
        plan_only_because=because,
        references=conf.get("references") or None,
        causes=causes,
        holds=plan_.get("holds", []),
        digest=plan_.get("digest"),
        seconds=seconds + reporting[0],
        requests=requests + reporting[1],
        promise=ending.promise if causes else _promise(folder, ending),
        unchecked=found.unchecked,
        zone=_site_zone(folder),
    )


def _site_zone(folder: RunFolder) -> str | None:
    """Return the site's zone; None: Salto was not read."""
    return (_note(folder, "current") or {}).get("site_zone")


def _promise(folder: RunFolder, ending: ReportSpec) -> str:
    """What a green run may say: not that all is well where something was not sent, or only reported."""
    planned = folder.has("operations") and not folder.has("outcomes")
    waiting = len(folder.read("operations", schemas.OPERATIONS)) if planned else 0
    promise = ending.promise
    if waiting:
        were = "was" if waiting == 1 else "were"
        promise = f"plan only, {many(waiting, 'operation')} {were} not sent"
    if (because := release.plan_only_because(folder)) is not None:
        sentence = plan_only_sentence(because, run_history.name_of(folder))
        promise = f"{sentence}; {promise}" if waiting else sentence
    left = len(folder.read("left", schemas.OPERATIONS)) if folder.has("left") else 0
    are = "is" if left == 1 else "are"
    return f"{promise}, but for {many(left, 'change')} by hand that {are} only reported" if left else promise


def _write(folder: RunFolder, facts: Facts, tables: Tables) -> list[str]:
    """Write report.json, report.html, and what the alerts tell; return why that cannot be done."""
    try:
        folder.write_json("causes", {"causes": facts.causes})
        told = summary(facts, tables)
        folder.write_text("report.json", json.dumps(told, indent=1, ensure_ascii=False))
        folder.write_text("report.html", page(told))
    except StorageError as error:
        return [f"the report could not be written: {error}"]
    return []


def _note(folder: RunFolder, name: str) -> dict[str, Any] | None:
    """A note; None: there is none, or it cannot be read, which is a cause by then."""
    try:
        return folder.read_json(name)
    except UnreadableFileError:
        return None


def _tell(folder: RunFolder, facts: Facts, tables: Tables) -> None:
    """The summary in the log, and the run's metrics."""
    _count(facts, tables)
    for line in summary_lines(summary(facts, tables)):
        LOG.info(line)
    LOG.info("report: %s/report.html", folder)


def _count(facts: Facts, tables: Tables) -> None:
    """Airflow's own metrics (StatsD or OpenTelemetry, when it is set to send any)."""
    tags = {"integration": facts.integration, "kind": facts.kind}
    if tables.operations is not None and tables.outcomes is not None:
        joined = tables.operations[["key", "kind"]].merge(tables.outcomes, on="key")
        for row in joined.groupby(["kind", "state"]).size().rename("count").reset_index().to_dict("records"):
            about = {"operation": row["kind"], "outcome": row["state"]}
            Stats.incr("hector_salto.operations", int(row["count"]), tags=tags | about)
    for service, number in facts.requests.items():
        Stats.incr("hector_salto.requests", number, tags=tags | {"service": service.replace(" ", "_")})
    Stats.timing("hector_salto.run_seconds", timedelta(seconds=facts.seconds), tags=tags)
    Stats.incr("hector_salto.runs", tags=tags | {"state": "red" if facts.causes else "green"})
    if tables.problems is not None:
        Stats.gauge("hector_salto.problems", len(tables.problems), tags=tags)
    for name, seats in tables.seats_now.items():
        if seats is not None:
            Stats.gauge(f"hector_salto.seats_{name}", seats, tags=tags)


def _tables(folder: RunFolder, before: Before | None, causes: list[str]) -> Tables:
    """The run's tables; adds what cannot be read to ``causes``."""

    def read(name: str, schema: schemas.Schema) -> pd.DataFrame | None:
        with _unreadable_in(causes):
            return folder.read(name, schema) if folder.has(name) else None
        return None

    facts = None
    with _unreadable_in(causes):
        facts = folder.read_json("current")
    now = {"used": facts["seats_used"], "allowed": facts["seats"]} if facts else {}
    return Tables(
        operations=read("operations", schemas.OPERATIONS),
        outcomes=read("outcomes", schemas.OUTCOMES),
        problems=read("problems", schemas.PROBLEMS),
        seats=read("seats", schemas.SEATS),
        seats_now=now,
        left=read("left", schemas.OPERATIONS),
        hector=_hector(folder, causes),
        before=before,
        **_people_and_held(folder, causes),
    )


def _people_and_held(folder: RunFolder, causes: list[str]) -> dict[str, Any]:
    """Return the users by name, and what is held with what Hector says of it; nothing where the run never came so far."""
    needed = ("operations", "decisions", "desired_people", "hector_says", "current_matches")
    if not all(folder.has(name) for name in needed):
        return {}
    with _unreadable_in(causes):
        looked = snapshot_of_run(folder, *current_of(folder))
        planned = folder.read("operations", schemas.OPERATIONS)
        said = folder.read("hector_says")["hector_says"]
        held = list_held(
            rows(planned.assign(hector_says=said.array)), looked, as_of(folder).to_pydatetime(), _site_zone(folder)
        )
        return {"people": People.of(looked.people), "held": held}
    return {}


def _hector(folder: RunFolder, causes: list[str]) -> Hector | None:
    """What Hector showed of the reservations; None: not read, nothing was decided, or it cannot be read."""
    if not (folder.has("decisions") and folder.has("reservations")):
        return None
    with _unreadable_in(causes):
        return Hector(
            decisions=folder.read("decisions", schemas.DECISIONS),
            reservations=folder.read("reservations", schemas.RESERVATIONS),
            people=folder.read("reservation_people", schemas.RESERVATION_PEOPLE),
            places=folder.read("reservation_places", schemas.RESERVATION_PLACES),
        )
    return None


@contextmanager
def _unreadable_in(causes: list[str]) -> Iterator[None]:
    """Make a file that cannot be read a cause, named once, and go on without it."""
    try:
        yield
    except (UnreadableFileError, schemas.SchemaError) as error:
        cause = f"report: {error}"
        causes += [] if cause in causes else [cause]
