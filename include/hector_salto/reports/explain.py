"""Answers to the three questions of people before closed doors: why not this reservation, why not I, who may enter here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.access_check import BROKEN, LOCK, OK, Break, chains
from hector_salto.access.refusals import SETTLED
from hector_salto.access.reservations import ACCESS, LEFT
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.snapshot import may_enter, same_email
from hector_salto.access.taps import TAP_WORDS, TapTag
from hector_salto.access.windows import is_known_zone
from hector_salto.reports.clock import wall, window_words
from hector_salto.reports.people import NOBODY_KNOWN, People
from hector_salto.reports.text import SHORT_CAUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from hector_salto.access.snapshot import Snapshot

RELOAD = "start the sync (Hector's reload), then ask again"


SHOWN = 40  # lines of one sort
STILL = "still"  # the door opens all the same
SIGNS = {OK: "ok", BROKEN: "NO", STILL: "BUT"}
CLOSED, STILL_OPEN, NO_LOCK = "closed", "still open", "no lock"
TAKEN_BACK = "start the sync (Hector's reload): it takes the access away"
HELD_BACK = "if nobody should enter, approve what is held (Required Actions in Airflow), or mend what failed (last error), then reload"


@dataclass(frozen=True)
class Link:
    """One link of a chain that was reached: ok or broken, and the words that say so."""

    name: str
    state: str
    words: str


@dataclass(frozen=True)
class AccessPath:
    """One person's way to one door: its links up to the first broken one.

    :param says: ``closed``, ``open now``, ``open then`` (at the moment asked about), when it opens, ``still open`` (Salto opens it although the reservation should
        not), or ``no lock`` (the place names none, as rooms without one do).
    :param refused: Hector's answer is no (cancelled, refused, over), or there is no door: nothing is wrong.
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
    refused: bool = False
    person: str = ""  # name and email, for readers who may see them
    name: str = ""  # without the email
    when: str = ""  # the window, in short, on the door's wall clock
    cause: str = ""  # what is broken, in short
    because: str = ""  # the problem of the run that knows more than the broken link

    @property
    def opens(self) -> bool:
        """The door opens to this person at the moment asked about, whatever the reason."""
        return self.says not in {CLOSED, NO_LOCK}

    @property
    def sentence(self) -> str:
        """Return the answer: who, which door, when, and what is broken."""
        who, door = self.name or self.whom, self.lock_name or "any door"
        if self.says == NO_LOCK:
            return f"Reservation {self.reference} of {who} {self.when} is for a place without a lock"
        if self.says == STILL_OPEN:
            return f"{who} can still open {door}: {self.cause}"
        if self.says == CLOSED and self.user_id is None:
            return f"Reservation {self.reference} lets no user into {door} {self.when}: {self.cause}"
        if self.says == CLOSED:
            return f"{who} cannot open {door} {self.when}: {self.cause}"
        return f"{who} can open {door} {self.when}"

    @property
    def whom(self) -> str:
        user = f"user {self.user_id}" if self.user_id else "no user"
        return f"{self.person} ({user})" if self.person else user

    @property
    def first_fault(self) -> str:
        """What keeps the door shut; empty when nothing does."""
        return next((link.words for link in self.links if link.state == BROKEN), "")

    @property
    def headline(self) -> str:
        where = f"door {self.lock_name}" if self.lock_name else "no door"
        return f"{self.says}: reservation {self.reference}, {self.whom}, {where} ({self.looked})"

    def lines(self) -> list[str]:
        told = [
            self.sentence,
            self.headline,
            *(f"  {SIGNS[link.state]:3} {link.name:9} {link.words}" for link in self.links),
        ]
        told += [f"  because   {self.because}"] if self.because else []
        told += [f"  last error {error}" for error in self.errors]
        return told if self.next_step is None else [*told, f"next step: {self.next_step}"]


@dataclass
class Explanation:
    """Whether the door opens, and why.

    :param head: lines to begin with, where there is no chain to show.
    :param ways: the chains.
    :param notes: lines to end with: what the doors themselves reported.
    :param known: false when nothing is known of what was asked about.
    :param parts: an answer for each turn of an hour that comes twice, instead of ``ways`` and ``notes``.
    :param people: users by name, for readers who may see them.
    """

    opens: bool
    head: list[str] = field(default_factory=list)
    ways: list[AccessPath] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: bool = True
    parts: list[Explanation] = field(default_factory=list)
    people: People = NOBODY_KNOWN

    @property
    def lines(self) -> list[str]:
        own = [*self.head, *(line for way in self.ways for line in way.lines()), *self.notes]
        return [*own, *(line for part in self.parts for line in part.lines)]


