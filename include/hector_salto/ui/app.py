"""The page's application: each view gathers, asks, and hands a template what to show."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from hector_salto.access.release import Gate
from hector_salto.access.windows import is_known_zone
from hector_salto.http_client.errors import RestError
from hector_salto.integration_files import SANDBOX, load_all
from hector_salto.ledger.ledger import LedgerError
from hector_salto.ledger.overview import current_runs
from hector_salto.ledger.queries import last_look, problems_of
from hector_salto.ledger.reservation_states import STATES, list_reservations
from hector_salto.ledger.run_queries import (
    RunSummary,
    last_runs,
    newest_plan,
    operations_of,
    problems_listed,
    run_by_id,
    run_by_name,
)
from hector_salto.reports.calendar import DAY, WEEK, Choice, build_week, span
from hector_salto.reports.held import TABLES as HELD_TABLES
from hector_salto.reports.held import list_held
from hector_salto.reports.lists import as_csv, listing, listings
from hector_salto.reports.people import People
from hector_salto.reports.questions import Question, QuestionError, answer_question, zone_of
from hector_salto.reports.search import matches
from hector_salto.reports.suggestions import suggest
from hector_salto.reports.summary import held_table, list_invitations
from hector_salto.reports.text import WHO, plan_only_sentence
from hector_salto.reports.trends import Horizon, build_trends
from hector_salto.reports.zones import DoorZones
from hector_salto.ui import dag_runs, onboarding, settings_form
from hector_salto.ui.cards import SiteFacts, approval_of, card, last_whole, site_facts
from hector_salto.ui.dag_runs import approval_dag, missing_pools, schedules, sync_dag
from hector_salto.ui.onboarding import CHECKLIST, TITLES
from hector_salto.ui.pages import page
from hector_salto.ui.permissions import Visitor, VisitorDep, own_form
from hector_salto.ui.settings_list import office_mode_text
from hector_salto.ui.today import today_at
from hector_salto.workflow import release
from hector_salto.workflow.recorder import ledger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from zoneinfo import ZoneInfo

    import pandas as pd

    from hector_salto.integration import Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.reports.calendar import Row

PAGE_OF_RUNS = 25
DAY_AROUND = timedelta(days=1)  # a day of another zone begins and ends at another instant
FIRST_YEAR, LAST_YEAR = 1971, 2200
Words = Annotated[
    str, Query(max_length=200), AfterValidator(lambda text: text.replace("\0", ""))
]  # PostgreSQL has none
Number = Annotated[int, Field(ge=1, lt=2**31)]
OPERATIONS_SHOWN = 500
BARS_AT_ONCE = 500
CARDS_AT_ONCE = 30
LISTED = ("people", "places", "locks")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)

app = FastAPI(title="Salto doors", docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(settings_form.router)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
READER = [Depends(get_user)]


@app.middleware("http")
async def close_the_page(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Nothing is loaded from other sites, no other site frames the page, and no cache keeps what it shows."""
    answer = await call_next(request)
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    base = str(request.scope.get("root_path", ""))
    kept = request.url.path.removeprefix(base).startswith("/static/") and answer.status_code == status.HTTP_200_OK
    answer.headers["Cache-Control"] = "public, max-age=3600" if kept else "no-store"
    return answer


@app.exception_handler(RequestValidationError)
async def show_bad_request(request: Request, error: RequestValidationError) -> Response:
    """A number, day or word that no link of ours asks for."""
    return await show_error(request, HTTPException(422, "; ".join(str(one["msg"]) for one in error.errors())))


@app.exception_handler(StarletteHTTPException)
async def show_error(request: Request, error: StarletteHTTPException) -> Response:
    """What went wrong, as a page people can read."""
    about = {"code": error.status_code, "why": str(error.detail), "home": _airflow_home(request)}
    return HTMLResponse(page(request, "refused.html.j2", **about), status_code=error.status_code)


@app.exception_handler(LedgerError)
async def no_ledger(request: Request, error: LedgerError) -> Response:
    about = {"code": 503, "why": str(error), "home": _airflow_home(request)}
    return HTMLResponse(page(request, "refused.html.j2", **about), status_code=503)


