"""Questions about doors, asked of the ledger or of a look made just now: what `make why` and the page answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

from include.access.windows import is_known_zone
from include.ledger.ledger import About
from include.ledger.questions import last_errors, last_known, last_look, memberships_since, problems_of, tries
from include.report.answers import Answer, Sources, Who, locks_of, who_may_enter, why_person, why_reservation

if TYPE_CHECKING:
    from include.access.seen import Seen
    from include.ledger.ledger import Ledger

AROUND = timedelta(hours=12)
LOOKED_BACK = timedelta(days=40)  # longer than any window
FIRST_YEAR, LAST_YEAR = 1971, 2200  # of moments that can be asked about


class QuestionError(ValueError):
    """The question cannot be answered as it was asked."""


@dataclass(frozen=True)
class Question:
    """What is asked: a reservation, a person (both: that person in it), or a door at a moment.

    at: ISO 8601; without an offset it is meant on the wall clock of the door. user_id: for somebody without an email.
    """

    reference: str = ""
    email: str = ""
    door: str = ""
    at: str = ""
    user_id: str = ""

    def trimmed(self) -> Question:
        """Without the spaces around what people typed."""
        return Question(**{field.name: getattr(self, field.name).strip() for field in fields(self)})

    def checked(self) -> Question:
        """Itself.

        Raises:
            QuestionError: when it asks nothing, or two things at once.
        """
        if not (self.reference or self.email or self.door or self.user_id):
            raise QuestionError(
                'ask about REFERENCE=10452, EMAIL=someone@example.org, or DOOR="Studio 204" AT="2026-01-14 10:20"'
            )
        if self.door and (self.reference or self.email or self.user_id):
            raise QuestionError("ask about a door, or about a reservation or person: not both at once")
        return self


@dataclass(frozen=True)
class Look:
    """What was seen, when and where (in words), and the problems found (code, subject, reference, next_step)."""

    seen: Seen
    words: str
    problems: pd.DataFrame


def answered(kept: Ledger, name: str, question: Question, now: datetime, *, live: Look | None = None) -> Answer:
    """The answer about one integration.

    Args:
        kept: the ledger; with ``live`` it only adds what failed last and what the doors told.
        name: of the integration.
        question: checked.
        now: aware.
        live: a look made just now; None: as the last run saw it, at ``question.at`` when that is past.

    Raises:
        QuestionError: when the ledger has no run to answer from, or ``at`` is no moment.
    """
    question = question.trimmed()
    look = live or kept_look(kept, name, question, now)
    zone = zone_of(look.seen, question)
    at = moment(question.at, zone)
    around = at or now

    def errors(reference: str | None, user_id: str | None) -> list[str]:
        return last_errors(kept, name, reference=reference, user_id=user_id)

    events = tries(kept, name, around - AROUND, around + AROUND)
    sources = Sources(look.seen, look.words, zone, look.problems, errors, events)
    instant, present = None if at is None else pd.Timestamp(at), pd.Timestamp(now)
    if question.door:
        since = memberships_since(kept, name, around) if live is None else pd.DataFrame()
        return who_may_enter(sources, question.door, at=pd.Timestamp(around), since=since)
    if question.reference:
        email = question.email or None
        answer = why_reservation(sources, question.reference, now=present, at=instant, email=email)
        return answer if answer.known or live is not None else _gone(answer, kept, name, question.reference)
    return why_person(sources, _who(question), now=present, at=instant)


def kept_look(kept: Ledger, name: str, question: Question, now: datetime) -> Look:
    """From the ledger: as it was at the moment asked about, when that is past."""
    booked = ("reservations", "rooms") if question.reference else ()
    around = kept.seen(name, about=About(reference=question.reference), names=("locks", "places", *booked))
    at = moment(question.at, zone_of(around, question))
    past = at if at is not None and at < now else None
    last = last_look(kept, name, past)
    if last is None:
        raise QuestionError(f"the ledger has no run of {name}{' before ' + question.at if past else ''}")
    about = _about(kept, name, question, at or now, past)
    words = f"as the run of {last.began_at:%Y-%m-%d %H:%M} UTC saw it"
    return Look(kept.seen(name, past, about=about), words, problems_of(kept, last.run_id))


def _about(kept: Ledger, name: str, question: Question, around: datetime, past: datetime | None) -> About:
    """The reservations that an answer needs: a ledger of years holds many others."""
    if question.reference:
        return About(reference=question.reference)
    if question.door:
        return About(open_at=around)
    people = kept.seen(name, past, names=("people",)).people
    theirs = _who(question).among(people)["user_id"].dropna()
    return About(finish_after=around - LOOKED_BACK, user_ids=frozenset(theirs))


def _who(question: Question) -> Who:
    return Who(email=question.email) if question.email else Who(user_id=question.user_id)


def _gone(answer: Answer, kept: Ledger, name: str, reference: str) -> Answer:
    """About a reservation that Hector does not show any more, within what it is asked for."""
    row = last_known(kept, name, reference)
    if row is None or len(kept.seen(name, about=About(reference=reference), names=("reservations",)).reservations):
        return answer  # never known, or known again since the moment that was asked about
    line = (
        f"closed: Hector no longer shows reservation {reference} among those of its horizon since "
        f"{row['until']:%Y-%m-%d %H:%M} UTC: it was removed, or moved further ahead; its last status was {row['status']}"
    )
    step = "next step: look at it in Hector: further ahead, its doors are prepared when it comes into the horizon"
    return Answer(opens=False, head=[line, step])


def zone_of(seen: Seen, question: Question | None = None) -> ZoneInfo:
    """The zone on whose wall clock people speak: of the door or reservation asked about, else of most locks."""
    here = seen.locks.iloc[:0]
    if question is not None and question.door:
        here = locks_of(seen, question.door)
    if question is not None and question.reference:
        booked = seen.reservations[seen.reservations["reference"].eq(question.reference)]["reservation_id"]
        rooms = seen.rooms[seen.rooms["reservation_id"].isin(booked)]
        here = seen.locks[seen.locks["lock_id"].isin(rooms["lock_id"].dropna())]
    zones = [zone for zone in (here if len(here) else seen.locks)["zone"].dropna() if is_known_zone(zone)]
    return ZoneInfo(Counter(zones).most_common(1)[0][0] if zones else "UTC")


def moment(text: str, zone: ZoneInfo) -> datetime | None:
    """A moment as people type it, as an instant; without an offset it is meant on the locks' wall clock."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = datetime.min.replace(tzinfo=UTC)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise QuestionError(f'AT={text!r} is no date and time to ask about; an example: AT="2026-01-14 10:20"')
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
