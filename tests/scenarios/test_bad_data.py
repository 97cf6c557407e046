"""One person's, one lock's or one site's bad data is a problem of its own, and stops nobody else."""

from __future__ import annotations

import unicodedata

import pytest

from hector_salto.access.settings import AccessRules
from sandbox.faults import run
from sandbox.web import json_reply
from tests.scenarios.world import NOW, World, hour, world

UNKNOWN_ZONES = ("W. Europe Standard Time", "", None)


def given(h: World, number: int) -> list[str]:
    """That many people, each with a room and a booking of their own."""
    names = [f"p{one}" for one in range(number)]
    for name in names:
        h.person(name).room(f"r-{name}").book(name, name, f"r-{name}")
    return names


def problems_of(done, code):
    found = done.plan.problems
    return found[found["code"].eq(code)].to_dict("records")


# --- emails that are no address ---------------------------------------------------------------------------------------


def test_emails_that_are_no_address():
    """Eight such users are eight problems: nothing is sent for them, five others get in, and the run is green."""
    with world() as h:
        for number in range(8):
            h.hector.add_user(email=f"unknown {number}", first_name="X")
        names = given(h, 5)

        done = h.run()

        assert done.all_done
        found = problems_of(done, "email_invalid")
        assert len(found) == 8
        assert {row["who"] for row in found} == {"hector_admin"}
        assert [name for name, *_ in h.who_opens()] == names
        assert len(h.salto.invitations) == 5
        h.assert_settled()


def test_an_email_that_turns_into_none():
    """Whoever is in Salto stays there under the old email, keeps their doors and gets new ones."""
    with world() as h:
        h.person("ana").room("r1", "r2").book("1", "ana", "r1")
        h.run()
        h.hector.users[h.people["ana"]]["email"] = "see the office"
        h.book("2", "ana", "r2")

        done = h.run()

        assert done.all_done
        assert [row["subject"] for row in problems_of(done, "email_invalid")] == [f"user {h.people['ana']}"]
        assert [door for _, door, *_ in h.who_opens()] == ["r1", "r2"]


def test_names_that_salto_refuses(monkeypatch):
    """Twelve refusals of content stop nobody: only an outage counts as one."""
    monkeypatch.setattr("salto.plan_executor.WRITE_THREADS", 1)
    with world() as h:
        refused = given(h, 12)
        h.person("zoe").room("z").book("zz", "zoe", "z")

        def refuse(call):
            zoe = b"zoe@" in call.body
            return None if zoe else json_reply({"ErrorCode": "1101", "Message": "Validation failed: No."}, 400)

        h.sandbox.salto_faults.on("POST", "/users$", run(refuse))
        found = h.run()

        assert found.outcomes["state"].value_counts()["failed"] == len(refused)
        assert [name for name, *_ in h.who_opens()] == ["zoe"]


# --- zones nobody knows -------------------------------------------------------------------------------------------------


def zone_of(h: World, door: str, zone: str | None) -> None:
    """Give the door an IQ of its own in that zone."""
    lock = h.salto.locks[h.doors[door]]
    lock.iq_id = h.salto.add_iq(door, zone)


@pytest.mark.parametrize("zone", UNKNOWN_ZONES)
def test_an_iq_in_an_unknown_zone(zone):
    """The groups of its lock are left as they are, by sync and cleanup; everybody else gets in."""
    with world() as h:
        h.person("ana", "ben").room("r1", "r2").book("1", "ana", "r1")
        zone_of(h, "r1", "America/Toronto")
        h.run()
        before = h.who_opens()
        h.salto.iqs[h.salto.locks[h.doors["r1"]].iq_id].time_zone = zone
        h.book("2", "ben", "r2")

        done = h.run()

        assert done.all_done
        assert [row["subject"] for row in problems_of(done, "zone_unknown")] == ["lock r1"]
        assert done.plan.operations["reference"].dropna().unique().tolist() == ["2"]
        assert h.sync.cleanup(NOW).plan.operations.empty
        h.salto.iqs[h.salto.locks[h.doors["r1"]].iq_id].time_zone = "America/Toronto"
        assert [one for one in h.who_opens() if one[0] == "ana"] == before


def test_a_cancelled_booking_of_an_unknown_zone():
    """Hector took the reservation back: its group goes, whatever the zone."""
    with world() as h:
        h.person("ana").room("r1").book("1", "ana", "r1")
        zone_of(h, "r1", "America/Toronto")
        h.run()
        h.salto.iqs[h.salto.locks[h.doors["r1"]].iq_id].time_zone = "Nowhere"
        h.hector.set_status(h.bookings["1"], "cancelled")

        h.run()

        assert not h.salto.groups


