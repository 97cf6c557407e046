"""What is not known of Salto KS, both ways: each switch of the sandbox is flipped, and the product stays safe and works."""

from __future__ import annotations

import datetime as dt

import pytest

from hector_salto.access.results import DONE, FAILED, NO_SEAT
from hector_salto.access.settings import AccessRules
from sandbox.faults import drop, run
from sandbox.web import json_reply
from tests.scenarios.world import hour, world


def outcomes(found, kind):
    table = found.plan.operations.merge(found.outcomes, on="key", suffixes=("_planned", ""))
    return table.loc[table["kind"].eq(kind), "state"].tolist()


def messages(found, kind):
    table = found.plan.operations.merge(found.outcomes, on="key", suffixes=("_planned", ""))
    return " ".join(table.loc[table["kind"].eq(kind), "message"])


def writes_to(h, path, since=0):
    return [row for row in h.sandbox.writes[since:] if path in row.path]


def house(h):
    h.room("r1", "r2").person("ana", "ben").book("1", "ana", "r1")
    return h


# --- tag-off ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cleared_by", ["null", "empty", "empty_only"])
def test_a_lost_tag_comes_off_however_salto_takes_it(cleared_by):
    with world(tag_cleared_by=cleared_by) as h:
        house(h).run()
        h.hector.users[h.people["ana"]]["unique_code"] = None
        found = h.run()

        assert outcomes(found, "tag_off") == [DONE]
        assert h.member("ana").tag_id is None
        h.assert_settled()


def test_a_tag_that_stays_on_whatever_is_sent_is_a_failure_that_names_it():
    with world(tag_cleared_by="nothing") as h:
        house(h).run()
        h.hector.users[h.people["ana"]]["unique_code"] = None
        found = h.run()

        assert outcomes(found, "tag_off") == [FAILED]
        assert f"tag id {h.member('ana').tag_id}" in messages(found, "tag_off")
        assert "Salto dashboard" in messages(found, "tag_off")


def test_a_tag_that_cannot_be_taken_off_is_replaced_by_the_new_one():
    with world(tag_cleared_by="nothing") as h:
        house(h).run()
        new = h.salto.enrol_tag("new")
        h.hector.users[h.people["ana"]]["unique_code"] = "new"
        found = h.run()

        assert (outcomes(found, "tag_off"), outcomes(found, "tag_on")) == ([FAILED], [DONE])
        assert h.member("ana").tag_id == new
        h.assert_settled()


def test_a_tag_that_stays_on_goes_to_no_other_user():
    with world(tag_cleared_by="nothing") as h:
        house(h).run()
        h.hector.users[h.people["ana"]]["unique_code"], h.hector.users[h.people["ben"]]["unique_code"] = None, "ana"
        found = h.run()

        assert outcomes(found, "tag_on") == ["not_sent"]
        assert h.salto.holder_of(h.salto.tag_numbered("ana").id).id == h.member("ana").id


# --- seat-tagless -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seat_with_tag", ["at_once", "when_asked"])
def test_a_user_who_takes_a_seat_only_with_a_tag_gets_it_with_the_tag(seat_with_tag):
    with world(seat_without_tag=False, seat_with_tag=seat_with_tag) as h:
        found = house(h).run()

        assert found.all_done
        assert h.who_opens() == [("ana", "r1", 0.75, 2.25)]
        h.assert_settled()


@pytest.mark.parametrize("seat_without_tag", [True, False])
def test_a_user_without_a_tag_is_no_failure_and_is_not_asked_about_each_run(seat_without_tag):
    with world(seat_without_tag=seat_without_tag) as h:
        house(h).hector.users[h.people["ana"]]["unique_code"] = None
        found = h.run()

        assert found.all_done
        assert "no_seat" not in found.problem_codes()
        since = len(h.sandbox.writes)
        assert h.run().plan.operations.empty
        assert len(h.sandbox.writes) == since


@pytest.mark.parametrize("seat_without_tag", [True, False])
def test_a_suspended_user_whose_tag_comes_gets_the_seat(seat_without_tag):
    with world(seat_without_tag=seat_without_tag) as h:
        house(h).hector.users[h.people["ana"]]["unique_code"] = None
        h.run()
        h.member("ana").subscription_state = "suspended"
        h.hector.users[h.people["ana"]]["unique_code"] = "ana"
        found = h.run()

        assert found.all_done
        assert h.who_opens() == [("ana", "r1", 0.75, 2.25)]


