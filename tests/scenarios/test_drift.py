"""What was changed manually and is only reported (drift: report): the run survives it, and nothing of it widens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hector_salto.access import schemas
from hector_salto.access.drift import DriftBaseline
from hector_salto.access.plan import LastState
from hector_salto.access.settings import AccessRules
from hector_salto.access.snapshot import snapshot_of_groups
from salto.site_state import read_current
from tests.scenarios.world import WriteWatch, world_copy
from tests.synchronization import FINGERPRINT

REPORT = AccessRules(drift="report")


def school(h):
    """Two rooms, three users with tags, two reservations in step."""
    h.room("r1", "r2").person("ana", "ben", "cleo")
    h.book("1", "ana", "r1", 1, 2).book("2", "ben", "r2", 30, 31)
    h.run()


def as_left(h):
    """How the last run left Salto, as the ledger remembers it."""
    current = read_current(h.sync.reader, FINGERPRINT)
    marked = current.users[current.users["alias"].fillna("").str.startswith("hector:")]
    flags = {
        "blocked": False,
        "own_tag": True,
        "tag_blocked": False,
        "managed": True,
        "has_code": True,
        "code_shared": False,
    }
    people = marked.assign(
        user_id=marked["alias"].str.removeprefix("hector:"), person=marked["alias"], name=None,
        hector_status="active", has_tag=marked["tag"].notna(), tag_id=None, **flags,
    )  # fmt: skip
    rows = people[list(schemas.SEEN_PEOPLE.columns)].to_dict("records")
    return LastState(
        (DriftBaseline(replace(snapshot_of_groups(current), people=schemas.frame(schemas.SEEN_PEOPLE, rows))),)
    )


def test_a_user_deleted_manually():
    """Every other reservation is brought in step; the deletion is reported."""
    with world_copy(school) as h:
        previous = as_left(h)
        h.salto.remove_member(h.member("ana").id)
        h.clock.sleep(60)
        h.book("3", "cleo", "r1", 5, 6).book("4", "ana", "r2", 7, 8, others=["cleo"])
        found = h.run(REPORT, previous=previous)

        assert found.all_done, found.outcomes
        assert "drift_reported" in found.problem_codes()
        assert {(name, door) for name, door, *_ in h.who_opens()} == {("ben", "r2"), ("cleo", "r1"), ("cleo", "r2")}


def moved_to_another_day(h):
    h.move("1", start=50, finish=51)


def moved_to_another_door(h):
    h.move("1", where="r2")


def one_more_door(h):
    h.move("1", where=["r1", "r2"])


@pytest.mark.parametrize("change", [moved_to_another_day, moved_to_another_door, one_more_door])
def test_a_manual_member_does_not_follow_the_group(change):
    """Cleo was put into ana's group: she opens that door then, and never another door or day."""
    with world_copy(school) as h:
        previous = as_left(h)
        h.group("1").users.append(h.member("cleo").person_id)
        given = [one for one in h.who_opens() if one[0] == "cleo"]
        assert given
        h.run(REPORT, previous=previous)
        assert [one for one in h.who_opens() if one[0] == "cleo"] == given, "what is only reported stays"
        change(h)
        with WriteWatch(h) as watch:
            found = h.run(REPORT, previous=previous)

        assert found.all_done
        assert watch.unsafe() == []
        assert [one for one in h.who_opens() if one[0] == "cleo"] == []
        assert "drift_undone" in found.problem_codes()


def test_a_manual_door_is_not_given_to_a_new_member():
    """The door r2 was put into ana's group: ana opens it, ben who joins the reservation does not."""
    with world_copy(school) as h:
        previous = as_left(h)
        h.group("1").locks.append(h.doors["r2"])
        h.run(REPORT, previous=previous)
        assert [one[1] for one in h.who_opens() if one[0] == "ana"] == ["r1", "r2"]
        h.hector.loaners[h.bookings["1"]]["participants"] = [{"type": "user", "id": h.people["cleo"]}]
        found = h.run(REPORT, previous=previous)

        assert found.all_done
        assert [one[1] for one in h.who_opens() if one[0] in {"ana", "cleo"}] == ["r1", "r1"]


def test_a_manual_window_is_not_given_to_a_new_member():
    """The window was widened manually: a new member gets Hector's."""
    with world_copy(school) as h:
        previous = as_left(h)
        h.group("1").schedules[0].end_time = "23:00:59"
        h.group("1").schedules[0].end_date = "2026-01-14T23:01:00"
        h.hector.loaners[h.bookings["1"]]["participants"] = [{"type": "user", "id": h.people["cleo"]}]
        found = h.run(REPORT, previous=previous)

        assert found.all_done
        assert [one for one in h.who_opens() if one[0] == "cleo"] == [("cleo", "r1", 0.75, 2.25)]


def test_a_manual_member_does_not_follow_a_window_that_is_set_right():
    """The window was moved to another day and cleo was put in, both manually; a new member brings Hector's window back."""
    with world_copy(school) as h:
        previous = as_left(h)
        group = h.group("1")
        found = group.schedules[0]
        found.days = [day == 3 for day in range(7)]
        found.start_date, found.end_date = "2026-01-15T10:45:00", "2026-01-15T12:15:00"
        group.users.append(h.member("cleo").person_id)
        given = [one for one in h.who_opens() if one[0] == "cleo"]
        assert given
        h.hector.loaners[h.bookings["1"]]["participants"] = [{"type": "user", "id": h.people["ben"]}]
        with WriteWatch(h) as watch:
            found = h.run(REPORT, previous=previous)

        assert found.all_done
        assert watch.unsafe() == []
        assert [one for one in h.who_opens() if one[0] == "cleo" and one not in given] == []


def test_a_manual_place_keeps_nobody_from_their_own_door():
    """Dan had no tag when he was put into ana's group; with a tag he opens his own door, and not hers."""
    with world_copy(school) as h:
        h.person("dan").book("4", "dan", "r2", 7, 8)
        h.hector.users[h.people["dan"]]["unique_code"] = None
        h.run()
        previous = as_left(h)
        h.group("1").users.append(h.member("dan").person_id)
        h.run(REPORT, previous=previous)
        h.hector.users[h.people["dan"]]["unique_code"] = "dan"
        with WriteWatch(h) as watch:
            found = h.run(REPORT, previous=previous)

        assert found.all_done
        assert watch.unsafe() == []
        assert [door for name, door, *_ in h.who_opens() if name == "dan"] == ["r2"]
        assert "drift_undone" in found.problem_codes()
