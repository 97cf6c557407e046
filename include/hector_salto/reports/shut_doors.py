"""Doors that will stay shut to a user: who, which door, when, why, what to do and who must act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.access_check import Break, chains, first_broken_links
from hector_salto.access.problems import HECTOR_ADMIN, KINDS, OPERATOR
from hector_salto.ledger.queries import problems_of
from hector_salto.ledger.reservation_states import WILL_NOT_OPEN, list_reservations
from hector_salto.reports.explain import Sources, choose_step
from hector_salto.reports.people import People
from hector_salto.reports.text import NOT_FINISHED, SHORT_CAUSE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hector_salto.access.snapshot import Snapshot
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.reports.people import Person

READ_THE_RUN = "read why in the last run's report, then reload"


@dataclass(frozen=True, slots=True)
class ShutDoor:
    """One door that will not open to one user.

    Attributes:
        reference: of the reservation.
        door: name of the lock, else of the place.
        person: None: the reservation names no Hector user.
        opens: when the window begins, aware.
        shuts: when it ends.
        cause: in a few words.
        detail: the broken link, as the chain says it; empty: every link holds.
        next_step: what to do.
        who: who must act: hector_admin | salto_admin | operator.
    """

    reference: str
    door: str
    person: Person | None
    opens: datetime
    shuts: datetime
    cause: str
    detail: str
    next_step: str
    who: str


def list_shut_doors(kept: Ledger, name: str, begin: datetime, end: datetime, *, run_id: int) -> list[ShutDoor]:
    """Return the doors that should open between two moments and will not, by time.

    Args:
        kept: the ledger.
        name: of the integration.
        begin: aware; also the moment at which states are judged.
        end: aware.
        run_id: of the last look.
    """
    rows = list_reservations(kept, name, begin, end, now=begin)
    shut = rows[rows["state"].eq(WILL_NOT_OPEN)]
    if shut.empty:
        return []
    seen = kept.read_surroundings(name, shut["reservation_id"])
    broken = first_broken_links(chains(seen, seen.reservations, now=pd.Timestamp(begin)))
    broken = broken[broken["code"].ne(Break.NO_LOCK)]
    nothing = pd.DataFrame()
    sources = Sources(seen, "", ZoneInfo("UTC"), problems_of(kept, run_id), lambda *_: [], nothing)
    people = People.of(seen.people)
    found = [_shut(sources, people, row, link) for row, link in _pairs(shut, broken, seen)]
    return sorted(found, key=lambda one: (one.opens, one.door, one.reference))


def _pairs(
    shut: pd.DataFrame, broken: pd.DataFrame, seen: Snapshot
) -> list[tuple[Mapping[str, object], Mapping[str, object] | None]]:
    """Return each reservation's door with each link that is broken there; None: none is."""
    names = dict(zip(seen.locks["lock_id"], seen.locks["name"], strict=True))
    links: dict[tuple[str, object], list[dict[str, object]]] = {}
    for link in _plain(broken):
        links.setdefault((str(link["reference"]), link["lock_name"]), []).append(link)
    found: list[tuple[Mapping[str, object], Mapping[str, object] | None]] = []
    for row in _plain(shut):
        lock = names.get(str(row["lock_id"])) if row["lock_id"] is not None else None
        row["door"] = lock or row["place_name"]
        here = links.get((str(row["reference"]), lock), ())
        found += [(row, link) for link in here] or [(row, None)]
    return found


def _plain(table: pd.DataFrame) -> list[dict[str, object]]:
    rows = table.astype("object").where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _shut(sources: Sources, people: People, row: Mapping[str, object], link: Mapping[str, object] | None) -> ShutDoor:
    reference = str(row["reference"])
    if link is None:
        cause, detail, step, who, user = NOT_FINISHED, str(row["reason"]), READ_THE_RUN, OPERATOR, None
    else:
        user = link["user_id"]
        cause, detail = SHORT_CAUSE[str(link["link"])], str(link["words"])
        (step, because), who = choose_step(sources, link, reference, user), _owner(str(link["link"]))
        detail = f"{detail}; {because}" if because else detail
    return ShutDoor(
        reference=reference,
        door=str(row["door"]),
        person=people.user(user) if user is not None else None,
        opens=pd.Timestamp(str(row["window_start"])).to_pydatetime(),
        shuts=pd.Timestamp(str(row["window_end"])).to_pydatetime(),
        cause=cause,
        detail=detail,
        next_step=step,
        who=who,
    )


def _owner(link: str) -> str:
    """Return who must act on a broken link: as the next day's check says, else who corrects Hector's data."""
    kind = KINDS.get(f"risk_{link}")
    return kind.who if kind is not None else HECTOR_ADMIN