@pytest.mark.parametrize(
    "behaviour", [{}, {"seat_without_tag": False}, {"seat_without_tag": False, "seat_with_tag": "when_asked"}]
)
def test_when_no_seat_is_left_the_earliest_get_one_and_the_others_are_reported(behaviour):
    with world(**behaviour) as h:
        h.room("r1").person("ana", "ben", "cleo", "dan")
        h.hector.users[h.people["dan"]]["unique_code"] = None
        h.book("1", "cleo", "r1", 5, 6).book("2", "ana", "r1", 1, 2).book("3", "ben", "r1", 3, 4).book(
            "4", "dan", "r1", 0.5, 0.75
        )
        h.salto.site.subscribed_user_amount = h.salto.seats_used() + 2
        found = h.run()

        assert [row[0] for row in h.who_opens()] == ["ana", "ben"]
        assert NO_SEAT in outcomes(found, "user_create")
        assert FAILED not in found.outcomes["state"].tolist()


def test_users_without_a_tag_lack_a_seat_where_the_site_is_full_and_none_elsewhere():
    for seat_without_tag, lacking in ((True, 2), (False, 0)):
        with world(seat_without_tag=seat_without_tag) as h:
            h.person("ana", "ben", "cleo")
            for name in ("ana", "ben", "cleo"):
                h.hector.users[h.people[name]]["unique_code"] = None
            h.salto.site.subscribed_user_amount = h.salto.seats_used() + 1
            found = h.run()

            assert outcomes(found, "user_create").count(NO_SEAT) == lacking


# --- filter-case ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filter_case", ["minded", "ignored"])
def test_a_reload_finds_a_user_who_was_added_by_hand_with_capitals(filter_case):
    with world(filter_case=filter_case) as h:
        h.sync.remembers = True
        house(h).run()
        h.person("cleo").salto.add_member("Cleo@School.Example")
        h.book("9", "cleo", "r2")
        found = h.run(references=["9"])

        assert found.all_done
        assert "user_create" not in found.plan.operations["kind"].tolist()
        assert sorted(row[1] for row in h.who_opens()) == ["r1", "r2"]
        assert h.salto.person_of_email("cleo@school.example").email == "Cleo@School.Example"


def test_a_user_whose_creation_was_not_answered_is_found_in_whatever_letters_salto_keeps_the_email():
    with world() as h:
        h.person("ana")

        def keep_in_capitals(_state, request):
            if request.path.endswith("/users"):
                h.salto.person_of_email("ana@school.example").email = "ANA@SCHOOL.EXAMPLE"

        h.sandbox.after_write = keep_in_capitals
        h.sandbox.salto_faults.on("POST", "/users$", drop(after=True))
        found = h.run()

        assert found.all_done
        h.assert_settled()


# --- schedule-expired -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expired_schedules", ["stay", "go"])
@pytest.mark.parametrize("by", ["sync", "cleanup"])
def test_a_group_whose_schedule_salto_has_removed_goes_when_its_reservation_is_over(expired_schedules, by):
    with world(expired_schedules=expired_schedules) as h:
        house(h).run()
        h.clock.now = hour(4)
        found = h.run() if by == "sync" else h.sync.cleanup(h.clock.now)

        assert outcomes(found, "group_delete") == [DONE]
        assert found.plan.operations["cause"].eq("expired").any()
        assert not [group for group in h.salto.groups.values() if group.name == "Hector_1"]


def test_a_reservation_prolonged_after_salto_removed_its_schedule_gets_a_new_one():
    with world(expired_schedules="go") as h:
        house(h).run()
        h.clock.now = hour(2.5)
        h.move("1", start=1, finish=5)
        h.run()

        assert h.who_opens()[-1] == ("ana", "r1", 0.75, 5.25)
        h.assert_settled()


def test_a_hand_made_group_without_a_schedule_is_never_touched():
    with world(expired_schedules="go") as h:
        house(h)
        made = h.salto.add_group("Hector_Staff", locks=[h.doors["r1"]])
        h.run()
        h.clock.now = hour(4)
        h.run()
        h.sync.cleanup(h.clock.now)

        assert made in h.salto.groups


# --- membership-repeated ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeated_changes", ["accepted", "refused"])
def test_adding_what_is_there_and_removing_what_is_gone_are_successes(repeated_changes):
    with world(repeated_changes=repeated_changes) as h:
        house(h).run()
        h.move("1", where="r2", who="ben")
        ana, ben = h.member("ana").person_id, h.member("ben").person_id

        def someone_was_faster(call):
            h.group("1").users[:], h.group("1").locks[:] = [ben], [h.doors["r2"]]

        h.sandbox.salto_faults.on("PATCH", "/access_groups/", run(someone_was_faster), times=1)
        found = h.run()

        assert ana not in h.group("1").users
        assert found.all_done
        assert h.who_opens() == [("ben", "r2", 0.75, 2.25)]
        h.assert_settled()