@dataclass(frozen=True)
class Sources:
    """What an answer is made from.

    seen: the look; looked: when and where it was made, in words; problems: of that run; errors: what did not work last,
    by reference and user; tries: events at doors around the moment; zone: of the locks, for people to read.
    """

    snapshot: Snapshot
    looked: str
    zone: ZoneInfo
    problems: pd.DataFrame
    errors: Callable[[str | None, str | None], list[str]]
    tries: pd.DataFrame

    def local(self, instant: pd.Timestamp, locks: pd.Series | None = None) -> str:
        """Return an instant on the wall clock of a door (its lock's id, or several), else of the one asked about."""
        return wall(instant, self.zone if locks is None else self.zone_of(locks))

    def zone_of(self, locks: pd.Series) -> ZoneInfo:
        """Return the zone of the first of some locks that has a known one, else of the door asked about."""
        zones = self.snapshot.locks[self.snapshot.locks["lock_id"].isin(locks)]["zone"].dropna()
        return next((ZoneInfo(zone) for zone in zones if is_known_zone(zone)), self.zone)

    def locks_of_reservation(self, reservation_id: str) -> pd.Series:
        rooms = self.snapshot.rooms
        return rooms[rooms["reservation_id"].eq(reservation_id)]["lock_id"].dropna()


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

    def user_ids(self, seen: Snapshot) -> set[str]:
        """Return Hector's ids of the person; of an id that only reservations name, that id."""
        found = set(self.among(seen.people)["user_id"].dropna())
        return found or set(seen.borrowers[seen.borrowers["user_id"].eq(str(self.user_id))]["user_id"])

    def among(self, people: pd.DataFrame) -> pd.DataFrame:
        return (
            same_email(people, self.email)
            if self.email is not None
            else people[people["user_id"].eq(str(self.user_id)) | people["person"].eq(str(self.user_id))]
        )


def why_reservation(
    sources: Sources, reference: str, *, now: pd.Timestamp, at: pd.Timestamp | None, email: str | None = None
) -> Explanation:
    """The chain of a reservation, for each of its people (or one of them) and doors."""
    seen = sources.snapshot
    rows = seen.reservations[seen.reservations["reference"].eq(reference)]
    if rows.empty:
        return _without_reservation(sources, reference)
    chain = chains(seen, rows, now=now, at=at)
    if email is not None:
        person = same_email(seen.people, email)["user_id"].dropna()
        chain = chain[chain["user_id"].isin(person)]
        if chain.empty:
            line = f"closed: {email} is not among the people of reservation {reference} ({sources.looked})"
            return Explanation(opens=False, head=[line, f"next step: add the person to it in Hector; then {RELOAD}"])
    answer = _check(sources, chain, rows, (now, at))
    answer.notes += _refused_taps(sources, seen.people[seen.people["user_id"].isin(chain["user_id"].dropna())])
    return answer


def _without_reservation(sources: Sources, reference: str) -> Explanation:
    """Return what is known of a reference that no reservation has: its access group, if there is one."""
    seen, name = sources.snapshot, f"{GROUP_PREFIX}{reference}"
    groups = seen.groups[seen.groups["name"].eq(name)]["group_id"]
    if groups.empty:
        head = [
            f"closed: reservation {reference} is not known ({sources.looked})",
            f"next step: check the reference; if it was booked or moved since then, {RELOAD}",
        ]
        return Explanation(opens=False, known=False, head=head)
    members = seen.members[seen.members["group_id"].isin(groups)]["platform_user_id"].nunique()
    here = seen.doors[seen.doors["group_id"].isin(groups)]["lock_id"]
    doors = ", ".join(sorted(seen.locks[seen.locks["lock_id"].isin(here)]["name"])[:SHOWN]) or "no door"
    endless = bool(seen.schedules[seen.schedules["group_id"].isin(groups)]["end_date"].isna().any())
    says = "it has no end date and is never changed" if endless else "the next sync of all reservations removes it"
    line = (
        f"access group {name} ({members} users, {doors}) is on the site, and Hector shows no reservation of it: {says}"
    )
    return Explanation(
        opens=endless,
        known=endless,
        head=[f"{line} ({sources.looked})", *_problem_lines(sources, f"access group {name}")],
    )


