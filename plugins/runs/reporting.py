"""Ends a run: green or red, with every cause named; its report, its doors of the next day, its last line in the ledger."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
from airflow.sdk.observability import stats

from include.access import schemas
from include.access.operations import HELD
from include.access.order import rows
from include.access.problems import all_problems, problems
from include.access.risks import risks
from include.access.seats import SeatUse, forecast, seat_problems
from include.access.seen import Seen, seen_groups
from include.report.page import page
from include.report.summary import Facts, Tables, summary, summary_lines
from include.report.words import failure_lines, outcome_counts, plan_lines, problem_lines
from rest import tally
from rest.errors import RestError
from runs import planning
from runs.bookkeeping import Book
from runs.failures import RunError, kept, spent
from runs.opening import as_of
from runs.planning import CLEANUP_LOOKS, Look, current_of, looked_at
from salto.hook import SaltoHook

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from include.access.current import Current
    from include.integrations.integration import Integration
    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
SETTLING = (0.0, 3.0, 10.0)  # seconds: Salto shows what was written "within a few seconds" (contract, 5.3)
TOLD_AT_ONCE = 10


@dataclass(frozen=True)
class Ending:
    """What a run is to end with.

    integration: whose; steps: those whose failure ends it red; look: reads Salto again, None: nothing was sent;
    promise: what a green run has brought about.
    """

    integration: Integration
    steps: tuple[str, ...]
    look: Callable[[], Look] | None
    promise: str = "Salto holds what Hector says"


def report(folder: RunFolder, ending: Ending) -> None:
    """End the run: green when all of the plan holds in Salto, problems or not; red otherwise, naming each cause.

    Raises:
        RunError: with every cause, when the run is red.
    """
    began, sent = time.monotonic(), tally.sent()
    causes = kept(folder, ending.steps)
    planned = folder.has("operations")
    look = None
    if planned:
        causes += _unfinished(folder)
        look, missing = _looked(folder, ending, causes)
        causes += missing
        _tell_risks(folder, ending, look)
    elif not causes:
        causes = ["the run ended before a plan was made, and nothing was written to Salto; see the failed task's log"]
    _close(folder, ending, causes, (time.monotonic() - began, tally.sent() - sent))
    if causes:
        for cause in causes:
            LOG.error(cause)
        more = f"; and {len(causes) - TOLD_AT_ONCE} more" if len(causes) > TOLD_AT_ONCE else ""
        raise RunError("; ".join(causes[:TOLD_AT_ONCE]) + more)
    waiting = 0 if folder.has("outcomes") else len(folder.read("operations", schemas.OPERATIONS))
    LOG.info("green: %s", f"plan only, {waiting} operations were not sent" if waiting else ending.promise)


def _unfinished(folder: RunFolder) -> list[str]:
    operations, found = folder.read("operations", schemas.OPERATIONS), folder.read("problems", schemas.PROBLEMS)
    for line in problem_lines(found):
        LOG.warning(line)
    red = [f"{row.message}. Next step: {row.next_step}" for row in found[found["red"]].itertuples()]
    held = operations[operations["state"].eq(HELD)]
    plan_ = folder.read_json("plan") or {}
    if len(held):
        why = "; ".join(hold["why"] for hold in plan_["holds"])
        red.append(
            f"{len(held)} operations are held ({why}); if they are meant, run again with approve: {plan_['digest']}"
        )
    if folder.has("outcomes"):
        outcomes = folder.read("outcomes", schemas.OUTCOMES)
        LOG.info("applied: %s", outcome_counts(outcomes))
        red += list(failure_lines(operations[operations["state"].ne(HELD)], outcomes))
    return red


def _looked(folder: RunFolder, ending: Ending, causes: list[str]) -> tuple[Look | None, list[str]]:
    """Salto after all was sent, and what is not in place there although nothing has failed."""
    if ending.look is None or not folder.has("outcomes"):
        return None, []
    look = None
    try:
        for wait in SETTLING:
            time.sleep(wait)
            look = ending.look()
            if causes or look.remaining.empty:
                return look, []
    except RestError as error:
        if causes:  # the run is red already, and its causes say why
            LOG.warning("Salto could not be read after the run: %s", error)
            return look, []
        return look, [f"what was sent could not be read back: {error}"]
    left = look.remaining if look is not None else schemas.frame(schemas.OPERATIONS, [])
    return look, [f"not in place after the run: {line}" for line in plan_lines(rows(left))]


def _tell_risks(folder: RunFolder, ending: Ending, look: Look | None) -> None:
    """Keep what Salto holds now, and tell which doors of the next day will stay shut."""
    book = Book.of(folder)
    if look is not None:
        planning.keep_current(folder, look.current, look.matches)
        _observe(folder, book, look)
    if not folder.has("desired_people"):  # the cleanup asks neither Hector nor for users
        return
    current, matches = current_of(folder)
    seats = _seats(folder, ending.integration, current)
    folder.write("seats", seats)
    found = [seat_problems(seats)]
    if folder.has("outcomes"):
        found.append(risks(looked_at(folder, current, matches), as_of=as_of(folder)))
    found.append(_read_events(folder, ending.integration, book))
    new = pd.concat(found, ignore_index=True)
    for line in problem_lines(new):
        LOG.warning(line)
    everything = all_problems([folder.read("problems", schemas.PROBLEMS), new])
    folder.write("problems", everything)
    book.ledger.add_problems(book.run_id, everything)


def _read_events(folder: RunFolder, integration: Integration, book: Book) -> pd.DataFrame:
    """The doors' events of the last day, into the ledger; that they cannot be read is a problem, and no failure."""
    if not integration.entries:
        return problems("entries_unread", pd.DataFrame())
    since = as_of(folder).to_pydatetime() - timedelta(days=1)
    try:
        events = SaltoHook(integration.salto_conn_id).reader(integration.site_id).events(since)
    except RestError as error:
        return problems("entries_unread", pd.DataFrame([{"why": str(error)}]))
    new = book.ledger.add_entries(book.integration, events)
    LOG.info("doors: %d events of the last day, %d of them new", len(events), new)
    return problems("entries_unread", pd.DataFrame())


