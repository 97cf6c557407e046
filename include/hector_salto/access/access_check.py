"""Why a door opens for a user, or the first thing that keeps it shut (design, section 7).

booking -> status -> person -> place -> window -> group -> schedule -> door -> member -> seat -> tag -> lock. Each link is
judged from one snapshot (``Seen``); questions about the ledger, about Salto now and about tomorrow's doors all come here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.refusals import Refusal
from hector_salto.access.reservations import ACCESS
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.windows import SCHEDULE_COLUMNS, is_known_zone, same_schedule, schedules

if TYPE_CHECKING:
    from hector_salto.access.snapshot import Snapshot

OK, BROKEN, NOT_REACHED = "ok", "broken", "not_reached"
BOOKING, STATUS, PERSON, PLACE, WINDOW = "booking", "status", "person", "place", "window"
GROUP, SCHEDULE, DOOR, MEMBER, SEAT, TAG, LOCK = "group", "schedule", "door", "member", "seat", "tag", "lock"
LINKS = (BOOKING, STATUS, PERSON, PLACE, WINDOW, GROUP, SCHEDULE, DOOR, MEMBER, SEAT, TAG, LOCK)
RELOAD = "start the sync (Hector's reload) and read what it reports about this reservation"

ZONE_UNKNOWN = "the door's time zone is not known"
LONGEST = pd.Timedelta(days=33)  # a reservation of 31 days with its grace
UNTOUCHED = " has no tag in Salto, and the sync never changes this user there (owner, admin, pod member or guest)"

# The link that each reason breaks.
REFUSALS = {
    Refusal.REFERENCE_TWICE: BOOKING,
    Refusal.REFERENCE_BLANK: BOOKING,
    Refusal.BLOCKING: STATUS,
    Refusal.STATUS_UNKNOWN: STATUS,
    Refusal.STATUS: STATUS,
    Refusal.NO_USER: PERSON,
    Refusal.NO_SALTO_USER: PERSON,
    Refusal.NO_LOCK: PLACE,
    Refusal.NO_LOCK_OF_SITE: PLACE,
    Refusal.ZONES: PLACE,
    Refusal.DOOR_UNCLEAR: PLACE,
    Refusal.OVER: WINDOW,
    Refusal.AHEAD: WINDOW,
    Refusal.BACKWARDS: WINDOW,
    Refusal.TOO_LONG: WINDOW,
}
STEPS = {
    BOOKING: "give each reservation a reference of its own in Hector",
    STATUS: "approve or reactivate the reservation in Hector, then reload",
    PERSON: "mend the person in Hector (active, with an email), then reload",
    PLACE: "fill the place attribute Salto Lock Id with the lock's name as the Salto dashboard shows it, then reload",
    WINDOW: "move the reservation in Hector if the door is needed at another time, then reload",
    GROUP: RELOAD,
    SCHEDULE: RELOAD,
    DOOR: RELOAD,
    MEMBER: RELOAD,
    SEAT: "subscribe or unblock the user in the Salto dashboard (a seat must be free), then reload",
    TAG: "enter the tag's number as the unique code in Hector, see that the tag is in Salto and not blocked, then reload",
    LOCK: "see why the lock or its IQ is offline: it learns of new rights only when it is online again",
}


class Break(StrEnum):
    """How a link is broken, as far as rules ask."""

    NO_LOCK = "no_lock"  # the place names none, as rooms without a door of ours do
    OTHER = ""


@dataclass(frozen=True)
class _Case:
    """One way a link can break: where, and in which words (a column of text)."""

    link: str
    broken: pd.Series
    words: pd.Series
    step: str = ""  # where the link's own does not help
    code: Break = Break.OTHER


def chains(
    seen: Snapshot, reservations: pd.DataFrame, *, now: pd.Timestamp, at: pd.Timestamp | None = None
) -> pd.DataFrame:
    """The whole chain of each (reservation, person, place).

    Args:
        seen: what was seen.
        reservations: rows of ``seen.reservations`` to explain.
        now: aware; a window that is over by then opens nothing any more.
        at: the moment asked about, aware; None: the reservation's own window, whenever it is.

    Returns:
        CHAIN: a row a link; after the first broken one the others are ``not_reached``. A reservation without people or
        without places has one chain with nulls for those.
    """
    rows = _rows(seen, reservations)
    if rows.empty:
        return schemas.frame(schemas.CHAIN, [])
    first = pd.Series(len(LINKS), index=rows.index)
    words = pd.Series("", index=rows.index, dtype="str")
    steps, codes = words.copy(), words.copy()
    for case in _cases(rows, now, at):
        place = LINKS.index(case.link)
        here = case.broken.eq(other=True).fillna(value=False).astype("bool") & (place < first)
        first, words = first.mask(here, place), words.mask(here, case.words.astype("str"))
        steps = steps.mask(here, case.step or STEPS[case.link])
        codes = codes.mask(here, case.code)
    return _report(rows, first, (words, steps, codes), _good(rows))


def first_broken_links(chain: pd.DataFrame) -> pd.DataFrame:
    """The first broken link of each chain that has one."""
    return chain[chain["state"].eq(BROKEN)].reset_index(drop=True)


def _rows(seen: Snapshot, reservations: pd.DataFrame) -> pd.DataFrame:
    """One row a reservation, person and place, with everything the links ask."""
    rows = reservations.merge(seen.borrowers, on="reservation_id", how="left")
    rows = rows.merge(seen.rooms, on="reservation_id", how="left")
    rows = rows.merge(seen.people.dropna(subset="user_id"), on="user_id", how="left")
    locks = seen.locks.rename(columns={"name": "salto_lock_name"})
    rows = rows.merge(locks, on="lock_id", how="left")
    rows["group_name"] = GROUP_PREFIX + rows["reference"]
    groups = seen.groups.rename(columns={"name": "group_name"}).drop_duplicates("group_name")
    rows = rows.merge(groups, on="group_name", how="left")
    members = seen.members.assign(is_member=True)
    rows = rows.merge(members, on=["group_id", "platform_user_id"], how="left")
    rows = rows.merge(seen.doors.assign(is_door=True), on=["group_id", "lock_id"], how="left")
    fitting = _fitting(rows, seen.schedules)
    rows["schedule_fits"] = rows["group_id"].isin(fitting)
    flags = [
        "managed",
        "is_member",
        "is_door",
        "blocked",
        "has_tag",
        "own_tag",
        "tag_blocked",
        "has_code",
        "online",
        "iq_online",
        "privacy_mode",
    ]
    return rows.assign(**{name: rows[name].eq(other=True).fillna(value=False).astype("bool") for name in flags})


def _fitting(rows: pd.DataFrame, found: pd.DataFrame) -> set[str]:
    """Groups that carry exactly the one schedule their reservation means."""
    known = rows["zone"].map(is_known_zone, na_action="ignore").eq(other=True)
    # No longer window is ever served, and walking through centuries of clock changes takes its time.
    served = rows["window_end"] - rows["window_start"] <= LONGEST
    meant = rows[known & served & rows["group_id"].notna()].drop_duplicates("group_id")
    meant = schedules(meant[["group_id", "window_start", "window_end", "zone"]].reset_index(drop=True))
    now = found[["group_id", *SCHEDULE_COLUMNS]].rename(columns={name: f"{name}_now" for name in SCHEDULE_COLUMNS})
    pairs = meant.merge(now, on="group_id")
    current = pairs[[f"{name}_now" for name in SCHEDULE_COLUMNS]].set_axis(list(SCHEDULE_COLUMNS), axis=1)
    same = pairs[same_schedule(pairs[list(SCHEDULE_COLUMNS)], current)]
    single = found.groupby("group_id").size().eq(1)
    return set(same["group_id"]) & set(single.index[single])


def _cases(rows: pd.DataFrame, now: pd.Timestamp, at: pd.Timestamp | None) -> list[_Case]:
    """Cases, in the order of the links; inside a link the first that holds is reported."""
    person = "user " + rows["user_id"].astype("str")
    place = rows["place_name"].astype("str").where(rows["place_name"].notna(), rows["place_id"].astype("str"))
    door = rows["salto_lock_name"].astype("str")
    named = rows["lock_name"].notna() & rows["lock_name"].astype("str").str.strip().ne("")
    email = rows["email"].notna() & rows["email"].astype("str").str.strip().ne("")
    active = rows["hector_status"].astype("str").str.strip().str.lower().eq("active")
    group = "access group " + rows["group_name"]
    seat = rows["subscription_state"].astype("str").where(rows["subscription_state"].notna(), "unknown")
    return [
        *_refusals(rows),
        _Case(PERSON, rows["user_id"].isna(), _text(rows, "the reservation names no Hector user")),
        _Case(PERSON, rows["hector_status"].isna(), person + " is not among Hector's users"),
        _Case(PERSON, ~active, person + " is not active in Hector"),
        _Case(PERSON, ~email, person + " has no email in Hector, so no Salto user can be theirs"),
        _Case(PLACE, rows["place_id"].isna(), _text(rows, "the reservation has no place")),
        _Case(PLACE, ~named, "place " + place + " names no lock", code=Break.NO_LOCK),
        _Case(PLACE, rows["lock_id"].isna(), "no single lock of the site is called " + rows["lock_name"].astype("str")),
        *_windows(rows, now, at),
        _Case(GROUP, rows["group_id"].isna(), group + " does not exist in Salto"),
        _Case(SCHEDULE, ~rows["schedule_fits"], group + " does not have the one schedule its reservation means"),
        _Case(DOOR, ~rows["is_door"], "door " + door + " is not in " + group),
        _Case(MEMBER, rows["site_user_id"].isna(), person + " has no user on the Salto site"),
        _Case(MEMBER, ~rows["is_member"], person + " is not in " + group),
        _Case(SEAT, rows["blocked"], person + " is blocked in Salto by hand"),
        _Case(SEAT, rows["subscription_state"].ne("subscribed"), person + " has no seat (" + seat + ")"),
        _Case(
            TAG,
            ~rows["has_tag"] & ~rows["managed"],
            person + UNTOUCHED,
            "assign the tag by hand in the Salto dashboard",
        ),
        _Case(TAG, ~rows["has_tag"] & ~rows["has_code"], person + " has no unique code in Hector and no tag in Salto"),
        _Case(TAG, ~rows["has_tag"], person + " has a unique code in Hector, but no tag in Salto"),
        _Case(TAG, rows["tag_blocked"], "the tag of " + person + " is blocked in Salto"),
        *_lock_cases(rows, door),
    ]


def _lock_cases(rows: pd.DataFrame, door: pd.Series) -> list[_Case]:
    return [
        _Case(LOCK, ~rows["iq_online"], "the IQ of door " + door + " is offline"),
        _Case(LOCK, ~rows["online"], "door " + door + " is offline"),
        _Case(
            LOCK,
            rows["privacy_mode"],
            "door " + door + " is in privacy mode, so it refuses valid users",
            "end privacy mode at the lock, from inside",
        ),
    ]


def _text(rows: pd.DataFrame, words: str) -> pd.Series:
    return pd.Series(words, index=rows.index, dtype="str")


def _refusals(rows: pd.DataFrame) -> list[_Case]:
    """What Hector's side refused, reported at its own link."""
    refused = rows["decision"].ne(ACCESS)
    about = "reservation " + rows["reference"] + " (status " + rows["status"] + "): "
    link = rows["reason"].map(REFUSALS).fillna(STATUS)
    # One user of several may be the cause: what is known of this one is reported by the user's own link.
    apart = {PERSON, PLACE}
    told = [link_ for link_ in LINKS if link_ not in apart]
    cases = [_Case(one, refused & link.eq(one), about + rows["reason"]) for one in told]
    late = [_Case(GROUP, refused & link.eq(one), about + rows["reason"]) for one in sorted(apart)]
    return [*cases, *late]


