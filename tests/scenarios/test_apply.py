"""What happens to a run when Salto fails: one thing at a time, and nothing twice."""

import pytest

from hector_salto.access.results import DONE, FAILED, NO_SEAT, NOT_SENT, UNKNOWN
from hector_salto.access.settings import AccessRules, OfficeMode
from hector_salto.http_client.errors import AccountNotActiveError, CredentialsError
from sandbox import empty
from sandbox.faults import drop, html, run, server_error, status, too_many, unauthorized, unavailable
from sandbox.web import json_reply
from tests.effort import EFFORT
from tests.scenarios.world import world, world_copy

TEACHERS = AccessRules(office_mode=OfficeMode(groups=("Teachers",)), delete_users=True)


def states(found, kind=None):
    table = found.plan.operations.merge(found.outcomes, on="key", suffixes=("_planned", ""))
    rows = table if kind is None else table[table["kind"].eq(kind)]
    return dict(zip(rows["unit"], rows["state"], strict=True)) if kind else rows["state"].tolist()


def everything(h):
    """A house in which the next run makes every kind of write."""
    teachers = h.hector.add_group("Teachers")
    h.room("r1", "r2", "r3").person("ana", "ben", "cleo", "dan")
    h.book("1", "ana", "r1", 1, 2).book("2", "ben", ["r1", "r2"], 3, 4).book("3", "dan", "r3", 5, 6)
    h.hector.users[h.people["ana"]]["group_ids"] = [teachers]
    h.run(TEACHERS)
    h.hector.users[h.people["ana"]] |= {"group_ids": [], "unique_code": "ben", "email": "anna@school.example"}
    h.hector.users[h.people["ben"]] |= {"group_ids": [teachers], "unique_code": "ana"}
    h.hector.users[h.people["dan"]]["status"] = "archived"
    h.member("cleo").subscription_state = "suspended"
    h.member("cleo").alias = None
    h.person("eve").book("4", "eve", "r2", 7, 8)
    h.move("1", start=9, finish=10, where="r2", who="ben")
    h.move("2", who="cleo", where="r1")
    group = h.group("2").id
    h.salto.add_schedule(group, start_date="2026-01-14T00:00:00", end_date="2026-01-14T23:59:59")
    h.salto.add_group("Hector_5")
    h.book("5", "ben", "r3", 11, 12)


def kinds_of_write():
    """Method and path of each kind of write, as regular expressions of the target."""
    group, user = r"/access_groups/[^/?]+", r"/users/[^/?]+"
    return {
        "group made": ("POST", r"/access_groups$"),
        "group deleted": ("DELETE", rf"{group}$"),
        "schedule made": ("POST", r"/time_schedules$"),
        "schedule changed": ("PATCH", r"/time_schedules/"),
        "schedule deleted": ("DELETE", r"/time_schedules/"),
        "members changed": ("PATCH", rf"{group}/users$"),
        "locks changed": ("PATCH", rf"{group}/locks$"),
        "user made": ("POST", r"/users$"),
        "user changed": ("PATCH", rf"{user}$"),
        "seat changed": ("PATCH", rf"{user}/subscription$"),
        "user deleted": ("DELETE", rf"{user}$"),
    }


FAULTS = {
    "the reply is lost": drop(after=True),
    "the request is lost": drop(after=False),
    "500": server_error(),
    "503": unavailable(),
    "a page of HTML": html(),
    "429": too_many(retry_after=None),
}


@pytest.mark.parametrize("write", kinds_of_write())
def test_a_write_whose_reply_is_lost_is_read_back_and_nothing_is_made_twice(write):
    """Asked again, a thing that is gone is gone; everything else is never sent again unread."""
    times = {"times": 1} if write.endswith("deleted") else {}
    with world_copy(everything) as h:
        h.sandbox.salto_faults.on(*kinds_of_write()[write], drop(after=True), **times)
        found = h.run(TEACHERS)

        assert any(row.fault == "drop after" for row in h.sandbox.writes), f"nothing was {write}"
        assert found.all_done, found.outcomes[found.outcomes["state"].ne(DONE)]
        h.sandbox.salto_faults.clear()
        h.assert_settled(TEACHERS)


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_fails_once_anywhere_the_next_run_ends_right(fault):
    """A sample of the writes; EFFORT sweeps them all."""
    for index in (3 + 5 * list(FAULTS).index(fault),) if EFFORT == 1 else range(30):
        with world_copy(everything) as h:
            h.sandbox.salto_faults.at(index, FAULTS[fault], writes=True)
            h.run(TEACHERS)
            assert any(row.fault for row in h.sandbox.writes)
            h.run(TEACHERS)

            h.assert_settled(TEACHERS)


# --- one bad thing affects only itself --------------------------------------------------------------------------------