# --- user-search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["emails", "no_emails"])
def test_a_user_whom_the_platform_knows_is_put_on_the_site(search):
    with world(search=search) as h:
        known = house(h).salto.add_person("Ana@School.Example", has_profile=True)
        found = h.run()

        assert found.all_done
        assert h.member("ana").person_id == known
        h.assert_settled()


def test_a_user_whom_the_search_does_not_show_is_one_failure_and_others_go_on():
    with world(search="site_users") as h:
        house(h).salto.add_person("ana@school.example", has_profile=True)
        h.book("2", "ben", "r2")
        found = h.run()

        assert sorted(outcomes(found, "user_create")) == [DONE, FAILED]
        assert [row[:2] for row in h.who_opens()] == [("ben", "r2")]


def test_a_stranger_whom_the_search_shows_leaves_the_site_again():
    with world(search="no_emails") as h:
        stranger = house(h).salto.add_person("stranger@school.example")

        def only_the_stranger(call):
            return json_reply([{"id": stranger, "email": None}])

        def taken(call):
            return json_reply({"ErrorCode": "1101", "Message": "Already in use."}, 400)

        h.sandbox.salto_faults.on("GET", "/users/search", run(only_the_stranger))
        h.sandbox.salto_faults.on("POST", "/users$", run(taken))
        found = h.run()

        assert outcomes(found, "user_create")[0] == FAILED
        h.salto.settle(h.clock.now + dt.timedelta(minutes=1), 10)
        assert h.salto.member_of(stranger) is None


# --- lists ------------------------------------------------------------------------------------------------------------

LISTS = {
    "bare arrays": {"bare_arrays": "all"},
    "bare arrays cut": {"bare_arrays": "all", "bare_arrays_cut": True},
    "counts each page": {"list_count": "page"},
    "counts nothing": {"list_count": "none"},
    "alias of the host": {"next_link_host": "https://clp-accept-user.saltoks.com"},
}


@pytest.mark.parametrize("shape", LISTS)
def test_a_list_is_whole_whatever_shape_it_comes_in(shape):
    with world(page_size=3, **LISTS[shape]) as h:
        h.room(*(f"r{number}" for number in range(5))).person("ana", "ben", "cleo", "dan", "eve")
        for number, who in enumerate(("ana", "ben", "cleo", "dan", "eve")):
            h.book(str(number), who, f"r{number}")
        found = h.run()

        assert found.all_done
        assert len(h.who_opens()) == 5
        h.assert_settled()


# --- zones and dates --------------------------------------------------------------------------------------------------


def test_an_iq_without_a_zone_stops_its_own_locks_alone():
    with world() as h:
        house(h).salto.add_iq("IQ of nowhere", None)
        nowhere = list(h.salto.iqs)[-1]
        h.doors["r9"] = h.salto.add_lock("r9", nowhere)
        h.rooms["r9"] = h.hector.add_place("r9", "r9")
        h.book("9", "ben", "r9")
        found = h.run()

        assert found.all_done
        assert "zone_unknown" in found.problem_codes()
        assert h.who_opens() == [("ana", "r1", 0.75, 2.25)]


def test_dates_without_a_time_are_whole_days():
    """A long window begins and ends within days, so only its shape shows."""
    with world(schedule_dates="without_time") as h:
        house(h)
        day = h.clock.now.replace(hour=5, minute=15)
        h.book("2", "ben", "r2", day + dt.timedelta(days=1), day + dt.timedelta(days=2, minutes=-30))
        h.run()

        h.assert_settled()


@pytest.mark.parametrize("group_names", ["repeatable", "unique"])
def test_a_name_that_is_taken_is_no_second_group(group_names):
    with world(group_names=group_names) as h:
        house(h).salto.add_group("Hector_1")
        h.run()

        assert len([group for group in h.salto.groups.values() if group.name == "Hector_1"]) == 1
        h.assert_settled()


def test_with_reservations_only_tagless_users_keep_no_seat_busy():
    with world(seat_without_tag=False) as h:
        house(h)
        rules = AccessRules(provision_users="with_reservations")
        assert h.run(rules).all_done
        h.assert_settled(rules)