# --- what every view begins with --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SiteContext:
    """The integration a view is about, and the others this visitor may read."""

    name: str
    integration: Integration
    names: list[str]
    kept: Ledger
    visitor: Visitor
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """On whose wall clock times are shown: of most locks."""
        return zone_of(self.kept.read_snapshot(self.name, names=("locks",)))

    @property
    def problems(self) -> pd.DataFrame:
        """What the last run found."""
        last = last_look(self.kept, self.name)
        return problems_of(self.kept, last.run_id if last is not None else 0)

    def common(self) -> dict[str, Any]:
        """What the frame of each page needs."""
        return {"chosen": self.name, "names": self.names, "may_trigger": self.visitor.may_trigger(sync_dag(self.name))}


def _readable(visitor: Visitor) -> dict[str, Integration]:
    found = {name: one for name, one in load_all()[0].items() if visitor.may_read(sync_dag(name))}
    return dict(sorted(found.items(), key=lambda item: (item[0] == SANDBOX, item[0])))


def site(visitor: VisitorDep, integration: Annotated[str, Query()] = "") -> SiteContext:
    """The integration that is asked for, else the first.

    Raises:
        HTTPException: 404, when there is none of that name that this visitor may read.
    """
    found = _readable(visitor)
    name = integration or next(iter(found), "")
    if name not in found:
        raise HTTPException(
            status.HTTP_404_NOT_FOUND,
            f"there is no integration {name!r} that you may read"
            if name
            else "there is no integration that you may read",
        )
    return SiteContext(name, found[name], list(found), ledger(), visitor, datetime.now(UTC))


SiteDep = Annotated[SiteContext, Depends(site)]


def _airflow_home(request: Request) -> str:
    return str(request.scope.get("root_path", "")).removesuffix("/doors") or "/"


# --- today -------------------------------------------------------------------------------------------------------------


@app.get("/today", dependencies=READER)
def today(request: Request, visitor: VisitorDep) -> HTMLResponse:
    """Will every user get in today, and who has to act: the first view."""
    found = _readable(visitor)
    now = datetime.now(UTC)
    seen = today_at(ledger(), found, visitor, now)
    zones = {one.zone for one in seen.sites}
    zone = next(iter(zones)) if len(zones) == 1 else "UTC"
    shown = {
        "today": seen,
        "zone": zone,
        "many_zones": len(zones) > 1,
        "now": now,
        "who": WHO,
        "chosen": next(iter(found), ""),
        "token": visitor.form_token(),
    }
    return HTMLResponse(page(request, "today.html.j2", view="today", names=list(found), **shown))


# --- integrations -----------------------------------------------------------------------------------------------------