def test_one_reservation_that_salto_refuses_affects_only_itself():
    with world() as h:
        h.room("r1", "r2").person("ana", "ben")
        h.book("1", "ana", "r1").book("2", "ben", "r2")

        def refuse_the_first(call):
            return json_reply({"ErrorCode": "1101", "Message": "No."}, 400) if b"Hector_1" in call.body else None

        h.sandbox.salto_faults.on("POST", "access_groups$", run(refuse_the_first))
        found = h.run()

        assert states(found, "group_create") == {"reservation 1": FAILED, "reservation 2": DONE}
        assert states(found, "member_add") == {"reservation 1": NOT_SENT, "reservation 2": DONE}
        assert [row[:2] for row in h.who_opens()] == [("ben", "r2")]


def test_one_person_who_cannot_be_made_affects_only_themselves():
    with world() as h:
        h.room("r1").person("ana", "ben").book("1", "ana", "r1", others=["ben"])

        def refuse_ana(call):
            return json_reply({"ErrorCode": "1101", "Message": "No."}, 400) if b"ana@" in call.body else None

        h.sandbox.salto_faults.on("POST", "/users$", run(refuse_ana))
        found = h.run()

        assert states(found, "user_create") == {f"person {h.people['ana']}": FAILED, f"person {h.people['ben']}": DONE}
        assert states(found, "tag_on") == {f"person {h.people['ana']}": NOT_SENT, f"person {h.people['ben']}": DONE}
        assert [row[:2] for row in h.who_opens()] == [("ben", "r1")]
        h.sandbox.salto_faults.clear()
        h.run()
        h.assert_settled()


def test_when_a_bulk_request_is_refused_each_member_is_sent_alone():
    with world() as h:
        h.room("r1").person("ana", "ben", "cleo")
        h.run()
        h.book("1", "ana", "r1", others=["ben", "cleo"])
        bad = h.member("ben").person_id.encode()

        def refuse_ben(call):
            return json_reply({"ErrorCode": "2202", "Message": "User not found"}, 404) if bad in call.body else None

        h.sandbox.salto_faults.on("PATCH", "/users$", run(refuse_ben))
        found = h.run()

        added = found.plan.operations.merge(found.outcomes, on="key").query("kind == 'member_add'")
        assert sorted(added["state_y"]) == [DONE, DONE, FAILED]
        assert {row[0] for row in h.who_opens()} == {"ana", "cleo"}


# --- people made a moment ago -----------------------------------------------------------------------------------------


def test_people_whom_salto_does_not_know_everywhere_yet_are_tried_again_until_it_does():
    with world(creation_lag_seconds=45) as h:
        h.room("r1").person("ana", "ben").book("1", "ana", "r1", others=["ben"])
        found = h.run()

        assert found.all_done
        assert {row[0] for row in h.who_opens()} == {"ana", "ben"}
        h.assert_settled()


def test_people_whom_salto_never_knows_fail_and_the_next_run_gives_them_theirs():
    with world(creation_lag_seconds=600) as h:
        h.room("r1", "r2").person("ana")
        h.run()
        h.clock.sleep(700)
        h.person("ben").book("1", "ben", "r1").book("2", "ana", "r2")
        found = h.run()

        assert FAILED in states(found)
        assert [row[:2] for row in h.who_opens()] == [("ana", "r2")]
        h.clock.sleep(700)
        assert h.run().all_done
        h.assert_settled()


def test_the_run_waits_until_deleted_users_are_gone():
    with world(delete_lag_seconds=20) as h:
        h.person("ana", "ben")
        h.run(TEACHERS)
        h.hector.users[h.people["ana"]]["status"] = "archived"
        found = h.run(TEACHERS)

        assert found.all_done
        assert h.member("ana") is None
        h.assert_settled(TEACHERS)


def test_somebody_known_on_the_platform_is_put_on_the_site_without_being_made_again():
    with world() as h:
        person = h.salto.add_person("ana@school.example", has_profile=True)
        h.room("r1").person("ana").book("1", "ana", "r1")
        found = h.run()

        assert found.all_done
        assert h.member("ana").person_id == person
        assert h.salto.invitations == []
        h.assert_settled()


# --- seats ------------------------------------------------------------------------------------------------------------


def test_who_gets_no_seat_is_no_seat_and_the_earliest_window_comes_first():
    with world(empty(seats=4)) as h:  # the owner and the sync's account have two of them
        h.room("r1").person("ana", "ben", "cleo")
        h.book("1", "ana", "r1", 20, 21).book("2", "ben", "r1", 5, 6).book("3", "cleo", "r1", 1, 2)
        found = h.run()

        assert states(found, "user_create") == {
            f"person {h.people['ana']}": NO_SEAT, f"person {h.people['ben']}": DONE, f"person {h.people['cleo']}": DONE,
        }  # fmt: skip
        assert {row[0] for row in h.who_opens()} == {"ben", "cleo"}
        again = h.plan()
        assert again.operations.empty
        assert again.problems.loc[again.problems["red"], "code"].tolist() == ["no_seat"]


def test_a_seat_that_becomes_free_goes_to_who_waits_for_it():
    with world(empty(seats=3)) as h:
        h.room("r1").person("ana", "ben")
        h.book("1", "ana", "r1", 1, 2).book("2", "ben", "r1", 5, 6)
        h.run()
        h.salto.site.subscribed_user_amount = 4
        found = h.run()

        assert states(found, "user_subscribe") == {f"person {h.people['ben']}": DONE}
        assert {row[0] for row in h.who_opens()} == {"ana", "ben"}