def _problem_lines(sources: Sources, subject: str) -> list[str]:
    """Return what the run that looked reported about a subject."""
    found = sources.problems[sources.problems["subject"].eq(subject)].head(SHOWN)
    return [f"  problem: {row.message}; next step: {row.next_step}" for row in found.itertuples()]


def why_person(sources: Sources, who: Who, *, now: pd.Timestamp, at: pd.Timestamp | None) -> Explanation:
    """The chain of the person's reservations: those open at the moment, else the next one."""
    seen = sources.snapshot
    person, user_ids = who.among(seen.people), who.user_ids(seen)
    if person.empty and not user_ids:
        return Explanation(
            opens=False,
            known=False,
            head=[
                f"closed: no user has the {who}, neither in Hector nor on the site ({sources.looked})",
                f"next step: check it in Hector; if it was entered since then, {RELOAD}",
            ],
        )
    theirs = seen.borrowers[seen.borrowers["user_id"].isin(user_ids)]["reservation_id"]
    rows = seen.reservations[seen.reservations["reservation_id"].isin(theirs)]
    moment = at if at is not None else now
    inside = rows[(rows["window_start"] <= moment) & (rows["window_end"] > moment)]
    ahead = rows[rows["window_start"] > moment].sort_values("window_start")
    granted = ahead[~needs_no_door(ahead)]
    chosen = inside if len(inside) else (granted if len(granted) else ahead).head(1) if at is None else ahead.iloc[:0]
    if chosen.empty:
        lines = [f"closed: {who.name} has no reservation {_when(sources, at)} ({sources.looked})"]
        for row in rows.sort_values("window_start").tail(5).to_dict("records"):
            locks = sources.locks_of_reservation(row["reservation_id"])
            span = f"{sources.local(row['window_start'], locks)} to {sources.local(row['window_end'], locks)}"
            lines.append(f"  reservation {row['reference']}: {span}, status {row['status']}: {row['reason']}")
        for user_id in sorted(user_ids):
            lines += _problem_lines(sources, f"user {user_id}")
        lines.append(f"next step: book a room in Hector; if that was done since then, {RELOAD}")
        return Explanation(opens=False, head=lines, notes=_refused_taps(sources, person))
    chain = chains(seen, chosen, now=now, at=at)
    chain = chain[chain["user_id"].isin(user_ids)]
    answer = _best(_check(sources, chain, chosen, (now, at)))
    answer.notes += _refused_taps(sources, person)
    return answer


def needs_no_door(reservations: pd.DataFrame) -> pd.Series:
    """Return which reservations should open no door, so that nothing is wrong: cancelled, refused, over, without a lock."""
    return reservations["decision"].ne(ACCESS) & reservations["reason"].isin(SETTLED)


def _best(answer: Explanation) -> Explanation:
    """A cancelled reservation is left out beside another one that stands; one good way to a door is enough."""
    good = {way.lock_name for way in answer.ways if way.opens and not way.refused}
    standing = [way for way in answer.ways if not way.refused or (way.opens and way.lock_name not in good)]
    answer.ways = standing or answer.ways
    doors: dict[str | None, bool] = {}
    for way in answer.ways:
        if way.says != NO_LOCK:
            doors[way.lock_name] = doors.get(way.lock_name, False) or way.opens
    answer.opens = bool(doors) and all(doors.values())
    return answer


def _when(sources: Sources, at: pd.Timestamp | None) -> str:
    return "now or ahead" if at is None else f"open at {sources.local(at)}"


def check_reservations(
    sources: Sources, rows: pd.DataFrame, when: tuple[pd.Timestamp, pd.Timestamp | None]
) -> Explanation:
    """Return the chains of some reservations, for each of their users and doors."""
    now, at = when
    return _check(sources, chains(sources.snapshot, rows, now=now, at=at), rows, when)


def _check(
    sources: Sources, chain: pd.DataFrame, rows: pd.DataFrame, when: tuple[pd.Timestamp, pd.Timestamp | None]
) -> Explanation:
    by = ["reference", "user_id", "lock_name"]
    ways = [
        _way(sources, links, rows, when, (str(reference), _text_or_none(user), _text_or_none(door)))
        for (reference, user, door), links in chain.groupby(by, dropna=False, sort=True)
    ]
    ways.sort(key=lambda way: _turn(rows[rows["reference"].eq(way.reference)].iloc[0], when))
    counted = [way for way in ways if way.says != NO_LOCK] or ways
    return Explanation(opens=bool(ways) and all(way.opens for way in counted), ways=ways)