@app.get("/", dependencies=READER)
def integrations(  # noqa: PLR0913, PLR0917 - what its address holds
    request: Request,
    visitor: VisitorDep,
    done: str = "",
    run: str = "",
    integration: str = "",
    words: Words = "",
    after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> HTMLResponse:
    """A card each, as many as fit a page; the first steps while there is no integration but the sandbox's."""
    found, errors = _readable(visitor), load_all()[1]
    facts = _facts(found)
    chosen = _in_order([one for one in facts if one.matches(words)], first=integration if done else "")
    here, now = chosen[after : after + CARDS_AT_ONCE], datetime.now(UTC)
    shown: dict[str, Any] = {
        "cards": [card(ledger(), one, visitor, now, run if one.name == integration else "") for one in here],
        "next": after + CARDS_AT_ONCE if after + CARDS_AT_ONCE < len(chosen) else 0,
        "total": len(facts),
        "matching": len(chosen),
        "at_once": CARDS_AT_ONCE,
        "words": words,
        "token": visitor.form_token(),
    }
    if after:
        return HTMLResponse(page(request, "cards.html.j2", **shown))
    frame = {
        "errors": [str(error) for error in errors] if visitor.may_read_import_errors() else [],
        "hidden_errors": len(errors) if not visitor.may_read_import_errors() else 0,
        "titles": TITLES,
        "may_add": visitor.may_edit_connection(None),
        "beginning": not any(name != SANDBOX for name in found),
        "done": {"id": run} if done == "started" and not any(one.progress for one in shown["cards"]) else None,
        "chosen": next(iter(found), ""),
        "names": list(found),
    }
    return HTMLResponse(page(request, "integrations.html.j2", view="integrations", **shown, **frame))


def _facts(found: dict[str, Integration]) -> list[SiteFacts]:
    kept, now = ledger(), datetime.now(UTC)
    dag_runs.close_ended(kept, found, now)
    return site_facts(kept, found, schedules(list(found)), missing_pools(found), now)


def _in_order(facts: list[SiteFacts], first: str) -> list[SiteFacts]:
    """Return them as the page shows them: by name; where they do not fit one page, those that need action come first."""
    many = len(facts) > CARDS_AT_ONCE
    return sorted(facts, key=lambda one: (one.name != first, not one.needs_action)) if many else facts


@app.get("/card", dependencies=READER)
def one_card(request: Request, site: SiteDep, run: str = "") -> HTMLResponse:
    """One card again; ``run``: the run whose end it shows."""
    (facts,) = _facts({site.name: site.integration})
    found = card(site.kept, facts, site.visitor, site.now, run)
    return HTMLResponse(page(request, "card.html.j2", card=found, token=site.visitor.form_token()))


@app.get("/progress", dependencies=READER)
def progress(request: Request, site: SiteDep, run: str) -> HTMLResponse:
    """How far a run is; once it has ended the whole card, which asks no more."""
    found = dag_runs.run_progress(site.name, run)
    if found is not None and found.under_way:
        return HTMLResponse(page(request, "progress.html.j2", progress=found, name=site.name))
    answer = one_card(request, site, run)
    answer.headers.update({"HX-Retarget": f'[id="{site.name}"]', "HX-Reswap": "outerHTML"})
    return answer


@app.get("/office", dependencies=READER)
def office(request: Request, site: SiteDep) -> HTMLResponse:
    """Who may toggle office mode, as the last reading of the site has it."""
    seen = site.kept.read_snapshot(site.name, names=("people",)).people
    able = People.of(seen[seen["office_mode"]])
    users = sorted(able.everyone(), key=lambda one: (one.name or one.email or one.label).casefold())
    shown = {"users": users, "name": site.name, "rule": office_mode_text(site.integration)}
    return HTMLResponse(page(request, "office.html.j2", **shown))


@app.get("/steps", dependencies=READER)
def steps(request: Request, site: SiteDep) -> HTMLResponse:
    """The first steps of an integration, asked of the services themselves; drawn once both have answered."""
    if not site.visitor.may_trigger(sync_dag(site.name)):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "asking the services needs the right to start the sync")
    found = CHECKLIST.answer(site.name, site.integration)
    shown = {
        "steps": found.steps if found is not None else None,
        "age": found.age if found is not None else 0,
        "again": found is not None and not found.is_complete,
        "name": site.name,
        "token": site.visitor.form_token(),
    }
    return HTMLResponse(page(request, "steps.html.j2", **shown))


@app.post("/attribute", dependencies=[*READER, Depends(own_form)])
def make_attribute(request: Request, visitor: VisitorDep, integration: Annotated[str, Form()]) -> RedirectResponse:
    """Make the place attribute in Hector, as the first full sync would: before any sync invites users."""
    _require_trigger(visitor, integration)
    try:
        onboarding.make_attribute(_readable(visitor)[integration], visitor.name)
    except RestError as error:
        raise HTTPException(status.HTTP_502_BAD_GATEWAY, str(error)) from None
    CHECKLIST.forget(integration)
    base = str(request.scope.get("root_path", ""))
    return RedirectResponse(f"{base}/#{integration}", status_code=status.HTTP_303_SEE_OTHER)


# --- the week ---------------------------------------------------------------------------------------------------------


