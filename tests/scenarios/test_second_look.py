"""A list that shifts while it is read takes nothing from anybody: what a list does not show is looked for once more."""

import itertools
import json

import pytest

from hector_salto.integration import Integration
from hector_salto.workflow import extraction, planning, run_start
from sandbox.faults import run_after
from sandbox.web import json_reply
from tests.scenarios.world import world, world_copy

NUMBERS = [f"{number:02}" for number in range(1, 9)]
REMOVALS = ("group_delete", "member_remove", "lock_remove", "user_delete", "user_suspend", "office_off")


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Plan as a run does, without Airflow: the operations that take something away."""
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())

    numbers = itertools.count()

    def plan(h, *, cleanup=False, **settings):
        for name, value in h.sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        integration = Integration(
            hector_conn_id="hector_campus", salto_conn_id="salto_campus", site_id="DE4520000000", **settings
        )
        folder = run_start.start_run(
            "campus", f"manual__{next(numbers)}", {}, h.clock.now, kind="cleanup" if cleanup else "sync"
        )
        if cleanup:
            planning.plan_cleanup(integration, folder)
        else:
            extraction.extract_people(integration, folder)
            extraction.extract_places(integration, folder)
            extraction.extract_loaners(integration, folder)
            extraction.build_desired(integration, folder)
            planning.plan(integration, folder, references=None, approve=None)
        h.sandbox.raise_errors()
        rows = folder.read("operations")
        return sorted(zip(rows["kind"], rows["group_name"].fillna(rows["user_id"]), strict=True))

    return plan


@pytest.fixture
def school():
    """Hector gives pages of four, Salto of three."""
    with world_copy(in_step) as h:
        h.sandbox.change(hector_page_size=4, page_size=3)
        yield h


def in_step(h):
    """Eight people, eight rooms, eight bookings, in step."""
    h.room(*(f"r{number}" for number in NUMBERS)).person(*(f"p{number}" for number in NUMBERS))
    for number in NUMBERS:
        h.book(number, f"p{number}", f"r{number}")
    h.run()


def after_first_page(faults, path, edit):
    """Once the first page of a list is given, edit what it lists."""

    def answer(_call, reply):
        edit()
        return reply

    faults.on("GET", path, run_after(answer), times=1)


def missing(path, *ids, times=1):
    """A list that counts its entries and leaves these out, as one that has shifted does."""

    def answer(_call, reply):
        page = json.loads(reply.body)
        kept = [row for row in page["items"] if row["id"] not in ids]
        left_out = len(page["items"]) - len(kept)
        counted = {name: page[name] - left_out for name in ("total", "count") if page.get(name) is not None}
        return json_reply({**page, **counted, "items": kept})

    return path, run_after(answer), times


def taken(found):
    return [one for one in found if one[0] in REMOVALS]


def reads(h, path):
    return len([one for one in h.sandbox.requests if one.path.partition("?")[0].endswith(path)])


def test_a_booking_that_slips_between_two_pages_keeps_its_group(school, planned):
    """Booking 01 is deleted and another made while the list is read: booking 05 is never seen."""
    h = school

    def edit():
        del h.hector.loaners[h.bookings["01"]]
        h.book("09", "p01", "r01")

    after_first_page(h.sandbox.hector_faults, "/loaners", edit)
    found = planned(h)

    assert taken(found) == []
    assert ("group_create", "Hector_09") in found  # seen by the first look already


def test_a_booking_that_both_looks_miss_loses_its_group(school, planned):
    del school.hector.loaners[school.bookings["05"]]

    before = reads(school, "/loaners")

    assert taken(planned(school)) == [("group_delete", "Hector_05")]
    assert reads(school, "/loaners") - before == 2 * 2  # two looks of two pages


def test_a_user_who_slips_between_two_pages_is_not_deleted(school, planned):
    h = school

    def edit():
        del h.hector.users[h.people["p01"]]
        h.hector.add_user(email="new@school.example", unique_code=None, first_name="new")

    after_first_page(h.sandbox.hector_faults, "/users", edit)

    assert taken(planned(h, delete_users=True)) == []
    assert taken(planned(h, delete_users=True)) == [
        ("group_delete", "Hector_01"),
        ("user_delete", h.people["p01"]),
    ]


def test_a_place_that_slips_between_two_pages_keeps_its_door(school, planned):
    h = school

    def edit():
        del h.hector.places[h.rooms["r01"]]
        h.hector.add_place("r10", None)

    after_first_page(h.sandbox.hector_faults, "/places", edit)

    assert taken(planned(h)) == []


@pytest.mark.parametrize("path", ["/departments", "/groups"])
def test_a_department_or_group_that_a_list_leaves_out_takes_no_office_mode(school, planned, path):
    h = school
    group, department = h.hector.add_group("Teachers"), h.hector.add_department("Music")
    h.hector.users[h.people["p01"]].update(group_ids=[group], department_id=department)
    h.member("p01").manual_office_mode = True
    office = {"groups": ["Teachers"], "departments": ["Music"], "match": "all"}
    where, fault, times = missing(path, group, department)
    h.sandbox.hector_faults.on("GET", where, fault, times=times)

    assert taken(planned(h, office_mode=office)) == []


def test_a_salto_user_whom_the_list_leaves_out_stays_in_their_group(school, planned):
    """Read as gone, they would be taken out of the group and made once more."""
    h = school
    where, fault, times = missing("/users\\?", h.member("p05").id)
    h.sandbox.change(page_size=100)
    h.sandbox.salto_faults.on("GET", where, fault, times=times)

    assert planned(h) == []


def test_a_lock_that_the_list_leaves_out_stays_in_its_group(school, planned):
    h = school
    where, fault, times = missing("/locks\\?", h.doors["r05"])
    h.sandbox.change(page_size=100)
    h.sandbox.salto_faults.on("GET", f"/sites/[^/]*{where}", fault, times=times)

    assert planned(h) == []


def test_the_cleanup_reads_a_lock_again_before_it_takes_the_sites_clock_for_its_own(planned):
    """At 03:00 UTC it is over for a site in UTC, and goes on for hours at a door in Vancouver."""
    with world() as h:
        h.salto.site.time_zone = "UTC"
        next(iter(h.salto.iqs.values())).time_zone = "America/Vancouver"
        h.room("r1").person("ana").book("1", "ana", "r1", -1, 1)
        h.run()
        h.clock.now = h.clock.now.replace(hour=13)
        where, fault, times = missing("/locks\\?", h.doors["r1"])
        h.sandbox.salto_faults.on("GET", f"/sites/[^/]*{where}", fault, times=times)

        assert planned(h, cleanup=True) == []


def test_what_hector_says_itself_needs_no_second_look(school, planned):
    """Cancelled, moved, returned: each list is read once."""
    h = school
    h.sandbox.change(hector_page_size=200, page_size=100)
    h.hector.set_status(h.bookings["01"], "cancelled", at=h.clock.now)
    h.hector.set_status(h.bookings["02"], "returned", at=h.clock.now)
    h.move("03", where="r04").move("04", who="p03")
    before = {path: reads(h, path) for path in ("/loaners", "/places", "/api/v1/users", "/locks")}

    assert len(taken(planned(h))) == 4
    assert {path: reads(h, path) - number for path, number in before.items()} == dict.fromkeys(before, 1) | {
        "/locks": 1 + 8
    }  # the site's list, and those of eight groups


def test_the_log_says_what_only_the_second_look_shows(school, planned, caplog):
    caplog.set_level("INFO")
    where, fault, times = missing("/loaners", school.bookings["05"])
    school.sandbox.change(hector_page_size=200)
    school.sandbox.hector_faults.on("GET", where, fault, times=times)

    assert taken(planned(school)) == []
    assert "the second read of Hector's reservations shows 1 that the first does not" in caplog.text


def test_an_evening_without_bookings_reads_them_twice_before_anybody_is_suspended(planned):
    with world() as h:
        h.room("r1").person("ana").book("1", "ana", "r1")
        h.run()
        where, fault, times = missing("/loaners", h.bookings["1"])
        h.sandbox.hector_faults.on("GET", where, fault, times=times)

        assert planned(h, provision_users="with_reservations") == []