# --- too much fails ---------------------------------------------------------------------------------------------------


def test_after_five_failures_in_a_row_nothing_more_is_given_and_taking_away_goes_on(monkeypatch):
    monkeypatch.setattr("salto.plan_executor.WRITE_THREADS", 1)
    with world() as h:
        h.room("r1").person("ana")
        h.book("old", "ana", "r1", 1, 2)
        h.run()
        h.hector.set_status(h.bookings["old"], "cancelled", at=h.clock.now)
        for number in range(12):
            h.book(f"{number}", "ana", "r1", 10 + number, 10.5 + number)
        h.sandbox.salto_faults.on("POST", "access_groups$", status(500, "2201"))
        found = h.run()

        assert states(found, "group_delete") == {"reservation old": DONE}
        made = list(states(found, "group_create").values())
        assert made.count(UNKNOWN) == 5
        assert made.count(NOT_SENT) == 7


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(403, "2212"), AccountNotActiveError),
        (status(403, "2210"), AccountNotActiveError),
        (unauthorized(), CredentialsError),
    ],
    ids=["subscription over", "not released", "token refused"],
)
def test_when_nothing_can_work_any_more_the_run_stops_and_sends_nothing_else(fault, error, monkeypatch):
    monkeypatch.setattr("salto.plan_executor.WRITE_THREADS", 1)
    with world() as h:
        h.room("r1").person("ana", "ben")
        h.book("1", "ana", "r1").book("2", "ben", "r1")
        h.sandbox.salto_faults.on("POST", "access_groups$", fault)
        with pytest.raises(error):
            h.run()

        outcomes = h.sync.outcomes["state"].tolist()
        assert outcomes.count(FAILED) == 1
        assert set(outcomes) == {FAILED, NOT_SENT}
        assert h.salto.groups == {}
        assert len(h.sandbox.writes) <= 2  # a refused token is renewed and tried once more


def test_when_the_run_stops_late_operations_are_not_sent_either():
    """Somebody made a moment ago waits for Salto to know them; meanwhile the subscription ends."""
    with world(creation_lag_seconds=600) as h:
        h.room("r1").person("ana", "ben")
        h.book("1", "ana", "r1").book("2", "ben", "r1")
        refused = []

        def end_of_subscription(call):
            if call.method == "PATCH" and call.path.endswith("/users") and h.clock.now > h_start:
                refused.append(call.path)
                return json_reply({"ErrorCode": "2212", "Message": "over"}, 403)
            return None

        h_start = h.clock.now
        h.sandbox.salto_faults.on("PATCH", "access_groups/.*/users$", run(end_of_subscription))
        with pytest.raises(AccountNotActiveError):
            h.run()

        assert len(refused) == 1


# --- what is written is read back -------------------------------------------------------------------------------------


def test_a_new_group_whose_schedule_does_not_read_back_stays_without_doors_and_people():
    with world() as h:
        h.room("r1").person("ana").book("1", "ana", "r1")

        def other_days(_state, request):
            for group in h.salto.groups.values():
                for schedule in group.schedules:
                    schedule.days = [True] * 7

        h.sandbox.after_write = other_days
        found = h.run()
        h.sandbox.after_write = None

        assert states(found, "group_create") == {"reservation 1": FAILED}
        assert (h.group("1").users, h.group("1").locks) == ([], [])
        assert h.run().all_done
        h.assert_settled()


def test_a_lost_reply_never_takes_a_group_of_somebody_else_for_the_new_one():
    with world() as h:
        h.room("r1").person("ana")
        hand_made = h.salto.add_group("Hector_1", users=[], locks=[h.doors["r1"]])
        h.salto.add_schedule(hand_made, "07:00", "19:00")
        h.book("1", "ana", "r1")
        h.sandbox.salto_faults.on("POST", "access_groups$", drop(after=True))
        found = h.run()

        assert found.all_done
        assert h.salto.groups[hand_made].users == []
        assert len(h.salto.groups) == 2


@pytest.mark.parametrize(("bare", "state"), [(True, DONE), (False, FAILED)])
def test_a_group_that_the_plan_did_not_know_is_not_made_twice(bare, state):
    """Another process made it after the list was read; one that opens doors already is left to the next sync."""
    with world() as h:
        h.room("r1").person("ana").book("1", "ana", "r1")

        def appears(_call):
            if not h.salto.groups:
                group = h.salto.add_group("Hector_1", users=[], locks=[] if bare else [h.doors["r1"]])
                if not bare:
                    h.salto.add_schedule(group, start_date="2026-01-14T00:00:00", end_date="2026-01-14T23:59:59")

        h.sandbox.salto_faults.on("GET", r"customer_reference", run(appears))
        found = h.run()

        assert states(found, "group_create") == {"reservation 1": state}
        assert [group.name for group in h.salto.groups.values()] == ["Hector_1"]
