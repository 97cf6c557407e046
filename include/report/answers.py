"""Answers to the three questions of people before closed doors: why not this reservation, why not I, who may enter here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from include.access.bookings import ACCESS
from include.access.chain import BROKEN, OK, chains
from include.access.people import folded
from include.access.rules import GROUP_PREFIX
from include.access.seen import may_enter, same_email
from include.report.words import utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from include.access.seen import Seen

RELOAD = "start the sync (Hector's reload), then ask again"


SIGNS = {OK: "ok", BROKEN: "NO"}
CLOSED = "closed"


@dataclass(frozen=True)
class Link:
    """One link of a chain that was reached: ok or broken, and the words that say so."""

    name: str
    state: str
    words: str


@dataclass(frozen=True)
class Way:
    """One person's way to one door: its links up to the first broken one.

    :param says: ``closed``, ``open now`` or when it opens.
    :param next_step: None when nothing is broken.
    """

    says: str
    reference: str
    user_id: str | None
    lock_name: str | None
    looked: str
    links: tuple[Link, ...]
    errors: tuple[str, ...]
    next_step: str | None

    @property
    def headline(self) -> str:
        whom = f"user {self.user_id}" if self.user_id else "nobody"
        where = f"door {self.lock_name}" if self.lock_name else "no door"
        return f"{self.says}: reservation {self.reference}, {whom}, {where} ({self.looked})"

    def lines(self) -> list[str]:
        told = [self.headline, *(f"  {SIGNS[link.state]:2} {link.name:9} {link.words}" for link in self.links)]
        told += [f"  last error {error}" for error in self.errors]
        return told if self.next_step is None else [*told, f"next step: {self.next_step}"]


@dataclass
class Answer:
    """Whether the door opens, and why.

    :param head: lines to begin with, where there is no chain to show.
    :param ways: the chains.
    :param notes: lines to end with: what the doors themselves told.
    :param known: false when nothing is known of what was asked about.
    """

    opens: bool
    head: list[str] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: bool = True

    @property
    def lines(self) -> list[str]:
        return [*self.head, *(line for way in self.ways for line in way.lines()), *self.notes]


@dataclass(frozen=True)
class Sources:
    """What an answer is made from.

    seen: the look; looked: when and where it was made, in words; problems: of that run; errors: what did not work last,
    by reference and user; tries: events at doors around the moment; zone: of the locks, for people to read.
    """

    seen: Seen
    looked: str
    zone: ZoneInfo
    problems: pd.DataFrame
    errors: Callable[[str | None, str | None], list[str]]
    tries: pd.DataFrame

    def local(self, instant: pd.Timestamp) -> str:
        try:
            return f"{instant.tz_convert(self.zone):%a %Y-%m-%d %H:%M} ({self.zone})"
        except (OverflowError, ValueError):  # a loan until the end of time
            return utc(instant)


@dataclass(frozen=True)
class Who:
    """A person: by email, or by Hector's user id where there is none."""

    email: str | None = None
    user_id: str | None = None

    @property
    def name(self) -> str:
        return self.email if self.email is not None else f"user {self.user_id}"

    def __str__(self) -> str:
        return f"email {self.email}" if self.email is not None else f"user id {self.user_id}"

    def among(self, people: pd.DataFrame) -> pd.DataFrame:
        return (
            same_email(people, self.email)
            if self.email is not None
            else people[people["user_id"].eq(str(self.user_id))]
        )


def why_reservation(
    sources: Sources, reference: str, *, now: pd.Timestamp, at: pd.Timestamp | None, email: str | None = None
) -> Answer:
    """The chain of a reservation, for each of its people (or one of them) and doors."""
    seen = sources.seen
    rows = seen.reservations[seen.reservations["reference"].eq(reference)]
    if rows.empty:
        return Answer(
            opens=False,
            known=False,
            head=[
                f"closed: reservation {reference} is not known ({sources.looked})",
                f"next step: check the reference; if it was booked or moved since then, {RELOAD}",
            ],
        )
    chain = chains(seen, rows, now=now, at=at)
    if email is not None:
        person = same_email(seen.people, email)["user_id"].dropna()
        chain = chain[chain["user_id"].isin(person)]
        if chain.empty:
            line = f"closed: {email} is not among the people of reservation {reference} ({sources.looked})"
            return Answer(opens=False, head=[line, f"next step: add the person to it in Hector; then {RELOAD}"])
    return _chained(sources, chain, rows, now)