def _turn(row: pd.Series, when: tuple[pd.Timestamp, pd.Timestamp | None]) -> tuple[int, pd.Timestamp]:
    """Return what sorts a reservation: what is open at the moment asked about, then what comes, then what is over."""
    moment, begin, end = when[1] or when[0], row["window_start"], row["window_end"]
    if pd.isna(begin) or pd.isna(end):
        return 2, pd.Timestamp.max.tz_localize("UTC")
    return (0 if begin <= moment < end else 1 if begin > moment else 2), begin


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _way(
    sources: Sources,
    links: pd.DataFrame,
    rows: pd.DataFrame,
    when: tuple[pd.Timestamp, pd.Timestamp | None],
    about: tuple[str, str | None, str | None],
) -> AccessPath:
    reference, user, door = about
    now, at = when
    row = rows[rows["reference"].eq(reference)].iloc[0]
    broken = links[links["state"].eq(BROKEN)]
    open_now = row["decision"] == ACCESS and row["window_start"] <= now < row["window_end"]
    locks = sources.snapshot.locks[sources.snapshot.locks["name"].eq(door or "")]["lock_id"]
    begins = sources.local(row["window_start"], locks)
    says = "open then" if at is not None else "open now" if open_now else f"opens {begins}"
    reached = _reached(links)
    errors: tuple[str, ...] = ()
    step: str | None = None
    cause = because = ""
    if len(broken):
        says = NO_LOCK if broken["code"].iloc[0] == Break.NO_LOCK else CLOSED
        errors = tuple(sources.errors(reference, user))
        first = broken.iloc[0].to_dict()
        cause = SHORT_CAUSE[str(first["link"])]
        step, because = choose_step(sources, first, reference, user)
        still = _still(sources, (user, door), _moment(row, now, at))
        if len(still) and broken["link"].iloc[0] != LOCK:
            says = STILL_OPEN
            reached.append(Link("door", STILL, f"Salto still opens {door} for user {user} through {', '.join(still)}"))
            step = _still_step(reference, row, still, errors)
    return AccessPath(
        says=says,
        reference=reference,
        user_id=user,
        lock_name=door,
        looked=sources.looked,
        links=tuple(reached),
        errors=errors,
        next_step=step,
        refused=bool(needs_no_door(rows[rows["reference"].eq(reference)]).iloc[0]),
        person=_person(sources.snapshot.people, user),
        name=_name(sources.snapshot.people, user),
        when=window_words(row["window_start"], row["window_end"], now, sources.zone_of(locks)),
        cause=cause,
        because=because,
    )


def _reached(links: pd.DataFrame) -> list[Link]:
    return [Link(one["link"], one["state"], one["words"]) for one in links.to_dict("records") if one["state"] in SIGNS]


def _person(people: pd.DataFrame, user_id: str | None) -> str:
    """Name and email of a Hector user; empty where neither is known."""
    if user_id is None:
        return ""
    found = people[people["user_id"].eq(user_id)].head(1)
    told = [f"<{email}>" for email in found["email"].dropna()]
    return " ".join([*found["name"].dropna(), *told])


def _name(people: pd.DataFrame, user_id: str | None) -> str:
    """Return the name of a Hector user, else the email; empty where neither is known."""
    found = people[people["user_id"].eq(user_id or "")].head(1)
    return next(iter([*found["name"].dropna(), *found["email"].dropna()]), "")


def _moment(row: pd.Series, now: pd.Timestamp, at: pd.Timestamp | None) -> pd.Timestamp:
    """The moment at which a reservation's door is asked about: the one given, else now, or when its window begins."""
    if at is not None:
        return at
    return row["window_start"] if pd.notna(row["window_start"]) and row["window_start"] > now else now


def _still(sources: Sources, whose: tuple[str | None, str | None], moment: pd.Timestamp) -> list[str]:
    """Access groups through which Salto opens the door to the user all the same: who takes access away must know."""
    user, door = whose
    if user is None or door is None:
        return []
    theirs = _of_user(sources.snapshot, user)
    if theirs.members.empty:
        return []
    found = may_enter(theirs, moment)
    return sorted(set(found[found["lock_name"].eq(door)]["group_name"]))


