"""The campus: it has what it promises, at any hour and in any zone, and it stands still for three hours."""

import datetime as dt
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import campus

NOW = dt.datetime(2026, 1, 14, 15, 7, tzinfo=dt.UTC)
GRACE = dt.timedelta(minutes=15)
QUIET = dt.timedelta(hours=3)
HORIZON = dt.timedelta(days=7)
ZONES = ("America/Toronto", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns", "America/Winnipeg")


@pytest.fixture(scope="module")
def scenario():
    return campus(NOW)


def spans(hector):
    for row in hector.loaners.values():
        yield tuple(dt.datetime.fromisoformat(row[side]) for side in ("start", "finish"))


def test_it_has_the_promised_size(scenario):
    hector, salto = scenario.hector, scenario.salto

    assert (len(hector.users), len(salto.locks), len(hector.loaners)) == (60, 25, 80)
    assert salto.seat_free()


def test_the_same_seed_and_now_give_the_same_campus(scenario):
    again, other = campus(NOW), campus(NOW, seed=2)

    assert (again.hector.to_json(), again.salto.to_json()) == (scenario.hector.to_json(), scenario.salto.to_json())
    assert again.credentials == scenario.credentials
    assert other.hector.to_json() != scenario.hector.to_json()
    assert other.salto.site.id != scenario.salto.site.id
    assert other.salto.site.site_uid == scenario.salto.site.site_uid == "DE4520000000"


@settings(max_examples=40, deadline=None)
@given(
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_nothing_changes_by_itself_within_three_hours(now, zone):
    hector = campus(now, zone=zone).hector
    for start, finish in spans(hector):
        for edge in (start - GRACE, finish + GRACE, start - GRACE - HORIZON):
            assert not now <= edge <= now + QUIET
        assert start.minute % 15 == finish.minute % 15 == 0
    running = [row for row in spans(hector) if row[0] <= now and now + QUIET < row[1]]
    assert len(running) >= 3


def test_every_status_occurs(scenario):
    codes = {row["status"]["code"] for row in scenario.hector.loaners.values()}

    known = (
        "pending_approval awaiting_approval new assigned partially_out out overdue to_be_inspected suspended damaged"
    )
    assert codes == {*known.split(), "returned", "completed", "refused", "cancelled", "on_hold_by_dean"}


def test_bookings_of_every_kind_occur(scenario):
    rows = scenario.hector.loaners.values()
    kinds = [{line["type"] for line in row["lines"]} for row in rows]
    places = [sum(line["type"] == "place" for line in row["lines"]) for row in rows]

    assert {"asset", "place"} in kinds
    assert {"asset"} in kinds
    assert max(places) == 3
    assert {row["borrower"]["type"] for row in rows} == {"user", "customer"}
    assert any(row["participants"] for row in rows)
    assert any(row["blocking"] for row in rows)
    assert Counter(row["recurrence_id"] for row in rows)["rec_1"] == 3
    assert Counter(row["reference"] for row in rows)["10777"] == 2
    lengths = [finish - start for start, finish in spans(scenario.hector)]
    assert min(lengths) < dt.timedelta(0) < dt.timedelta(days=31) < max(lengths)
    assert any(start > NOW + HORIZON for start, _ in spans(scenario.hector))
    assert any(finish < NOW for _, finish in spans(scenario.hector))


def test_people_of_every_kind_occur(scenario):
    users, salto = scenario.hector.users.values(), scenario.salto
    emails = Counter((row["email"] or "").strip().casefold() for row in users)
    codes = Counter(row["unique_code"] for row in users if row["unique_code"])

    assert {row["status"] for row in users} == {"active", "disabled", "archived"}
    assert emails.pop("") == 1
    assert max(emails.values()) == 2
    assert max(codes.values()) == 2
    assert salto.tag_numbered("NOWHERE1") is None
    assert salto.tag_numbered("BLOCKED1").blocked
    assert salto.holder_of(salto.tag_numbered("CLEAN001").id).alias == "cleaning Carmen"
    swapped = [row for row in users if str(row["unique_code"]).startswith("SWAP")]
    held = [salto.tags[salto.member_of_email(row["email"]).tag_id].number for row in swapped]
    assert held == [row["unique_code"] for row in reversed(swapped)]
    free = [tag for tag in salto.tags.values() if salto.holder_of(tag.id) is None and not tag.blocked]
    assert len(free) > 30


def test_the_site_has_foreign_hands_and_leftovers(scenario):
    salto = scenario.salto
    roles = Counter(code for member in salto.members.values() for code in member.roles)
    groups = Counter(group.name for group in salto.groups.values())
    aliases = {member.alias for member in salto.members.values()}

    assert {"site_owner", "site_admin", "site_super_user", "site_user", "site_guest", "site_pod_member"} == set(roles)
    assert {"Cleaning", "Hector_Staff", "Hector_9001"} <= set(groups)
    assert max(groups.values()) == 2
    assert any(not group.schedules and not group.users for group in salto.groups.values())
    assert {"piano tuner", "hector:u_999999", None} <= aliases
    assert any(salto.member_of(person) is None for person in salto.persons)
    assert Counter(lock.name for lock in salto.locks.values())["Practice Room 3"] == 2
    assert len({iq.time_zone for iq in salto.iqs.values()}) == 2
    assert [lock.name for lock in salto.locks.values() if not lock.online] == ["Percussion Room"]


def test_without_the_attribute_no_place_has_a_lock():
    hector = campus(NOW, with_attribute=False).hector

    assert hector.attributes == {}
    assert {len(row["attributes"]) for row in hector.places.values()} == {0}


def test_seats_can_be_short():
    assert not campus(NOW, seats=5).salto.seat_free()