def _windows(rows: pd.DataFrame, now: pd.Timestamp, at: pd.Timestamp | None) -> list[_Case]:
    about = _open_span(rows)
    if at is None:
        return [_Case(WINDOW, rows["window_end"] <= now, "its window is over: " + about)]
    return [
        _Case(WINDOW, rows["window_end"] <= at, "it was over before the moment asked about: " + about),
        _Case(WINDOW, rows["window_start"] > at, "it had not begun at the moment asked about: " + about),
    ]


def _open_span(rows: pd.DataFrame) -> pd.Series:
    """When the doors open and close, on the wall clock of the lock, whose zone is named."""
    told = [
        f"its doors open from {_wall(begin, name)} to {_wall(end, name)} ({shown})"
        for begin, end, (name, shown) in zip(
            rows["window_start"], rows["window_end"], map(_zone, rows["zone"]), strict=True
        )
    ]
    return pd.Series(told, index=rows.index, dtype="str")


def _wall(instant: pd.Timestamp, zone: str) -> str:
    """Written by hand: a loan until the end of time is a booking like any other, and pandas formats no year after 9999."""
    if pd.isna(instant):
        return "never"
    with contextlib.suppress(OverflowError, ValueError):  # the last hours of the calendar stay in UTC
        instant = instant.tz_convert(zone)
    return f"{instant.year:04}-{instant.month:02}-{instant.day:02} {instant.hour:02}:{instant.minute:02}"