def _of_user(seen: Snapshot, user_id: str) -> Snapshot:
    """Return one user with their access groups, so that thousands of others are not joined for each path."""
    people = seen.people[seen.people["user_id"].eq(user_id)]
    members = seen.members[seen.members["platform_user_id"].isin(people["platform_user_id"].dropna())]
    groups = {
        name: table[table["group_id"].isin(members["group_id"])]
        for name, table in (("groups", seen.groups), ("doors", seen.doors), ("schedules", seen.schedules))
    }
    return replace(seen, people=people, members=members, **groups)


def _still_step(reference: str, row: pd.Series, still: list[str], errors: tuple[str, ...]) -> str:
    if f"{GROUP_PREFIX}{reference}" not in still:
        return "none is needed for this door: another reservation or access group opens it"
    if row["decision"] == LEFT:
        return "give each reservation a reference of its own in Hector: until then its access group stays as it is"
    if row["decision"] == ACCESS:
        return f"none is needed for the door to open; to bring the site in step, {RELOAD}"
    return HELD_BACK if errors else TAKEN_BACK


def choose_step(sources: Sources, link: Mapping[Any, Any], reference: str, user: object) -> tuple[str, str]:
    """Return the next step, and its cause where a problem of the run about the same thing knows more than the link."""
    found, seen = sources.problems, sources.snapshot
    booked = seen.reservations[seen.reservations["reference"].eq(reference)]["reservation_id"]
    places = "place " + seen.rooms[seen.rooms["reservation_id"].isin(booked)]["place_id"]
    subjects = {f"user {user}", f"reservation {reference}", *places}
    about = found["subject"].isin(subjects) | found["reference"].eq(reference)
    kinds = RELATED.get(str(link["link"]), ())
    rows = found[about & found["code"].isin(kinds)].to_dict("records")
    return (str(rows[0]["next_step"]), str(rows[0].get("message", ""))) if rows else (str(link["next_step"]), "")


RELATED = {
    "booking": ("reference_twice", "reference_blank"),
    "status": ("status_unknown",),
    "person": (
        "email_missing",
        "email_invalid",
        "email_twice",
        "user_not_active",
        "user_unknown",
        "salto_user_twice",
        "email_held",
    ),
    "place": ("zones_differ", "zone_unknown", "lock_unknown", "lock_ambiguous"),
    "window": ("window_backwards", "window_too_long"),
    "schedule": ("drift_reported",),
    "door": ("drift_reported",),
    "group": (
        "drift_reported",
        "email_twice",
        "email_missing",
        "email_invalid",
        "user_not_active",
        "user_unknown",
        "salto_user_twice",
        "zones_differ",
    ),
    "member": ("drift_reported", "email_twice", "salto_user_twice", "email_held", "waits_for_all"),
    "seat": ("drift_reported", "user_blocked", "user_suspended", "no_seat"),
    "tag": ("drift_reported", "code_missing", "code_twice", "tag_unknown", "tag_ambiguous", "tag_blocked", "tag_held"),
}


def _refused_taps(sources: Sources, person: pd.DataFrame) -> list[str]:
    tries = sources.tries
    mine = tries["platform_user_id"].isin(person["platform_user_id"].dropna())
    mine |= tries["hector_user_id"].isin(person["user_id"].dropna())
    return _events(sources, tries[mine])


def door_events(sources: Sources, locks: pd.Series) -> list[str]:
    """Return what some doors reported around the moment asked about."""
    return _events(sources, sources.tries[sources.tries["lock_id"].isin(locks)])


def _means(row: Mapping[Hashable, object]) -> str:
    """What a door was tried with."""
    what = row["tap_tag"]
    return TAP_WORDS[TapTag(str(what))] if isinstance(what, str) else f"a {row['access_by']}"


def _events(sources: Sources, events: pd.DataFrame) -> list[str]:
    """What the locks themselves reported."""
    told = []
    for row in events.tail(10).to_dict("records"):
        by = f" with {_means(row)}" if row["access_by"] else ""
        detail = f": {row['detail'].replace('_', ' ')}" if row["detail"] else ""
        what = row["category"].replace("lock_", "") + detail
        moment = sources.local(pd.Timestamp(row["at"]), pd.Series([row["lock_id"]]))
        told.append(f"  tried {row['lock_name'] or row['lock_id']} at {moment}{by}, {what}")
    return told