def _observe(folder: RunFolder, book: Book, look: Look) -> None:
    if folder.has("desired_people"):
        looked: Seen = looked_at(folder, look.current, look.matches)
        names = [name for name in looked.tables() if name not in {"reservations", "borrowers", "rooms"}]
        book.observe(looked, names=names)
    else:
        book.observe(seen_groups(look.current), names=CLEANUP_LOOKS)


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


def _close(
    folder: RunFolder, ending: Ending, causes: list[str], reporting: tuple[float, Counter[str]]
) -> dict[str, Any]:
    """report.json, report.html, the summary in the log, and the run's end in the ledger."""
    run = folder.read_json("run") or {}
    plan_ = folder.read_json("plan") or {}
    seconds, requests = spent(folder, ending.steps)
    seconds, requests = seconds + reporting[0], requests + reporting[1]
    conf = run.get("conf") or {}
    facts = Facts(
        integration=run["integration"],
        site_id=ending.integration.site_id,
        kind=run.get("kind", "sync"),
        run_id=run["run_id"],
        began=run["as_of"],
        by=run.get("triggered_by"),
        plan_only=bool(conf.get("plan_only")),
        references=conf.get("references") or None,
        causes=causes,
        holds=plan_.get("holds", []),
        digest=plan_.get("digest"),
        seconds=seconds,
        requests=requests,
        promise=ending.promise,
    )
    tables = _tables(folder)
    folder.write_json("causes", {"causes": causes})
    _count(facts, tables)
    told = summary(facts, tables)
    folder.write_text("report.json", json.dumps(told, indent=1, ensure_ascii=False))
    folder.write_text("report.html", page(told))
    for line in summary_lines(told):
        LOG.info(line)
    LOG.info("report: %s/report.html", folder)
    book = Book.of(folder)
    book.ledger.end_run(
        book.run_id,
        ended_at=datetime.now(UTC),
        causes=causes,
        **({"seats_used": now["used"]} if (now := tables.seats_now) else {}),
        seconds=seconds,
        requests_hector=requests["Hector"],
        requests_salto=requests["Salto KS"],
    )
    return told


def _count(facts: Facts, tables: Tables) -> None:
    """Airflow's own metrics (StatsD or OpenTelemetry, when it is set to send any)."""
    tags = {"integration": facts.integration, "kind": facts.kind}
    if tables.operations is not None and tables.outcomes is not None:
        joined = tables.operations[["key", "kind"]].merge(tables.outcomes, on="key")
        for row in joined.groupby(["kind", "state"]).size().rename("count").reset_index().to_dict("records"):
            about = {"operation": row["kind"], "outcome": row["state"]}
            stats.incr("hector_salto.operations", int(row["count"]), tags=tags | about)
    for service, number in facts.requests.items():
        stats.incr("hector_salto.requests", number, tags=tags | {"service": service.replace(" ", "_")})
    stats.timing("hector_salto.run_seconds", timedelta(seconds=facts.seconds), tags=tags)
    stats.incr("hector_salto.runs", tags=tags | {"state": "red" if facts.causes else "green"})
    if tables.problems is not None:
        stats.gauge("hector_salto.problems", len(tables.problems), tags=tags)
    for name, seats in tables.seats_now.items():
        if seats is not None:
            stats.gauge(f"hector_salto.seats_{name}", seats, tags=tags)


def _tables(folder: RunFolder) -> Tables:
    def read(name: str, schema: schemas.Schema) -> pd.DataFrame | None:
        return folder.read(name, schema) if folder.has(name) else None

    facts = folder.read_json("current")
    now = {"used": facts["seats_used"], "allowed": facts["seats"]} if facts else {}
    return Tables(
        operations=read("operations", schemas.OPERATIONS),
        outcomes=read("outcomes", schemas.OUTCOMES),
        problems=read("problems", schemas.PROBLEMS),
        seats=read("seats", schemas.SEATS),
        seats_now=now,
    )
