"""Access groups and their time schedules."""

import uuid

import pytest

SCHEDULE = {
    "wednesday": True,
    "start_time": "10:00",
    "end_time": "12:14",
    "start_date": "2026-01-14T10:00:00",
    "end_date": "2026-01-14T12:15:00Z",
}


@pytest.fixture
def group(salto):
    return salto.new_group()


@pytest.fixture
def person(sandbox):
    return sandbox.salto.person_of(sandbox.salto.add_member("a@b.example")).id


@pytest.fixture
def lock(sandbox):
    return sandbox.salto.add_lock("Studio 1")


@pytest.fixture
def things(person, lock):
    return {"users": person, "locks": lock}


def test_the_same_name_twice_makes_two_groups(salto):
    assert salto.new_group("Hector_1") != salto.new_group("Hector_1")


def test_a_group_needs_a_name_and_nothing_else(salto, refused):
    assert refused(salto.post("/access_groups", {"customer_reference": " "})) == (400, "1101")
    assert refused(salto.post("/access_groups", {})) == (400, "1100")
    assert refused(salto.post("/access_groups", {"customer_reference": "x", "note": ""})) == (400, "1101")


def test_a_group_counts_renames_and_goes_away(salto, group, person, refused):
    salto.post(f"{group}/users", {"user_id": person})
    assert salto.patch(group, {"customer_reference": "New"}).json()["customer_reference"] == "New"
    assert salto.get(group).json() | {"id": ""} == {
        "id": "",
        "customer_reference": "New",
        "lock_count": 0,
        "user_count": 1,
    }
    assert salto.delete(group).status_code == 204
    assert refused(salto.delete(group)) == (404, "2202")


def test_a_site_user_id_is_nobody_for_a_group(sandbox, salto, group, person, refused):
    member = sandbox.salto.member_of(person).id

    assert refused(salto.post(f"{group}/users", {"user_id": member})) == (404, "2202")
    assert refused(salto.patch(f"{group}/users", {"add_ids": [member]})) == (404, "2202")
    assert salto.post(f"{group}/users", {"user_id": person}).json()["id"] == person


@pytest.mark.parametrize("kind", ["users", "locks"])
def test_bulk_changes_are_atomic_and_do_nothing_twice(salto, group, things, kind, refused):
    thing = things[kind]
    path = f"{group}/{kind}"

    assert refused(salto.patch(path, {"add_ids": [thing, str(uuid.uuid4())]})) == (404, "2202")
    assert salto.get(path).json()["items"] == []
    for _ in range(2):
        assert salto.patch(path, {"add_ids": [thing], "remove_ids": []}).status_code == 204
        assert [row["id"] for row in salto.get(path).json()["items"]] == [thing]
    for _ in range(2):
        assert salto.patch(path, {"remove_ids": [thing]}).status_code == 204
    assert refused(salto.delete(f"{path}/{thing}")) == (404, "2202")


@pytest.mark.parametrize("kind", ["users", "locks"])
def test_the_complement_is_listed_on_request(salto, group, things, kind):
    thing = things[kind]
    everything = {row["id"] for row in salto.get(f"{group}/{kind}", excluded="true").json()["items"]}
    assert thing in everything

    salto.patch(f"{group}/{kind}", {"add_ids": [thing]})
    rest = {row["id"] for row in salto.get(f"{group}/{kind}", excluded="true").json()["items"]}
    assert rest == everything - {thing}


def test_groups_of_a_user_and_of_a_lock(sandbox, salto, group, person, lock):
    salto.patch(f"{group}/users", {"add_ids": [person]})
    salto.post(f"{group}/locks", {"lock_id": lock})
    member = sandbox.salto.member_of(person).id

    for path in (f"/users/{member}/access_groups", f"/locks/{lock}/access_groups"):
        assert [row["customer_reference"] for row in salto.get(path).json()["items"]] == ["Hector_1"]


def test_times_come_back_with_the_end_widened_and_dates_as_sent(salto, group):
    stored = salto.post(f"{group}/time_schedules", SCHEDULE).json()

    assert (stored["start_time"], stored["end_time"]) == ("10:00:00", "12:14:59")
    assert (stored["start_date"], stored["end_date"]) == (SCHEDULE["start_date"], SCHEDULE["end_date"])
    assert (stored["wednesday"], stored["monday"]) == (True, False)
    assert salto.get(f"{group}/time_schedules").json()["items"] == [stored]


@pytest.mark.parametrize(
    "changes",
    [
        {"start_time": "12:14"},
        {"start_time": "22:00", "end_time": "02:00"},
        {"end_time": "24:00"},
        {"wednesday": False},
        {"start_date": "2026-01-15"},
        {"start_date": "Jan 14 2026"},
        {"start_date": "2026-02-30"},
        {"end_date": "2026-01-14T12:15:00+01:00"},
        {"wednesday": 1},
        {"name": "x"},
    ],
)
def test_schedules_that_are_refused(salto, group, refused, changes):
    assert refused(salto.post(f"{group}/time_schedules", SCHEDULE | changes)) == (400, "1101")
    assert salto.get(f"{group}/time_schedules").json()["items"] == []


def test_a_schedule_needs_both_times(salto, group, refused):
    assert refused(salto.post(f"{group}/time_schedules", {"monday": True, "start_time": "10:00"})) == (400, "1100")


def test_a_patched_schedule_keeps_what_was_not_named(salto, group, refused):
    path = f"{group}/time_schedules/{salto.post(f'{group}/time_schedules', SCHEDULE).json()['id']}"

    changed = salto.patch(path, {"end_time": "12:29", "end_date": None}).json()
    assert (changed["start_time"], changed["end_time"], changed["end_date"]) == ("10:00:00", "12:29:59", None)
    assert refused(salto.patch(path, {"end_time": "09:00"})) == (400, "1101")
    assert refused(salto.patch(path, {"end_time": None})) == (400, "1101")
    assert salto.get(f"{group}/time_schedules").json()["items"] == [changed]


def test_a_schedule_is_deleted_once(salto, group, refused):
    path = f"{group}/time_schedules/{salto.post(f'{group}/time_schedules', SCHEDULE).json()['id']}"

    assert salto.delete(path).status_code == 204
    assert refused(salto.delete(path)) == (404, "2202")
    assert salto.get(path).status_code == 405
