"""Questions about doors, asked of the ledger or of a look made just now: what `make why` and the page answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.windows import is_known_zone
from hector_salto.ledger.ledger import Selection
from hector_salto.ledger.queries import last_errors, last_known, last_look, memberships_since, problems_of, tries
from hector_salto.reports.clock import MomentError, moments, wall
from hector_salto.reports.door import doors_called, who_may_enter
from hector_salto.reports.explain import Explanation, Sources, Who, why_person, why_reservation
from hector_salto.reports.people import People

if TYPE_CHECKING:
    from hector_salto.access.snapshot import Snapshot
    from hector_salto.ledger.ledger import Ledger

AROUND = timedelta(hours=12)
LOOKED_BACK = timedelta(days=40)  # longer than any window
GRACE = timedelta(days=2)  # longer than any grace after a reservation


class QuestionError(ValueError):
    """The question cannot be answered as it was asked."""


@dataclass(frozen=True)
class Question:
    """What is asked: a reservation, a person (both: that person in it), or a door at a moment.

    at: ISO 8601; without an offset it is meant on the wall clock of the door. user_id: for a user without an email.
    """

    reference: str = ""
    email: str = ""
    door: str = ""
    at: str = ""
    user_id: str = ""

    def strip(self) -> Question:
        """Without the spaces around what people typed."""
        return Question(**{field.name: getattr(self, field.name).strip() for field in fields(self)})

    def validate(self) -> Question:
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
class SiteView:
    """What was seen, when and where (in words), and the problems found (code, subject, reference, next_step)."""

    snapshot: Snapshot
    words: str
    problems: pd.DataFrame


def answer_question(
    kept: Ledger, name: str, question: Question, now: datetime, *, live: SiteView | None = None
) -> Explanation:
    """The answer about one integration.

    Args:
        kept: the ledger; with ``live`` it only adds what failed last and what the doors reported.
        name: of the integration.
        question: checked.
        now: aware.
        live: a look made just now; None: as the last run saw it, at ``question.at`` when that is past.

    Raises:
        QuestionError: when the ledger has no run to answer from, or ``at`` is no moment.
    """
    question = question.strip()
    zone = zone_of(live.snapshot if live else _around(kept, name, question, now), question)
    try:
        turns = moments(question.at, zone)
    except MomentError as error:
        raise QuestionError(str(error)) from None
    found = [_answer_at(kept, name, (question, zone, turn), now, live) for turn in turns or (None,)]
    if len(found) == 1:
        return found[0]
    for turn, part in zip(turns, found, strict=True):
        part.head.insert(0, f"at {wall(turn, zone)}:")
    twice = f"{question.at} comes twice in {zone}, because its clocks go back then; here is the answer for each"
    opens, known = all(part.opens for part in found), any(part.known for part in found)
    return Explanation(opens=opens, head=[twice], parts=found, known=known)


def _answer_at(
    kept: Ledger, name: str, asked: tuple[Question, ZoneInfo, datetime | None], now: datetime, live: SiteView | None
) -> Explanation:
    """Return the answer about one moment (None: now), with its users by name."""
    look = live or snapshot_from_ledger(kept, name, asked, now)
    answer = _explain(kept, name, asked, now, look, live=live is not None)
    answer.people = People.of(look.snapshot.people)
    return answer


def _explain(  # noqa: PLR0913 - a question, and what is known
    kept: Ledger,
    name: str,
    asked: tuple[Question, ZoneInfo, datetime | None],
    now: datetime,
    look: SiteView,
    *,
    live: bool,
) -> Explanation:
    question, zone, at = asked
    around = at or now

    def errors(reference: str | None, user_id: str | None) -> list[str]:
        return last_errors(kept, name, reference=reference, user_id=user_id)

    events = tries(kept, name, around - AROUND, around + AROUND)
    sources = Sources(look.snapshot, look.words, zone, look.problems, errors, events)
    instant, present = None if at is None else pd.Timestamp(at), pd.Timestamp(now)
    if question.door:
        since = memberships_since(kept, name, around) if not live else pd.DataFrame()
        return who_may_enter(sources, question.door, now=present, at=instant, since=since)
    if question.reference:
        email = question.email or None
        answer = why_reservation(sources, question.reference, now=present, at=instant, email=email)
        return answer if answer.known or live else _explain_missing(answer, kept, name, question.reference, zone)
    return why_person(sources, _who(question), now=present, at=instant)


def _around(kept: Ledger, name: str, question: Question, now: datetime) -> Snapshot:
    """Return what tells on whose wall clock a question is meant."""
    if question.door:
        return kept.read_snapshot(name, names=("locks", "places"))
    if question.reference:
        about = Selection(reference=question.reference)
        return kept.read_snapshot(name, about=about, names=("locks", "places", "reservations", "rooms"))
    if not question.at:
        return kept.read_snapshot(name, names=("locks",))
    about = _about(kept, name, question, now, None)
    return kept.read_snapshot(name, about=about, names=("locks", "reservations", "rooms"))


def snapshot_from_ledger(
    kept: Ledger, name: str, asked: tuple[Question, ZoneInfo, datetime | None], now: datetime
) -> SiteView:
    """From the ledger: as it was at the moment asked about, when that is past."""
    question, zone, at = asked
    past = at if at is not None and at < now else None
    last = last_look(kept, name, past)
    if last is None:
        raise QuestionError(f"the ledger has no run of {name}{' before ' + question.at if past else ''}")
    about = _about(kept, name, question, now, at)
    words = f"as the run of {wall(last.began_at, zone)} saw it"
    near = None if past is not None or question.door else _surroundings(kept, name, about)
    seen = near or kept.read_snapshot(name, past, about=about)
    return SiteView(seen, words, problems_of(kept, last.run_id))


def _surroundings(kept: Ledger, name: str, about: Selection) -> Snapshot | None:
    """Return what the chains of some reservations ask; None: more than that must be read, because there are none."""
    booked = kept.read_snapshot(name, about=about, names=("reservations",)).reservations["reservation_id"]
    return kept.read_surroundings(name, booked, about.user_ids or ()) if len(booked) else None


def _about(kept: Ledger, name: str, question: Question, now: datetime, at: datetime | None) -> Selection:
    """The reservations that an answer needs: a ledger of years holds many others."""
    if question.reference:
        return Selection(reference=question.reference)
    past = at if at is not None and at < now else None
    if question.door:
        about = Selection(open_at=at) if at is not None else Selection(finish_after=now - GRACE)
        doors = kept.read_snapshot(name, past, about=about, names=("locks", "places", "rooms"))
        booked = doors_called(doors, question.door).rooms["reservation_id"]
        return replace(about, reservation_ids=frozenset(booked))
    who = _who(question)
    known = set(who.among(kept.read_snapshot(name, past, names=("people",)).people)["user_id"].dropna())
    named = {question.user_id} if question.user_id and not known else known  # perhaps only reservations name the user
    return Selection(finish_after=(at or now) - LOOKED_BACK, user_ids=frozenset(named))


def _who(question: Question) -> Who:
    return Who(email=question.email) if question.email else Who(user_id=question.user_id)


def _explain_missing(answer: Explanation, kept: Ledger, name: str, reference: str, zone: ZoneInfo) -> Explanation:
    """About a reservation that Hector does not show any more, within what it is asked for."""
    row = last_known(kept, name, reference)
    if row is None or len(
        kept.read_snapshot(name, about=Selection(reference=reference), names=("reservations",)).reservations
    ):
        return answer  # never known, or known again since the moment that was asked about
    line = (
        f"closed: Hector no longer shows reservation {reference} among those of its horizon since "
        f"{wall(row['until'], zone)}: it was removed, or moved further ahead; its last status was {row['status']}"
    )
    step = "next step: look at it in Hector: further ahead, its doors are prepared when it comes into the horizon"
    return Explanation(opens=False, head=[line, step])


def zone_of(seen: Snapshot, question: Question | None = None) -> ZoneInfo:
    """The zone on whose wall clock people speak: of the door or reservation asked about, of the user's reservations, else of most locks."""
    rooms = seen.rooms
    if question is None:
        rooms = rooms.iloc[:0]
    elif question.reference:
        booked = seen.reservations[seen.reservations["reference"].eq(question.reference)]["reservation_id"]
        rooms = rooms[rooms["reservation_id"].isin(booked)]
    here = seen.locks[seen.locks["lock_id"].isin(rooms["lock_id"].dropna())]
    if question is not None and question.door:
        here = doors_called(seen, question.door).locks
    zones = [zone for zone in (here if len(here) else seen.locks)["zone"].dropna() if is_known_zone(zone)]
    return ZoneInfo(Counter(zones).most_common(1)[0][0] if zones else "UTC")