@app.get("/week", dependencies=READER)
def week(  # noqa: PLR0913, PLR0917 - the fields of its form
    request: Request,
    site: SiteDep,
    day: str = "",
    days: int = WEEK,
    words: Words = "",
    state: Annotated[list[str] | None, Query()] = None,
    after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> HTMLResponse:
    """Doors x time: each reservation's window, its grace, its state; ``after``: so many doors are shown already."""
    seen = site.kept.read_snapshot(site.name, names=("locks",))
    zone = zone_of(seen)
    today = site.now.astimezone(zone).date()
    first, length = _first(day, days, today), DAY if days == DAY else WEEK
    begin, end = span(first, length, zone)
    chosen = frozenset(state) & frozenset(STATES) if state else frozenset(STATES)
    rows = list_reservations(site.kept, site.name, begin - DAY_AROUND, end + DAY_AROUND, now=site.now)
    drawn = build_week(rows, seen.locks, begin, end, now=site.now, choice=Choice(words, chosen))
    shown = {
        "picture": drawn,
        "rows": (rows_shown := _rows_at_once(drawn.rows[after:])),
        "next": after + len(rows_shown) if after + len(rows_shown) < len(drawn.rows) else 0,
        "after_doors": after,
        "previous_group": drawn.rows[after - 1].group if 0 < after <= len(drawn.rows) else None,
        "zone": str(zone),
        **_horizon_mark(site, begin, end),
        "days": length,
        "first": first,
        "day": timedelta(days=1),
        "today": today,
        "before": first - timedelta(days=length),
        "after": first + timedelta(days=length),
        "one_day": today if first <= today < first + timedelta(days=length) else first,
        "words": words,
        "states": STATES,
        "classes": {one: one.replace(" ", "-") for one in STATES},
        "chosen_states": chosen,
        "total": sum(drawn.counts.values()),
    }
    template = "doors.html.j2" if after else "week.html.j2"
    return HTMLResponse(page(request, template, view="week", **site.common(), **shown))


def _horizon_mark(site: SiteContext, begin: datetime, end: datetime) -> dict[str, Any]:
    """Return up to when the last sync set doors up, and where in a span that is, in percent; None: not in it."""
    last = last_whole(current_runs(site.kept, [site.name])[site.name])[1]
    horizon = last.began_at + timedelta(days=site.integration.horizon_days) if last is not None else None
    if horizon is None or not begin <= horizon < end:
        return {"horizon": None, "horizon_at": None}
    return {"horizon": horizon, "horizon_at": round(100 * ((horizon - begin) / (end - begin)), 2)}


def _rows_at_once(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the first doors, as many as a browser draws at once; the others follow as they come into view."""
    bars = itertools.accumulate(len(row.bars) for row in rows)
    return tuple(row for row, so_far in zip(rows, bars, strict=True) if so_far <= BARS_AT_ONCE) or rows[:1]


def _first(day: str, days: int, today: date) -> date:
    """The day a picture begins with: the one asked for, else today, or this week's Monday."""
    try:
        first = date.fromisoformat(day) if day else today - timedelta(days=today.weekday() if days != DAY else 0)
    except ValueError:
        first = date.min
    if not FIRST_YEAR <= first.year <= LAST_YEAR:  # pictures need a day before and a week after
        raise HTTPException(status.HTTP_400_BAD_REQUEST, f"{day!r} is no day to show; an example: 2026-01-14")
    return first


# --- why --------------------------------------------------------------------------------------------------------------


@app.get("/why", dependencies=READER)
def why(  # noqa: PLR0913, PLR0917 - the fields of its form
    request: Request,
    site: SiteDep,
    words: Words = "",
    at: Annotated[str, Query(max_length=40)] = "",
    kind: str = "",
    user_id: Words = "",
) -> HTMLResponse:
    """The chain from a booking to its door, or who may enter a door."""
    shown: dict[str, Any] = {"words": words, "at": at, "meanings": [], "answer": None, "wrong": "", "reference": ""}
    question = _question(kind, words.strip(), user_id.strip())
    if question is None and words.strip():
        found = matches(site.kept, site.name, words)
        question = found[0].question if len(found) == 1 else None
        shown["meanings"] = found if len(found) != 1 else []
    if question is not None:
        asked = Question(**{**_fields(question), "at": at.strip()})
        try:
            shown["answer"] = answer_question(site.kept, site.name, asked, site.now)
        except QuestionError as error:
            shown["wrong"] = str(error)
        shown["reference"] = question.reference
    shown["schedule"] = schedules([site.name])[site.name]
    shown["may_unpause"] = site.visitor.may_unpause(sync_dag(site.name))
    shown |= {"token": site.visitor.form_token(), "asked": question, "nothing": not question}
    return HTMLResponse(page(request, "why.html.j2", view="why", **site.common(), **shown))


@app.get("/suggest", dependencies=READER)
def suggestions(request: Request, site: SiteDep, words: Words = "") -> HTMLResponse:
    """Doors, users and reservations that hold what is typed into the question."""
    found = suggest(site.kept, site.name, words)
    return HTMLResponse(page(request, "suggestions.html.j2", suggestions=found))


def _fields(question: Question) -> dict[str, str]:
    return {name: getattr(question, name) for name in Question.__dataclass_fields__}


def _question(kind: str, words: str, user_id: str) -> Question | None:
    """A question whose kind is known already, because a link asks it."""
    if user_id:
        return Question(user_id=user_id)
    kinds = {"reservation": "reference", "person": "email", "door": "door", "place": "door"}
    return Question(**{kinds[kind]: words}) if kind in kinds and words else None


# --- people and doors -------------------------------------------------------------------------------------------------


@app.get("/lists", dependencies=READER)
def lists(request: Request, site: SiteDep) -> HTMLResponse:
    """Who and what something is missing from, and what to do."""
    found = listings(site.kept.read_snapshot(site.name, names=LISTED), site.problems)
    return HTMLResponse(page(request, "lists.html.j2", view="lists", **site.common(), lists=found))


@app.get("/lists/{key}.csv", dependencies=READER)
def list_as_file(site: SiteDep, key: str) -> Response:
    found = listing(site.kept.read_snapshot(site.name, names=LISTED), site.problems, key)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no list {key!r}")
    headers = {"Content-Disposition": f'attachment; filename="{site.name}-{found.key}.csv"'}
    return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)


# --- runs -------------------------------------------------------------------------------------------------------------


@app.get("/runs", dependencies=READER)
def runs(request: Request, site: SiteDep, before: Number | None = None) -> HTMLResponse:
    """The last runs of an integration."""
    dag_runs.close_ended(site.kept, [site.name], site.now)
    found = last_runs(site.kept, site.name, limit=PAGE_OF_RUNS + 1, before=before)
    shown = {"runs": found[:PAGE_OF_RUNS], "more": len(found) > PAGE_OF_RUNS, "zone": str(site.zone)}
    return HTMLResponse(page(request, "runs.html.j2", view="runs", **site.common(), **shown))


@app.get("/runs/{number}", dependencies=READER)
def one_run(request: Request, site: SiteDep, number: Number) -> HTMLResponse:
    """What a run planned, applied, held and failed, with before and after."""
    dag_runs.close_ended(site.kept, [site.name], site.now)
    found = run_by_id(site.kept, site.name, number)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"the ledger has no run {number} of {site.name}")
    return HTMLResponse(page(request, "run.html.j2", view="runs", **site.common(), **_run(site, found)))


