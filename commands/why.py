"""`make why`: the chain from a booking to its door, from the ledger or (LIVE=1) from Hector and Salto now."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

from commands.demo import NAME, demo
from commands.settings import home, prepare
from include.access.windows import is_known_zone
from include.integrations.integration import integrations_folder, load
from include.ledger.ledger import About
from include.report.answers import Answer, Sources, who_may_enter, why_person, why_reservation

if TYPE_CHECKING:
    from rich.console import Console

    from include.access.seen import Seen
    from include.ledger.ledger import Ledger

OPEN, CLOSED, WRONG = 0, 1, 2
AROUND = timedelta(hours=12)
LOOKED_BACK = timedelta(days=40)  # longer than any window
# Outside a task Airflow reads connections from its own store only for processes that call themselves its server.
OWN_STORE = ("_AIRFLOW_PROCESS_CONTEXT", "server")


class QuestionError(ValueError):
    """The question cannot be answered as it was asked."""


@dataclass(frozen=True)
class Question:
    """What is asked: a reservation, a person (both: that person in it), or a door at a moment."""

    integration: str = ""
    reference: str = ""
    email: str = ""
    door: str = ""
    at: str = ""
    live: bool = False


def why(question: Question, console: Console) -> int:
    """Answer on the terminal.

    Returns:
        0: the door opens (for a reservation or person: in its window; at AT: then); 1: it stays shut; 2: not answered.
    """
    if not (question.reference or question.email or question.door):
        raise QuestionError(
            'ask about REFERENCE=10452, EMAIL=someone@example.org, or DOOR="Studio 204" AT="2026-01-14 10:20"'
        )
    if question.door and (question.reference or question.email):
        raise QuestionError("ask about a door, or about a reservation or person: not both at once")
    os.environ.setdefault("AIRFLOW_HOME", str(home()))
    os.environ.setdefault(*OWN_STORE)
    prepare()
    from runs.bookkeeping import ledger  # noqa: PLC0415 - imports Airflow, which makes its home as it is imported

    kept = ledger()
    answers = {name: _answer(question, name, kept, console) for name in _integrations(question, kept)}
    knowing = {name: answer for name, answer in answers.items() if answer.known} or answers
    for name, answer in knowing.items():
        if len(answers) > 1:
            console.print(f"[bold]{name}[/bold]", highlight=False)
        for line in answer.lines:
            style = "red" if line.startswith(("closed", "  NO")) else "green" if line.startswith("open") else None
            console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    return OPEN if any(answer.opens for answer in knowing.values()) else CLOSED


def _integrations(question: Question, kept: Ledger) -> list[str]:
    from include.ledger.questions import integrations  # noqa: PLC0415 - with the ledger

    if question.integration:
        return [question.integration]
    found = integrations(kept) or ([NAME] if question.live else [])
    if not found:
        raise QuestionError("the ledger is empty: no run has been made yet; `make sync` makes one")
    return found


def _answer(question: Question, name: str, kept: Ledger, console: Console) -> Answer:
    now = datetime.now(UTC)
    seen, looked, problems = _live(name, now, console) if question.live else _kept(question, name, kept, now)
    zone = _zone(seen, question.door)
    at = _moment(question.at, zone)
    sources = _sources(kept, name, (seen, looked, problems), zone, at or now)
    moment, instant = pd.Timestamp(now), None if at is None else pd.Timestamp(at)
    if question.door:
        since = _since(kept, name, at or now) if not question.live else pd.DataFrame()
        return who_may_enter(sources, question.door, at=pd.Timestamp(at or now), since=since)
    if question.reference:
        answer = why_reservation(sources, question.reference, now=moment, at=instant, email=question.email or None)
        return answer if answer.known or question.live else _gone(answer, kept, name, question.reference)
    return why_person(sources, question.email, now=moment, at=instant)


def _kept(question: Question, name: str, kept: Ledger, now: datetime) -> tuple[Seen, str, pd.DataFrame]:
    """From the ledger: as it was at the moment asked about, when that is past."""
    from include.ledger.questions import last_look, problems_of  # noqa: PLC0415 - with the ledger

    zone = _zone(kept.seen(name, names=("locks",)), question.door)
    at = _moment(question.at, zone)
    past = at if at is not None and at < now else None
    look = last_look(kept, name, past)
    if look is None:
        raise QuestionError(f"the ledger has no run of {name}{' before ' + question.at if past else ''}")
    looked = f"as the run of {look.began_at:%Y-%m-%d %H:%M} UTC saw it"
    about = (
        About(reference=question.reference) if question.reference else About(finish_after=(past or now) - LOOKED_BACK)
    )
    return kept.seen(name, past, about=about), looked, problems_of(kept, look.run_id)


def _live(name: str, now: datetime, console: Console) -> tuple[Seen, str, pd.DataFrame]:
    from rest.errors import RestError  # noqa: PLC0415 - after AIRFLOW_HOME is set
    from runs.looking import look_now  # noqa: PLC0415 - imports Airflow

    path = integrations_folder() / f"{name}.yaml"
    if not path.exists():
        raise QuestionError(f"there is no integration {name!r}: no file {path.name} in include/integrations")
    with ExitStack() as stack:
        if name == NAME:
            os.environ.update(stack.enter_context(demo(console)).connections(NAME))
        try:
            seen, problems = look_now(load(path), now)
        except RestError as error:
            raise QuestionError(str(error)) from None
    return seen, "as Hector and Salto show it now", problems


def _sources(
    kept: Ledger, name: str, look: tuple[Seen, str, pd.DataFrame], zone: ZoneInfo, around: datetime
) -> Sources:
    from include.ledger.questions import last_errors, tries  # noqa: PLC0415 - with the ledger

    seen, looked, problems = look

    def errors(reference: str | None, user_id: str | None) -> list[str]:
        return last_errors(kept, name, reference=reference, user_id=user_id)

    events = tries(kept, name, around - AROUND, around + AROUND)
    return Sources(seen, looked, zone, problems, errors, events)


def _since(kept: Ledger, name: str, at: datetime) -> pd.DataFrame:
    from include.ledger.questions import memberships_since  # noqa: PLC0415 - with the ledger

    return memberships_since(kept, name, at)


def _gone(answer: Answer, kept: Ledger, name: str, reference: str) -> Answer:
    from include.ledger.questions import last_known  # noqa: PLC0415 - with the ledger

    row = last_known(kept, name, reference)
    if row is None:
        return answer
    line = (
        f"closed: Hector no longer shows reservation {reference} since {row['until']:%Y-%m-%d %H:%M} UTC; its last "
        f"status was {row['status']}"
    )
    return Answer(opens=False, lines=[line, "next step: if it should exist, book it again in Hector, then reload"])


def _zone(seen: Seen, door: str) -> ZoneInfo:
    """The zone on whose wall clock people speak: of the door, else of most locks."""
    here = seen.locks[seen.locks["name"].str.casefold().eq(door.strip().casefold())]
    zones = [zone for zone in (here if len(here) else seen.locks)["zone"].dropna() if is_known_zone(zone)]
    return ZoneInfo(Counter(zones).most_common(1)[0][0] if zones else "UTC")


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """AT as an instant; without an offset it is meant on the locks' wall clock."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise QuestionError(f'AT={text!r} is no date and time; an example: AT="2026-01-14 10:20"') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