def why_person(sources: Sources, who: Who, *, now: pd.Timestamp, at: pd.Timestamp | None) -> Answer:
    """The chain of the person's reservations: those open at the moment, else the next one."""
    seen = sources.seen
    person = who.among(seen.people)
    if person.empty:
        return Answer(
            opens=False,
            known=False,
            head=[
                f"closed: nobody has the {who}, neither in Hector nor on the site ({sources.looked})",
                f"next step: check it in Hector; if it was entered since then, {RELOAD}",
            ],
        )
    theirs = seen.borrowers[seen.borrowers["user_id"].isin(person["user_id"].dropna())]["reservation_id"]
    rows = seen.reservations[seen.reservations["reservation_id"].isin(theirs)]
    moment = at if at is not None else now
    inside = rows[(rows["window_start"] <= moment) & (rows["window_end"] > moment)]
    ahead = rows[rows["window_start"] > moment].sort_values("window_start")
    chosen = inside if len(inside) else ahead.head(1) if at is None else ahead.iloc[:0]
    if chosen.empty:
        lines = [f"closed: {who.name} has no reservation {_when(sources, at)} ({sources.looked})"]
        for row in rows.sort_values("window_start").tail(5).to_dict("records"):
            span = f"{sources.local(row['window_start'])} to {sources.local(row['window_end'])}"
            lines.append(f"  reservation {row['reference']}: {span}, status {row['status']}: {row['reason']}")
        lines.append(f"next step: book a room in Hector; if that was done since then, {RELOAD}")
        return Answer(opens=False, head=lines, notes=_tried(sources, person))
    chain = chains(seen, chosen, now=now, at=at)
    chain = chain[chain["user_id"].isin(person["user_id"])]
    answer = _chained(sources, chain, chosen, now)
    answer.notes += _tried(sources, person)
    return answer


def _when(sources: Sources, at: pd.Timestamp | None) -> str:
    return "now or ahead" if at is None else f"open at {sources.local(at)}"


def who_may_enter(sources: Sources, door: str, *, at: pd.Timestamp, since: pd.DataFrame) -> Answer:
    """Everybody whose tag opens a door (a lock's name, or a place's) at a moment, and since which run.

    Args:
        since: group_id, platform_user_id, run, since (see ``questions.memberships_since``); empty: not known.
    """
    seen = sources.seen
    locks = _locks(seen, door)
    if locks.empty:
        known = ", ".join(sorted(seen.locks["name"])[:40])
        line = f"closed: no lock and no place is called {door} ({sources.looked}); locks: {known}"
        return Answer(opens=False, head=[line, "next step: check the name"], known=False)
    found = may_enter(seen, at)
    found = found[found["lock_id"].isin(locks["lock_id"])]
    if len(since):
        found = found.merge(since, on=["group_id", "platform_user_id"], how="left")
    lines = [f"{'open' if len(found) else 'closed'}: {len(found)} could enter {door} at {sources.local(at)}"]
    for row in found.to_dict("records"):
        who = row["email"] if isinstance(row["email"], str) else f"Salto user {row['platform_user_id']}"
        given = (
            f", since {row['since']:%Y-%m-%d %H:%M} UTC (run {row['run']})"
            if "since" in row and pd.notna(row["since"])
            else ""
        )
        lines.append(f"  {who} through reservation {row['reference']} at {row['lock_name']}{given}")
    if found.empty:
        lines += _shut(sources, locks, at)
    lines.append(
        f"  ({sources.looked}; only access groups named {GROUP_PREFIX}... are looked at: others may open it too)"
    )
    here = sources.tries[sources.tries["lock_id"].isin(locks["lock_id"])]
    return Answer(opens=bool(len(found)), head=lines, notes=_events(sources, here))


def _locks(seen: Seen, door: str) -> pd.DataFrame:
    name = door.strip().casefold()
    places = seen.rooms[folded(seen.rooms["place_name"]).eq(name)]["lock_id"].dropna()
    return seen.locks[folded(seen.locks["name"]).eq(name) | seen.locks["lock_id"].isin(places)]