@app.get("/run", dependencies=READER)
def tab_of_a_run(request: Request, visitor: VisitorDep, dag_id: str = "", run_id: str = "") -> HTMLResponse:
    """The tab that Airflow shows on every run; those of other DAGs say so."""
    _, kind, name = dag_id.split("_", 2) if dag_id.count("_") > 1 else ("", "", "")
    found = _readable(visitor)
    if not dag_id.startswith("salto_") or name.removeprefix("_") not in found:
        return HTMLResponse(page(request, "other_run.html.j2", view="tab", dag_id=dag_id, chosen="", names=[]))
    here = site(visitor, name.removeprefix("_"))
    run = run_by_name(here.kept, here.name, run_id.replace(" ", "+"), kind)
    if run is None:
        return HTMLResponse(page(request, "other_run.html.j2", view="tab", dag_id=dag_id, **here.common(), ours=True))
    return HTMLResponse(page(request, "run.html.j2", view="tab", **here.common(), **_run(here, run)))


def _run(here: SiteContext, run: RunSummary) -> dict[str, Any]:
    operations = operations_of(here.kept, run.id)
    seen = here.kept.read_snapshot(here.name, run.observed_at, names=HELD_TABLES)
    people, zones = People.of(seen.people), DoorZones(seen.doors, seen.locks, operations, run.site_zone)
    problems: dict[str, list[dict[str, Any]]] = {}
    for row in problems_listed(here.kept, run.id):
        problems.setdefault(WHO[row["who"]], []).append(row)
    zone = run.site_zone if run.site_zone and is_known_zone(run.site_zone) else str(here.zone)
    return {
        "run": run,
        "zone": zone,
        "dag_id": f"{run.dag_prefix}{here.name}",
        "operations": operations[:OPERATIONS_SHOWN],
        "people": people,
        "zones": zones,
        "held": held_table(list_held(operations, seen, here.now, run.site_zone)) if run.held else None,
        "invitations": list_invitations(operations, people),
        "left_out": max(len(operations) - OPERATIONS_SHOWN, 0),
        "problems": problems,
        "approvable": _approvable(here.kept, here.name, run),
        "approval": approval_of(here.name, run),
        "paused": schedules([here.name])[here.name].paused,
        "plans_only": plan_only_sentence(Gate(run.plan_only_because), here.name) if run.plan_only_because else "",
        "token": here.visitor.form_token(),
    }


