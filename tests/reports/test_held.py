"""What an approver sees: who loses which door when, and why Hector says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hector_salto.access import schemas
from hector_salto.access.snapshot import SCHEMAS, empty_snapshot
from hector_salto.reports.held import TITLES, list_held
from hector_salto.reports.people import Person

NOW = datetime(2026, 1, 14, 15, 30, tzinfo=UTC)  # 10:30 in Toronto
WEEK = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), False)


def schedule(group, begin, end):
    times = {
        "start_time": begin[11:] + ":00",
        "end_time": end[11:] + ":59",
        "start_date": begin + ":00",
        "end_date": end + ":59",
    }
    return {"group_id": group, "schedule_id": f"s_{group}", **WEEK, "wednesday": True, **times}


def person(number, name):
    row = dict.fromkeys(schemas.SEEN_PEOPLE.columns)
    flags = {key: False for key, column in schemas.SEEN_PEOPLE.columns.items() if str(column.dtype) == "bool"}
    known = {"person": f"hector:u_{number}", "user_id": f"u_{number}", "platform_user_id": f"p_{number}"}
    return row | flags | known | {"name": name, "email": f"{name.split()[0].lower()}@x.example"}


@pytest.fixture
def seen():
    rows = {
        "people": [person(1, "Ana Roy"), person(2, "Bo Ng")],
        "groups": [{"group_id": f"g{n}", "name": f"Hector_{n}"} for n in (1, 2)],
        "members": [
            {"group_id": "g1", "platform_user_id": "p_1"},
            {"group_id": "g2", "platform_user_id": "p_1"},
            {"group_id": "g2", "platform_user_id": "p_2"},
        ],
        "doors": [{"group_id": "g1", "lock_id": "l1"}, {"group_id": "g2", "lock_id": "l1"}],
        "locks": [
            {
                "lock_id": "l1",
                "name": "Studio",
                "online": True,
                "iq_online": True,
                "held_open": False,
                "privacy_mode": False,
                "zone": "America/Toronto",
            }
        ],
        "schedules": [
            schedule("g1", "2026-01-14T10:00", "2026-01-14T11:59"),
            schedule("g2", "2026-01-14T16:00", "2026-01-14T16:59"),
        ],
    }
    return replace(empty_snapshot(), **{name: schemas.frame(SCHEMAS[name], found) for name, found in rows.items()})


def held(group, says, **changes):
    row = dict.fromkeys(("user_id", "platform_user_id", "lock_id", "lock_name"))
    known = {"kind": "group_delete", "unit": f"reservation {group[1:]}", "group_id": group, "state": "held"}
    return row | known | {"held_by": "withdrawals", "hector_says": says} | changes


def test_removals_are_grouped_by_what_hector_says_with_users_doors_and_times(seen):
    found = list_held([held("g2", "deleted"), held("g1", "cancelled")], seen, NOW, "America/Toronto")

    assert [(one.code, one.title) for one in found.reasons] == [
        (code, TITLES[code]) for code in ("cancelled", "deleted")
    ]
    (cancelled,), (deleted,) = (one.losses for one in found.reasons)
    assert (cancelled.users, cancelled.doors) == ((Person("Ana Roy", "ana@x.example", "user u_1"),), ("Studio",))
    assert cancelled.when == "window Wed 2026-01-14 10:00 to 12:00"
    assert [one.name for one in deleted.users] == ["Ana Roy", "Bo Ng"]
    assert [one.name for one in found.inside] == ["Ana Roy"]


def test_one_member_a_user_alone_and_what_waits(seen):
    member = held("g2", "moved", kind="member_remove", platform_user_id="p_2", user_id="u_2")
    gone = held(
        "g1", "user_gone", kind="user_delete", group_id=None, platform_user_id="p_1", user_id="u_1", unit="person u_1"
    )
    waits = held("g1", None, kind="lock_add", held_by="depends")
    found = list_held([member, gone, waits], seen, NOW)

    (moved,), (user,) = (one.losses for one in found.reasons)
    assert ([one.label for one in moved.users], moved.inside) == (["user u_2"], frozenset())
    assert (user.doors, user.when, user.inside) == (("Studio",), "", {"user u_1"})
    assert (found.removals, found.waiting) == (2, 1)


def test_a_window_names_the_zone_where_it_is_not_the_site_s(seen):
    """And says so, where the zone of the door is not known."""
    (there,) = list_held([held("g1", "cancelled")], seen, NOW, "America/Winnipeg").reasons[0].losses
    lost = replace(seen, locks=seen.locks.assign(zone="Mars/Olympus"))
    (unknown,) = list_held([held("g1", "cancelled")], lost, NOW, "America/Winnipeg").reasons[0].losses
    (here,) = list_held([held("g1", "cancelled")], seen, NOW, "America/Toronto").reasons[0].losses

    assert there.when == "window Wed 2026-01-14 10:00 to 12:00 (America/Toronto)"
    assert unknown.when == "window Wed 2026-01-14 10:00 to 12:00 (the door's time zone is not known)"
    assert here.when == "window Wed 2026-01-14 10:00 to 12:00"
