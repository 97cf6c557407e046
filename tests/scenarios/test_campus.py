"""The whole campus, once in each part of the world: what opens is what Hector says, and nobody else's things change."""

import datetime as dt

import pytest

from hector_salto.access.settings import AccessRules, OfficeMode
from sandbox import campus, empty, openings
from tests.scenarios.world import does_open, foreign_state, local_time, should_open, world

RULES = AccessRules(office_mode=OfficeMode(groups=("Teachers",)), delete_users=True)
WORLD = {"America/Toronto": "2026-01-14T15:00", "Europe/Berlin": "2026-06-10T07:30", "Asia/Kolkata": "2026-09-02T04:10"}


def moment(zone):
    return dt.datetime.fromisoformat(WORLD[zone]).replace(tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def told():
    """One plan, one run and another run of a campus in Toronto, and what was there before and after."""
    zone = "America/Toronto"
    with world(campus(moment(zone), zone=zone), moment(zone)) as h:
        h.before = foreign_state(h.salto)
        h.untouched = h.salto.to_json()
        h.first_plan = h.plan(RULES)
        h.after_plan, h.plan_writes = h.salto.to_json(), list(h.sandbox.writes)
        h.first = h.run(RULES)
        h.until = h.clock.now
        h.written = len(h.sandbox.writes)
        h.second = h.run(RULES)
        yield h


def test_planning_alone_writes_nothing(told):
    assert told.plan_writes == []
    assert told.after_plan == told.untouched


def test_everything_planned_is_done(told):
    assert told.first.all_done
    assert len(told.first.plan.operations) > 200


def test_doors_open_to_the_minute_as_hectors_reservations_say(told):
    wide = dt.timedelta(days=45)
    opened = does_open(told.salto, told.until - wide, told.until + wide)

    assert opened == should_open(told.hector, told.salto, told.until)
    assert len(opened) > 40


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata"])
def test_doors_open_to_the_minute_in_other_parts_of_the_world_too(zone):
    with world(campus(moment(zone), zone=zone), moment(zone)) as h:
        h.run(RULES)
        now, wide = h.clock.now, dt.timedelta(days=45)

        assert does_open(h.salto, now - wide, now + wide) == should_open(h.hector, h.salto, now)
        assert h.plan(RULES).operations.empty


def test_a_second_run_writes_nothing(told):
    assert told.second.plan.operations.empty
    assert len(told.sandbox.writes) == told.written


def test_groups_people_and_locks_of_other_hands_are_byte_equal(told):
    """Adopted users, and those matched by an alias of their own, are Hector's; all others are not."""
    adopted = {member.id for member in told.salto.members.values() if (member.alias or "").startswith("hector:")}
    matched = {
        member.id
        for member in told.salto.members.values()
        if any(_same(row["email"], told.salto.persons[member.person_id].email) for row in told.hector.users.values())
    }
    names = adopted | matched | {told.salto.members[key].person_id for key in adopted | matched}
    before = type(told.salto).from_json(told.untouched)

    assert foreign_state(told.salto, names) == foreign_state(before, names)


def test_nobody_has_another_persons_tag_or_two(told):
    held = [member.tag_id for member in told.salto.members.values() if member.tag_id]

    assert len(held) == len(set(held))


def test_everybody_whose_code_is_a_free_tag_of_the_site_carries_it(told):
    active = [row for row in told.hector.users.values() if row["status"] == "active" and row["email"]]
    codes = [row["unique_code"] for row in told.hector.users.values() if row["status"] == "active"]
    emails = [row["email"].strip().casefold() for row in active]
    for row in active:
        tag = told.salto.tag_numbered(row["unique_code"] or "")
        member = told.salto.member_of_email(row["email"].strip())
        if not tag or tag.blocked or member is None or (member.alias != f"hector:{row['id']}"):
            continue
        if codes.count(row["unique_code"]) > 1 or emails.count(row["email"].strip().casefold()) > 1:
            continue
        holder = told.salto.holder_of(tag.id)
        assert holder is member or not (holder.alias or "").startswith("hector:"), row["id"]


def test_office_mode_is_on_exactly_for_teachers_who_are_not_protected(told):
    teachers = {g["id"] for g in told.hector.groups.values() if g["name"] == "Teachers"}
    while True:
        reached = teachers | {g["id"] for g in told.hector.groups.values() if g["alias_of"] in teachers}
        if reached == teachers:
            break
        teachers = reached
    wanted = {f"hector:{row['id']}" for row in told.hector.users.values() if teachers & set(row["group_ids"])}
    for member in told.salto.members.values():
        if (member.alias or "").startswith("hector:") and member.roles == ["site_user"]:
            assert member.manual_office_mode == (member.alias in wanted), member.alias


def _same(email, other):
    return bool(email) and bool(other) and email.strip().casefold() == other.strip().casefold()


# --- both clock changes of a year -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("America/Toronto", dt.date(2026, 3, 8)),
        ("America/Toronto", dt.date(2026, 11, 1)),
        ("Europe/Berlin", dt.date(2026, 3, 29)),
        ("Europe/Berlin", dt.date(2026, 10, 25)),
        ("Asia/Kolkata", dt.date(2026, 12, 31)),
        ("Africa/Cairo", dt.date(2026, 4, 24)),
    ],
)
def test_windows_around_a_clock_change_open_to_the_minute(zone, change):
    now = local_time(change - dt.timedelta(days=2), "12:00", zone).astimezone(dt.UTC)
    yesterday, tomorrow = change - dt.timedelta(days=1), change + dt.timedelta(days=1)
    spans = [
        (local_time(yesterday, "21:00", zone), local_time(change, "00:30", zone)),
        (local_time(yesterday, "22:00", zone), local_time(change, "05:00", zone)),
        (local_time(change, "00:30", zone), local_time(change, "04:30", zone)),
        (local_time(change, "09:00", zone), local_time(change, "11:00", zone)),
        (local_time(yesterday, "09:00", zone), local_time(tomorrow, "17:00", zone)),
        (local_time(change, "20:00", zone), local_time(tomorrow, "00:00", zone)),
    ]
    with world(empty(zone=zone), now) as h:
        h.room("r1").person(*(f"p{number}" for number in range(len(spans))))
        for number, (start, finish) in enumerate(spans):
            h.book(str(number), f"p{number}", "r1", start, finish)
        assert h.run().all_done
        found = {
            opening.email.split("@")[0]: (opening.begin, opening.end)
            for opening in openings(h.salto, now, now + dt.timedelta(days=6))
        }

        grace = dt.timedelta(minutes=15)
        assert found == {
            f"p{number}": (start.astimezone(dt.UTC) - grace, finish.astimezone(dt.UTC) + grace)
            for number, (start, finish) in enumerate(spans)
        }
        h.assert_settled()


def test_as_of_decides_not_the_date_of_a_run():
    """A run of an old date, started again today, opens no window of then."""
    with world() as h:
        h.room("r1").person("ana").book("1", "ana", "r1", -50, -48).book("2", "ana", "r1", 1, 2)
        h.run()

        assert [row[2:] for row in h.who_opens()] == [(0.75, 2.25)]


def test_the_cleanup_removes_outdated_groups_while_hector_is_dead():
    from sandbox.faults import server_error

    with world() as h:
        h.room("r1").person("ana").book("1", "ana", "r1", 1, 2).book("2", "ana", "r1", 30, 31)
        h.run()
        h.clock.sleep(3600 * 10)
        h.sandbox.hector_faults.on("*", ".*", server_error())
        found = h.sync.cleanup(h.clock.now)

        assert found.all_done
        assert [group.name for group in h.salto.groups.values()] == ["Hector_2"]
