"""The campus's 80 reservations: one of every kind, and plain lessons to fill the week."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.campus_site import group_of

if TYPE_CHECKING:
    import random

    from sandbox.campus_people import Crowd
    from sandbox.campus_rooms import House
    from sandbox.foundation import Scenario

COUNT = 80
FIRST_REFERENCE = 10401
STEP = dt.timedelta(minutes=15)
LESSONS = ((8, 30, 6), (10, 45, 7), (13, 0, 5), (15, 15, 8), (18, 0, 9))  # hour, minute, length in steps


@dataclass(frozen=True)
class _Diary:
    world: Scenario
    house: House
    crowd: Crowd
    now: dt.datetime

    def at(self, day: int, hour: int, minute: int = 0) -> dt.datetime:
        """Wall-clock of the campus, some days from today."""
        today = self.now.astimezone(ZoneInfo(self.world.hector.environment["time_zone"])).date()
        wall = dt.datetime.combine(today + dt.timedelta(days=day), dt.time(hour, minute))
        zone = ZoneInfo(self.world.hector.environment["time_zone"])
        return wall.replace(tzinfo=zone).astimezone(dt.UTC)

    def under_way(self, begun: float, left: float) -> tuple[dt.datetime, dt.datetime]:
        """A span that began some hours ago and lasts for some hours more."""
        step = self.now.astimezone(dt.UTC).replace(minute=self.now.minute // 15 * 15, second=0, microsecond=0)
        return step - dt.timedelta(hours=begun), step + dt.timedelta(hours=left)

    def book(
        self,
        who: int | str,
        rooms: str | list[str],
        span: tuple[dt.datetime, dt.datetime],
        **changes: Any,  # noqa: ANN401 - the fields of a loaner
    ) -> str:
        """Somebody plain by number or somebody special by kind, rooms by name."""
        user = self.crowd.plain[who] if isinstance(who, int) else self.crowd.special[who]
        places = [self.house.places[name] for name in ([rooms] if isinstance(rooms, str) else rooms)]
        reference = str(FIRST_REFERENCE + len(self.world.hector.loaners))
        row: dict[str, Any] = {"reference": reference, "updated_at": self.now - dt.timedelta(days=2)} | changes
        return self.world.hector.add_loaner(user, places, *span, **row)

    def reference(self, loaner: str) -> str:
        return str(self.world.hector.loaners[loaner]["reference"])


def book_all(world: Scenario, house: House, crowd: Crowd, now: dt.datetime, rng: random.Random) -> None:
    diary = _Diary(world, house, crowd, now)
    _under_way(diary)
    _shapes(diary)
    _statuses(diary)
    _bad_rooms(diary)
    _bad_times(diary)
    _people(diary)
    _left_in_salto(diary)
    _lessons(diary, rng)


def _under_way(diary: _Diary) -> None:
    diary.book(0, "Studio 201", diary.under_way(2, 5), status="out")
    diary.book(1, "Recital Hall", diary.under_way(1, 6), status="assigned")
    diary.book(2, "Control Room A", diary.under_way(3, 8), status="partially_out")
    diary.book(3, "Rehearsal Room", diary.under_way(20, 30))


def _shapes(diary: _Diary) -> None:
    diary.book(4, "Studio 202", (diary.at(1, 22), diary.at(2, 1, 30)))
    diary.book(5, "Recital Hall", (diary.at(3, 21, 15), diary.at(4, 0, 15)))
    diary.book(6, "Control Room A", (diary.at(2, 9), diary.at(5, 17)))
    diary.book(7, ["Recital Hall", "Green Room", "Music Library"], (diary.at(5, 18), diary.at(5, 22)))
    diary.book(8, ["Studio 203", "Studio 204"], (diary.at(2, 10), diary.at(2, 12, 15)), assets=2)
    diary.book(9, "Percussion Room", (diary.at(3, 9), diary.at(3, 11)), assets=1)
    diary.book(10, [], (diary.at(3, 9), diary.at(3, 11)), assets=3)
    plain = diary.crowd.plain
    diary.book(11, "Rehearsal Room", (diary.at(4, 14), diary.at(4, 17)), participants=plain[12:16])
    diary.book(0, "Annex Studio 1", (diary.at(2, 10), diary.at(2, 12)))
    diary.book(1, "Recital Hall", (diary.at(6, 9), diary.at(6, 12)), participants=[diary.crowd.special["settled"]])
    diary.book(12, "Studio 206", (diary.at(1, 7), diary.at(1, 8)), reference="R-2026/07 B")
    for day in (1, 3, 5):
        diary.book(13, "Studio 207", (diary.at(day, 19), diary.at(day, 20, 30)), recurrence="rec_1")


def _statuses(diary: _Diary) -> None:
    refused = (
        "pending_approval",
        "awaiting_approval",
        "to_be_inspected",
        "suspended",
        "returned",
        "damaged",
        "completed",
        "refused",
        "cancelled",
        "on_hold_by_dean",
    )
    for number, status in enumerate(refused):
        diary.book(number, "Practice Room 8", (diary.at(1 + number % 5, 7), diary.at(1 + number % 5, 8)), status=status)
    diary.book(2, "Practice Room 7", (diary.at(-1, 9), diary.at(-1, 11)), status="overdue")
    diary.book(3, "Practice Room 7", (diary.at(-2, 9), diary.at(-2, 11)), status="new")


def _bad_rooms(diary: _Diary) -> None:
    span = diary.at(2, 13), diary.at(2, 15)
    diary.book(4, "Seminar Room 12", span)
    diary.book(5, "Old Chapel", span)
    diary.book(6, "Loading Dock", span)
    diary.book(7, "Practice Room 3", span)
    diary.book(8, ["Seminar Room 12", "Practice Room 1"], span)
    diary.book(9, ["Studio 208", "Annex Studio 2"], span)
    diary.book(10, "North Wing", span, blocking=True)
    diary.book(10, "Studio 201", (diary.at(4, 8), diary.at(4, 20)), blocking=True)
    diary.book(11, "Practice Room 2", span, borrower_type="customer")


def _bad_times(diary: _Diary) -> None:
    diary.book(12, "Practice Room 4", (diary.at(3, 10), diary.at(3, 10)))
    diary.book(13, "Practice Room 4", (diary.at(3, 15), diary.at(3, 14)))
    diary.book(14, "Music Library", (diary.at(2, 8), diary.at(40, 18)))
    diary.book(15, "Practice Room 5", (diary.at(9, 10), diary.at(9, 12)))
    diary.book(16, "Practice Room 5", (diary.at(12, 10), diary.at(12, 12)))
    for hour in (9, 14):
        diary.book(17, "Practice Room 6", (diary.at(4, hour), diary.at(4, hour + 1)), reference="10777")


def _people(diary: _Diary) -> None:
    """Everybody special books once, so that each case also meets a door."""
    for number, kind in enumerate(diary.crowd.special):
        room = ("Studio 205", "Studio 208", "Practice Room 1", "Green Room")[number % 4]
        day = 1 + number // 4 % 6
        diary.book(kind, room, (diary.at(day, 11), diary.at(day, 12, 15)))


def _left_in_salto(diary: _Diary) -> None:
    """Groups that an earlier run made: one to withdraw, one to move, one that died young, one that exists twice."""
    salto, locks = diary.world.salto, diary.house.locks
    settled = salto.member_of_email(diary.world.hector.users[diary.crowd.special["settled"]]["email"])
    users = [settled.person_id] if settled else []
    span, moved = (diary.at(6, 14), diary.at(6, 16)), (diary.at(6, 15), diary.at(6, 17))
    gone = diary.book("settled", "Studio 206", span, status="cancelled")
    group_of(salto, f"Hector_{diary.reference(gone)}", span, users=users, locks=[locks["Studio 206"]])
    late = diary.book("settled", "Studio 203", moved)
    group_of(salto, f"Hector_{diary.reference(late)}", span, users=users, locks=[locks["Studio 203"]])
    half = diary.book("settled", "Studio 204", (diary.at(6, 18), diary.at(6, 19)))
    salto.add_group(f"Hector_{diary.reference(half)}")
    twice = diary.book("settled", "Music Library", (diary.at(1, 16), diary.at(1, 17)))
    for members in (users, []):
        day = (diary.at(1, 16), diary.at(1, 17))
        group_of(salto, f"Hector_{diary.reference(twice)}", day, users=members, locks=[locks["Music Library"]])


def _lessons(diary: _Diary, rng: random.Random) -> None:
    """Plain lessons on the days to come, never two in one room at one time."""
    slots = [(place, day, lesson) for place in diary.house.plain for day in range(1, 7) for lesson in LESSONS]
    for place, day, (hour, minute, steps) in rng.sample(slots, COUNT - len(diary.world.hector.loaners)):
        start = diary.at(day, hour, minute)
        user = rng.choice(diary.crowd.plain)
        reference = str(FIRST_REFERENCE + len(diary.world.hector.loaners))
        diary.world.hector.add_loaner(
            user,
            place,
            start,
            start + steps * STEP,
            reference=reference,
            updated_at=diary.now - dt.timedelta(days=2),
        )