def wall_time(instant: pd.Timestamp, zone: object) -> str:
    """Return an instant on the wall clock of a door, whose zone is named."""
    name, shown = _zone(zone)
    return f"{_wall(instant, name)} ({shown})"


def _zone(zone: object) -> tuple[str, str]:
    """Return the zone in which a door's moments are shown, and what says so."""
    known = isinstance(zone, str) and is_known_zone(zone)
    return (str(zone), str(zone)) if known else ("UTC", f"UTC: {ZONE_UNKNOWN}")


def _good(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """What is said about a link that holds."""
    person = "user " + rows["user_id"].astype("str")
    group = "access group " + rows["group_name"]
    door = rows["salto_lock_name"].astype("str")
    own = pd.Series("the tag is the one Hector names", index=rows.index, dtype="str")
    return {
        BOOKING: "Hector shows reservation " + rows["reference"],
        STATUS: "its status " + rows["status"] + " grants access",
        PERSON: person + " is active in Hector and has an email",
        PLACE: rows["place_name"].astype("str") + " has the lock " + door,
        WINDOW: _open_span(rows),
        GROUP: group + " exists",
        SCHEDULE: _text(rows, "its schedule is the window"),
        DOOR: "door " + door + " is in it",
        MEMBER: person + " is in it",
        SEAT: person + " is subscribed and not blocked",
        TAG: own.where(rows["own_tag"], "a tag is assigned, though not the one Hector's unique code names"),
        LOCK: door + " and its IQ are online",
    }


def _report(
    rows: pd.DataFrame, first: pd.Series, broken: tuple[pd.Series, pd.Series, pd.Series], good: dict[str, pd.Series]
) -> pd.DataFrame:
    words, steps, codes = broken
    parts = []
    for number, link in enumerate(LINKS):
        state = pd.Series(OK, index=rows.index, dtype="str")
        state = state.mask(first.eq(number), BROKEN).mask(first.lt(number), NOT_REACHED)
        said = good[link].mask(first.eq(number), words).mask(first.lt(number), "")
        step = steps.where(first.eq(number), "")
        parts.append(
            pd.DataFrame(
                {
                    "reference": rows["reference"],
                    "user_id": rows["user_id"],
                    "lock_name": rows["salto_lock_name"],
                    "link": link,
                    "state": state,
                    "words": said,
                    "code": codes.where(first.eq(number), ""),
                    "next_step": step,
                    "row": range(len(rows)),
                    "number": number,
                }
            )
        )
    told = pd.concat(parts).sort_values(["row", "number"], ignore_index=True)
    return schemas.validate(schemas.CHAIN, told[list(schemas.CHAIN.columns)])