@pytest.mark.parametrize("zone", UNKNOWN_ZONES)
def test_a_site_in_an_unknown_zone(zone):
    """A problem of the Salto admin; doors whose IQ has a zone open, and groups that are over go."""
    with world() as h:
        h.person("ana").room("r1").book("1", "ana", "r1")
        h.salto.site.time_zone = zone

        done = h.run()

        assert [row["who"] for row in problems_of(done, "zone_unknown")] == ["salto_admin"]
        assert [door for _, door, *_ in h.who_opens()] == ["r1"]
        assert h.sync.cleanup(NOW).plan.operations.empty
        assert h.sync.cleanup(hour(72)).plan.operations["kind"].tolist() == ["group_delete"]


@pytest.mark.parametrize(
    "pair",
    [
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("UTC", "Etc/UTC"),
        ("america/toronto", "America/Toronto"),
        ("America/New_York", "America/Toronto"),
    ],
)
def test_zones_that_mean_the_same(pair):
    """Two doors of one reservation are one schedule when their clocks show the same while it lasts."""
    with world() as h:
        h.person("ana").room("r1", "r2").book("1", "ana", ["r1", "r2"])
        for door, zone in zip(("r1", "r2"), pair, strict=True):
            zone_of(h, door, zone)

        done = h.run()

        assert not problems_of(done, "zones_differ")
        assert not problems_of(done, "zone_unknown")
        assert len(h.group("1").locks) == 2


# --- live groups that stay for a reason that is not their reservation's --------------------------------------------------


def test_a_renamed_lock():
    """The group keeps its door until the name is corrected; a reservation that moved away gives it up."""
    with world() as h:
        h.person("ana", "ben").room("r1", "r2").book("1", "ana", "r1").book("2", "ben", "r1", 3, 4)
        h.run()
        before = h.who_opens()
        h.salto.locks[h.doors["r1"]].name = "Studio 1"

        done = h.run()
        after = [(who, begin) for who, _, begin, _ in h.who_opens()]

        assert problems_of(done, "lock_unknown")
        assert after == [(who, begin) for who, _, begin, _ in before]
        h.move("2", where="r2")
        h.run()
        assert ("ben", "r2") in [(who, door) for who, door, *_ in h.who_opens()]
        assert ("ben", "Studio 1") not in [(who, door) for who, door, *_ in h.who_opens()]


def test_a_second_lock_of_the_name():
    with world() as h:
        h.person("ana").room("r1").book("1", "ana", "r1")
        h.run()
        before = h.who_opens()
        h.salto.add_lock("R1")

        assert problems_of(h.run(), "lock_ambiguous")
        assert h.who_opens() == before


def test_a_left_group_keeps_its_seats():
    """Whoever is in a group that is left as it is, is not suspended for want of a reservation."""
    rules = AccessRules(provision_users="with_reservations")
    with world() as h:
        h.person("ana").room("r1").book("1", "ana", "r1")
        h.run(rules)
        before = h.who_opens()
        h.salto.add_lock("R1")

        h.run(rules)

        assert h.who_opens() == before


# --- texts that look alike ----------------------------------------------------------------------------------------------


def test_composed_and_decomposed():
    with world() as h:
        h.person("ana").room("Büro Zoé")
        h.salto.locks[h.doors["Büro Zoé"]].name = unicodedata.normalize("NFD", "Büro Zoé")
        h.book("1", "ana", "Büro Zoé")

        assert not problems_of(h.run(), "lock_unknown")
        assert len(h.who_opens()) == 1


@pytest.mark.parametrize("mark", ["\u200b", "\u00ad", "\ufeff", "\u200e"])
def test_invisible_characters_in_an_email(mark):
    """No second user is made, and no such character is sent."""
    with world() as h:
        h.person("ana").room("r1").book("1", "ana", "r1")
        h.salto.add_member("ana@school.example", alias=None)
        h.hector.users[h.people["ana"]]["email"] = f"an{mark}a@school.example"
        h.hector.users[h.people["ana"]]["first_name"] = f"An{mark}a"
        h.hector.add_user(email=f"b{mark}en@school.example", first_name=f"B{mark}en", last_name=f"{mark}")

        h.run()

        assert len([person for person in h.salto.persons.values() if "ana" in (person.email or "")]) == 1
        made = h.salto.persons[h.member("ben").person_id]
        assert (made.email, made.first_name, made.last_name) == ("ben@school.example", "Ben", "-")


def test_an_email_is_sent_as_it_is_written():
    """Letter case and letters stay: folding serves matching only."""
    with world() as h:
        h.hector.add_user(email="Straße@School.example", first_name="S")

        h.run()

        assert "Straße@School.example" in [person.email for person in h.salto.persons.values()]
        h.assert_settled()


def test_names_that_look_the_same():
    """The message says how they differ."""
    with world() as h:
        h.person("ana").room("Studio 204").book("1", "ana", "Studio 204")
        h.salto.locks[h.doors["Studio 204"]].name = "Studio\u00a0204"

        (found,) = problems_of(h.run(), "lock_unknown")

        assert "character 7 is SPACE (U+0020), there NO-BREAK SPACE (U+00A0)" in found["message"]