def _shut(sources: Sources, locks: pd.DataFrame, at: pd.Timestamp) -> list[str]:
    """Why the reservations at this door do not open it at the moment."""
    seen = sources.seen
    here = seen.rooms[seen.rooms["lock_id"].isin(locks["lock_id"])]["reservation_id"]
    rows = seen.reservations[seen.reservations["reservation_id"].isin(here)]
    rows = rows[(rows["window_start"] <= at) & (rows["window_end"] > at)]
    broken = chains(seen, rows, now=at, at=at)
    broken = broken[broken["state"].eq(BROKEN)].drop_duplicates(["reference", "words"])
    if broken.empty:
        return ["  no reservation at this door has its window open then"]
    return [f"  reservation {row.reference}: {row.words}; next step: {row.next_step}" for row in broken.itertuples()]


def _chained(sources: Sources, chain: pd.DataFrame, rows: pd.DataFrame, now: pd.Timestamp) -> Answer:
    opens = not chain["state"].eq(BROKEN).any() and not chain.empty
    by = ["reference", "user_id", "lock_name"]
    ways = [
        _way(sources, links, rows, now, (str(reference), _told(user), _told(door)))
        for (reference, user, door), links in chain.groupby(by, dropna=False, sort=True)
    ]
    return Answer(opens=opens, ways=ways)


def _told(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _way(
    sources: Sources,
    links: pd.DataFrame,
    rows: pd.DataFrame,
    now: pd.Timestamp,
    about: tuple[str, str | None, str | None],
) -> Way:
    reference, user, door = about
    row = rows[rows["reference"].eq(reference)].iloc[0]
    broken = links[links["state"].eq(BROKEN)]
    open_now = row["decision"] == ACCESS and row["window_start"] <= now < row["window_end"]
    says = CLOSED if len(broken) else "open now" if open_now else f"opens {sources.local(row['window_start'])}"
    reached = links[links["state"].isin(SIGNS)]
    return Way(
        says=says,
        reference=reference,
        user_id=user,
        lock_name=door,
        looked=sources.looked,
        links=tuple(Link(one["link"], one["state"], one["words"]) for one in reached.to_dict("records")),
        errors=tuple(sources.errors(reference, user)) if len(broken) else (),
        next_step=_step(sources, broken.iloc[0], reference, user) if len(broken) else None,
    )


def _step(sources: Sources, link: pd.Series, reference: str, user: object) -> str:
    """A problem of the run that is about the same thing knows the step better than the link."""
    found = sources.problems
    about = found["subject"].isin([f"user {user}", f"reservation {reference}"]) | found["reference"].eq(reference)
    kinds = RELATED.get(str(link["link"]), ())
    steps = found[about & found["code"].isin(kinds)]["next_step"]
    return str(steps.iloc[0]) if len(steps) else str(link["next_step"])


RELATED = {
    "booking": ("reference_twice", "reference_blank"),
    "status": ("status_unknown",),
    "person": ("email_missing", "email_twice", "user_not_active", "user_unknown", "salto_user_twice", "email_held"),
    "place": ("zones_differ", "zone_unknown"),
    "window": ("window_backwards", "window_too_long"),
    "group": ("email_twice", "email_missing", "user_not_active", "user_unknown", "salto_user_twice", "zones_differ"),
    "member": ("email_twice", "salto_user_twice", "email_held", "waits_for_all"),
    "seat": ("user_blocked", "user_suspended", "no_seat"),
    "tag": ("code_missing", "code_twice", "tag_unknown", "tag_ambiguous", "tag_blocked", "tag_held"),
}


def _tried(sources: Sources, person: pd.DataFrame) -> list[str]:
    mine = sources.tries[sources.tries["platform_user_id"].isin(person["platform_user_id"].dropna())]
    return _events(sources, mine)


def _events(sources: Sources, events: pd.DataFrame) -> list[str]:
    """What the locks themselves have told."""
    told = []
    for row in events.tail(10).to_dict("records"):
        by = f" with a {row['access_by']}" if row["access_by"] else ""
        detail = f": {row['detail'].replace('_', ' ')}" if row["detail"] else ""
        what = row["category"].replace("lock_", "") + detail
        moment = sources.local(pd.Timestamp(row["at"]))
        told.append(f"  tried {row['lock_name'] or row['lock_id']} at {moment}{by}, {what}")
    return told