def _approvable(kept: Ledger, name: str, run: RunSummary) -> bool:
    """Whether no later plan has looked at what this run holds."""
    newest = newest_plan(kept, name, run.chosen_references) if run.digest else None
    return run.digest is not None and newest is not None and newest.digest == run.digest


# --- trends ------------------------------------------------------------------------------------------------------------


@app.get("/trends", dependencies=READER)
def trends(request: Request, site: SiteDep) -> HTMLResponse:
    """Pictures: seats ahead, runs, problems, use of doors, and how long a door takes to open."""
    horizon, zone = Horizon(site.integration.horizon_days, site.integration.provision_users), site.zone
    shown = {"charts": build_trends(site.kept, site.name, horizon, zone, site.now), "zone": str(zone)}
    return HTMLResponse(page(request, "trends.html.j2", view="trends", **site.common(), **shown))


# --- buttons ----------------------------------------------------------------------------------------------------------


@app.post("/reload", dependencies=[*READER, Depends(own_form)])
def reload(  # noqa: PLR0913, PLR0917 - the fields of its form
    request: Request,
    visitor: VisitorDep,
    integration: Annotated[str, Form()],
    plan_only: Annotated[bool, Form()] = False,
    reference: Annotated[str, Form()] = "",
    unpause: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Hector's reload: start the sync, all of it or for one reservation only."""
    _require_trigger(visitor, integration)
    if unpause and not visitor.may_unpause(sync_dag(integration)):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"you may not unpause {sync_dag(integration)}")
    conf: dict[str, Any] = {"plan_only": True} if plan_only else {}
    if reference and not reference.strip():
        raise HTTPException(
            status.HTTP_400_BAD_REQUEST, "name the reservation to reload by its reference, such as 10452"
        )
    if reference:
        conf["references"] = [reference]
    if unpause and plan_only:  # others may have started runs that wait, and the schedule goes on
        release.withdraw(ledger(), integration, visitor.name, datetime.now(UTC))
    started = dag_runs.start(integration, conf, visitor, unpause=unpause)
    return _back(request, integration, started)


@app.post("/approve", dependencies=[*READER, Depends(own_form)])
def approve(
    request: Request, visitor: VisitorDep, integration: Annotated[str, Form()], run: Annotated[Number, Form()]
) -> RedirectResponse:
    """Let exactly the set that a run holds through, once: by its question under Required Actions, where one waits."""
    _require_trigger(visitor, integration)
    held = run_by_id(ledger(), integration, run)
    if held is None or held.digest is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "that run holds nothing back")
    if not _approvable(ledger(), integration, held):
        raise HTTPException(
            status.HTTP_409_CONFLICT, "a later run has looked at this set again: approve what that one holds"
        )
    if (given := approval_of(integration, held)) is not None:
        raise HTTPException(status.HTTP_409_CONFLICT, f"{given.by} has approved this set already")
    waiting = dag_runs.waiting_for(integration, held.digest)
    if waiting is not None and visitor.may_answer(approval_dag(integration)):
        dag_runs.answer(integration, waiting, visitor)
        ledger().approve(integration, held.digest, visitor.name, datetime.now(UTC))
        return _back(request, integration, waiting.run_id)
    conf = {"approve": held.digest} | ({"references": held.chosen_references} if held.chosen_references else {})
    started = dag_runs.start(integration, conf, visitor)
    ledger().approve(integration, held.digest, visitor.name, datetime.now(UTC))
    return _back(request, integration, started)


def _require_trigger(visitor: Visitor, integration: str) -> None:
    """Raises: HTTPException, 404 or 403."""
    if integration not in _readable(visitor):
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no integration {integration!r} that you may read")
    if not visitor.may_trigger(sync_dag(integration)):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"you may not start {sync_dag(integration)}")


def _back(request: Request, integration: str, started: str) -> RedirectResponse:
    base = str(request.scope.get("root_path", ""))
    query = urlencode({"done": "started", "run": started, "integration": integration})
    return RedirectResponse(f"{base}/?{query}#{integration}", status_code=status.HTTP_303_SEE_OTHER)
