"""Everyday runs read little and decide the same: with what is remembered of the site, as with all of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from hector_salto.access import schemas
from hector_salto.access.settings import AccessRules
from salto.site_state import read_current
from tests.effort import EFFORT
from tests.scenarios.test_random_campuses import Campus
from tests.scenarios.world import hour, world_copy
from tests.synchronization import FINGERPRINT

RULES = AccessRules()


class FrugalCampus(Campus):
    """The same random campuses, brought in step by runs that remember; a run of all reads judges them."""

    remembers = True

    def teardown(self):
        super().teardown()
        self.patch.undo()

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for name in ("SMALL_GROUPS", "SMALL_TAGS"):
            self.patch.setattr(f"salto.site_state.{name}", 0)


FrugalCampus.TestCase.settings = settings(
    max_examples=2 * EFFORT,
    stateful_step_count=12,
    derandomize=EFFORT == 1,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestFrugalCampuses = FrugalCampus.TestCase


@pytest.fixture(autouse=True)
def no_small_site(monkeypatch):
    for name in ("SMALL_GROUPS", "SMALL_TAGS"):
        monkeypatch.setattr(f"salto.site_state.{name}", 0)


def school(h):
    h.room("r1", "r2", "r3").person("ana", "ben", "cleo", "dan")
    for number, (who, where) in enumerate(zip(["ana", "ben", "cleo", "dan"] * 3, ["r1", "r2", "r3"] * 4, strict=True)):
        h.book(str(number), who, where, 1 + number, 2 + number)
    h.run()


@pytest.fixture
def home():
    with world_copy(school) as h:
        h.sync.remembers = True
        h.run()  # reads all, finds nothing to do, and remembers it
        h.sandbox.log.clear()
        yield h


def asked(h):
    """Requests to Salto, as method and path below the site, in order."""
    rows = [row for row in h.sandbox.log.rows() if row.server == "salto" and "/connect/token" not in row.path]
    return [f"{row.method} {row.path.partition('?')[0].partition(h.salto.site.id)[2] or '/'}" for row in rows]


def group_paths(h, reference):
    return f"/access_groups/{h.group(reference).id}"


def tables(current):
    """All of a site as comparable text."""
    groups = current.groups
    named = {"users": current.users, "tags": current.tags, "locks": current.locks} | {
        "groups": groups.groups,
        "members": groups.users,
        "doors": groups.locks,
        "schedules": groups.schedules,
    }
    return {name: sorted(json.loads(table.to_json(orient="records")), key=json.dumps) for name, table in named.items()}


def truth(h):
    return tables(read_current(h.sync._fresh_reader(), FINGERPRINT))


def test_a_run_that_finds_nothing_new_reads_lists_only(home):
    home.run()

    assert sorted(asked(home)) == ["GET /", "GET /access_groups", "GET /iqs", "GET /locks", "GET /me", "GET /users"]


def test_a_new_booking_costs_its_own_requests_and_no_others(home):
    home.book("new", "ana", "r2", 20, 21)
    home.run()

    group = group_paths(home, "new")
    assert sorted(
        set(asked(home)) - {"GET /", "GET /access_groups", "GET /iqs", "GET /locks", "GET /me", "GET /users"}
    ) == [
        f"GET {group}/locks",
        f"GET {group}/time_schedules",
        f"GET {group}/users",
        f"PATCH {group}/locks",
        f"PATCH {group}/users",
        "POST /access_groups",
        f"POST {group}/time_schedules",
    ]
    assert len(asked(home)) == 6 + 8  # before a group is made, a look for one of its name
    home.assert_settled()


def test_a_reload_of_one_reservation_reads_no_list(home):
    home.book("new", "ana", "r2", 20, 21)
    home.run(references=["new"])

    group = group_paths(home, "new")
    user = f"/users/{home.member('ana').id}"
    assert asked(home)[:2] == ["GET /", "GET /me"]
    assert sorted(asked(home)[2:6]) == ["GET /access_groups", "GET /iqs", "GET /locks", f"GET {user}"]
    made = ["GET /access_groups", "POST /access_groups", f"POST {group}/time_schedules", f"GET {group}/time_schedules"]
    assert asked(home)[6:10] == made
    assert len(asked(home)) == 14
    home.assert_settled()


def _without_tag(h):
    h.people["eve"] = h.hector.add_user(email="eve@school.example", unique_code="nowhere", first_name="eve")
    h.book("new", "eve", "r1", 40, 41)


def _swap(h):
    users = h.hector.users
    users[h.people["ana"]]["unique_code"], users[h.people["ben"]]["unique_code"] = "ben", "ana"


def _gone(h):
    h.salto.remove_member(h.member("ana").id)


def _enrolled(h):
    _without_tag(h)
    h.run()
    h.salto.enrol_tag("nowhere")


CHANGES = {
    "a booking": lambda h: h.book("new", "ana", "r2", 20, 21, others=["ben"]),
    "another time": lambda h: h.move("0", start=30, finish=31),
    "another room": lambda h: h.move("0", where=["r2", "r3"]),
    "somebody else": lambda h: h.move("0", who="dan"),
    "cancelled": lambda h: h.hector.set_status(h.bookings["0"], "cancelled", at=hour(0)),
    "a new person": lambda h: h.person("eve").book("new", "eve", "r1", 40, 41),
    "a new person without a tag": _without_tag,
    "tags swapped": _swap,
    "a lock renamed": lambda h: (h.salto.rename_lock(h.doors["r1"], "r1 "), h.move("0", start=30, finish=31)),
    "a user gone by hand": _gone,
    "a group gone by hand": lambda h: h.salto.groups.pop(h.group("0").id),
    "a member put in by hand": lambda h: h.group("0").users.append(h.member("ben").person_id),
    "a tag taken off by hand": lambda h: h.salto.give_tag(h.member("ana").id, None),
    "a tag enrolled": _enrolled,
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_everyday_run_brings_in_step_what_shows_and_remembers_the_truth(home, change):
    CHANGES[change](home)
    found = home.run()

    assert found.all_done, found.outcomes
    home.assert_settled()
    assert tables(home.sync.cache.current) == truth(home)


RELOADED = (
    "a booking",
    "another time",
    "another room",
    "cancelled",
    "a new person",
    "a user gone by hand",
    "a tag enrolled",
)


@pytest.mark.parametrize("change", RELOADED if EFFORT == 1 else [name for name in CHANGES if name != "tags swapped"])
def test_a_reload_of_one_reservation_brings_it_in_step_and_remembers_nothing_false_about_it(home, change):
    CHANGES[change](home)
    reference = "new" if "new" in home.bookings else "0"
    home.run(references=[reference])

    left = home.plan().operations
    assert reference not in set(left["reference"].dropna())
    known, real = tables(home.sync.cache.current), truth(home)
    for name in ("members", "doors", "schedules"):
        mine = {row["group_id"] for row in real["groups"] if row["name"] == f"Hector_{reference}"}
        assert [row for row in known[name] if row["group_id"] in mine] == [
            row for row in real[name] if row["group_id"] in mine
        ]


def test_a_reload_after_a_cleanup_reads_the_lists_because_groups_have_gone(home):
    home.salto.groups.pop(home.group("5").id)
    group = home.sync.cache.current.groups.groups.set_index("name").loc["Hector_5", "group_id"]
    home.sync.cache = replace(home.sync.cache, touched=frozenset({group, "Hector_5"}))
    home.book("new", "ana", "r2", 20, 21)

    assert home.run(references=["new"]).all_done
    assert "GET /users" in asked(home)
    assert "Hector_5" not in set(home.sync.cache.current.groups.groups["name"])


@pytest.mark.parametrize("many_locks", [False, True])
def test_a_reload_opens_at_the_hour_of_the_zone_that_is_now(home, many_locks, monkeypatch):
    monkeypatch.setattr("salto.site_state.SMALL_LOCKS", 0 if many_locks else 200)
    for iq in home.salto.iqs.values():
        iq.time_zone = "America/Vancouver"
    home.book("new", "ana", "r2", 20, 21)
    home.run(references=["new"])

    opened = [one for one in home.openings() if one.group_name == "Hector_new"]
    assert [(one.begin, one.end) for one in opened] == [(hour(19.75), hour(21.25))]


def test_a_second_lock_of_the_same_name_is_a_problem_in_a_reload_too(home):
    home.salto.add_lock("R2")
    home.book("new", "ana", "r2", 20, 21)

    assert "lock_ambiguous" in home.run(references=["new"]).problem_codes()


def test_a_site_whose_id_was_changed_is_read_anew(home):
    other = replace(home.sync.cache.current, site_id="0b5f6f0e-0000-4000-8000-00000000000f")
    home.sync.cache = replace(home.sync.cache, current=other)

    assert home.run().plan.operations.empty
    assert home.sync.cache.current.site_id == home.salto.site.id
    assert [path for path in asked(home) if path.endswith("/users") and "access_groups" in path]


def test_details_that_do_not_have_the_counts_that_were_listed_are_read_again(home):
    """A process that died between two files leaves the counts of one moment beside the members of another."""
    current = home.sync.cache.current
    group = home.group("0").id
    users = current.groups.users[current.groups.users["group_id"].ne(group)]
    torn = replace(current, groups=replace(current.groups, users=users))
    home.sync.cache = replace(home.sync.cache, current=torn)

    assert home.run().plan.operations.empty
    assert f"GET /access_groups/{group}/users" in asked(home)


def test_what_no_count_shows_waits_for_the_full_verification(home):
    """One member for another, by hand: the lists look as before."""
    group = home.group("0")
    group.users[:] = [home.member("ben").person_id]

    assert home.run().plan.operations.empty
    home.sync.cache = None
    assert set(home.run().plan.operations["kind"]) == {"member_remove", "member_add"}
    home.assert_settled()


def test_a_group_is_read_before_it_is_changed_whatever_is_remembered_of_it(home):
    """Somebody has made it a look-alike by hand: it is not touched, although it is remembered as ours."""
    group = home.group("0")
    for schedule in group.schedules:
        schedule.end_date = None
    home.hector.set_status(home.bookings["0"], "cancelled", at=hour(0))

    found = home.run()

    assert "group_delete" not in set(found.plan.operations["kind"])
    assert "look_alike" in found.problem_codes()


def test_after_an_application_only_what_it_sent_is_read_again(home):
    home.hector.set_status(home.bookings["0"], "cancelled", at=hour(0))
    home.move("1", who="dan")
    gone, changed = group_paths(home, "0"), group_paths(home, "1")
    home.run()

    last_write = max(number for number, one in enumerate(asked(home)) if not one.startswith("GET"))
    assert sorted(asked(home)[last_write + 1 :]) == sorted(
        [f"GET {gone}", f"GET {changed}/users", f"GET {changed}/locks", f"GET {changed}/time_schedules"]
    )


def test_frames_of_a_reading_keep_their_schemas(home):
    home.book("new", "ana", "r2", 20, 21)
    home.run(references=["new"])
    current = home.sync.cache.current

    for schema, table in (
        (schemas.SALTO_USERS, current.users),
        (schemas.SALTO_TAGS, current.tags),
        (schemas.SALTO_LOCKS, current.locks),
        (schemas.SALTO_GROUPS, current.groups.groups),
        (schemas.SALTO_GROUP_USERS, current.groups.users),
        (schemas.SALTO_GROUP_LOCKS, current.groups.locks),
        (schemas.SALTO_SCHEDULES, current.groups.schedules),
    ):
        pd.testing.assert_frame_equal(schemas.validate(schema, table), table)
