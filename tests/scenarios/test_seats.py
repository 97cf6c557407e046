"""Whose seat is given back with provision_users: with_reservations, and who asks for it."""

from __future__ import annotations

from dataclasses import replace

from hector_salto.access.settings import AccessRules, Limits
from sandbox.faults import run_after, status
from tests.scenarios.world import world, world_copy

SPARING = AccessRules(provision_users="with_reservations", limits=Limits(hold_above=100))


def school(h):
    """Ana, ben and cleo have reservations; the sync created them."""
    h.room("r1", "r2").person("ana", "ben", "cleo")
    h.book("1", "ana", "r1", 1, 2).book("2", "ben", "r1", 3, 4).book("3", "cleo", "r1", 5, 6)
    h.run(SPARING)


def states(h, *names):
    return [h.member(name).subscription_state for name in names]


def asked_about_groups(h):
    """How often a user's access groups are read from now on."""
    seen = []
    h.sandbox.salto_faults.on("GET", r"/users/[^/]+/access_groups", run_after(lambda _, reply: seen.append(1) or reply))
    return seen


def over(h, *references):
    for reference in references:
        h.hector.set_status(h.bookings[reference], "returned", at=h.clock.now)


def test_a_user_made_manually_keeps_every_door():
    """Dan was made in Salto, without an alias; the sync adopts him and shuts none of his doors."""
    with world_copy(school) as h:
        h.person("dan")
        dan = h.salto.add_member("dan@school.example")
        h.salto.give_tag(dan, "dan")
        group = h.salto.add_group("Staff", users=[h.salto.person_of(dan).id], locks=[h.doors["r2"]])
        h.salto.add_schedule(group, "00:00", "23:59")
        before = [one for one in h.who_opens() if one[0] == "dan"]
        h.run(SPARING)
        found = h.run(SPARING)

        assert found.all_done
        assert states(h, "dan") == ["subscribed"]
        assert before
        assert [one for one in h.who_opens() if one[0] == "dan"] == before


def test_only_users_of_no_other_group_give_their_seat_back():
    """Ana's and ben's days are over; ben is also in a group of the school."""
    with world_copy(school) as h:
        h.salto.add_group("Staff", users=[h.member("ben").person_id], locks=[h.doors["r2"]])
        over(h, "1", "2")
        seen = asked_about_groups(h)
        h.run(SPARING)

        assert states(h, "ana", "ben", "cleo") == ["suspended", "subscribed", "subscribed"]
        assert len(seen) == 2, "only users who may be suspended are asked about"


def test_a_day_without_suspensions_asks_nothing():
    """The everyday run costs no request more."""
    with world_copy(school) as h:
        seen = asked_about_groups(h)
        h.run(SPARING)

        assert seen == []


def test_other_groups_are_remembered_between_full_reads():
    """Ben, who is in a group of the school, is asked about once."""
    with world_copy(school) as h:
        h.salto.add_group("Staff", users=[h.member("ben").person_id], locks=[h.doors["r2"]])
        over(h, "2")
        h.sync.remembers = True
        seen = asked_about_groups(h)
        for _ in range(3):
            h.run(SPARING)

        assert states(h, "ben") == ["subscribed"]
        assert len(seen) == 1


def test_a_lost_ledger_suspends_nobody():
    """Then every user counts as adopted."""
    with world_copy(school) as h:
        h.sync.created = frozenset()
        over(h, "1", "2", "3")
        found = h.run(SPARING)

        assert "user_suspend" not in set(found.plan.operations["kind"])
        assert states(h, "ana", "ben", "cleo") == ["subscribed"] * 3


def test_a_walk_up_takes_the_seat_of_a_user_who_no_longer_needs_it():
    """A reload frees one seat, of ana, whose day is over; the door opens."""
    with world_copy(school) as h:
        over(h, "1")
        h.person("dan").book("4", "dan", "r2", 0.2, 1)
        h.salto.site.subscribed_user_amount = h.salto.seats_used()
        found = h.run(SPARING, references=["4"])

        assert found.all_done, found.outcomes
        assert states(h, "ana", "ben", "cleo", "dan") == ["suspended", "subscribed", "subscribed", "subscribed"]
        assert "dan" in {name for name, *_ in h.who_opens()}


def test_a_suspension_that_fails_costs_the_latest_reservation_its_seat():
    """Seats are taken one by one, earliest first."""
    with world_copy(school) as h:
        over(h, "1")
        h.person("dan", "eve").book("4", "dan", "r2", 100, 101).book("5", "eve", "r2", 0.3, 1)
        h.salto.site.subscribed_user_amount = h.salto.seats_used() + 1
        h.sandbox.salto_faults.on("PATCH", "/subscription", status(409, "2201"), times=1)
        h.run(SPARING)

        assert states(h, "eve", "dan") == ["subscribed", "suspended"]


def test_evening_and_early_returns_are_not_held():
    """15 of 20 users hand their rooms back early: all groups go, all seats are free, nothing is held."""
    names = [f"u{number}" for number in range(20)]
    with world() as h:
        h.room("r1").person(*names)
        for number, name in enumerate(names):
            h.book(str(number), name, "r1", 1, 2)
        strict = replace(SPARING, limits=Limits())
        h.run(strict)
        over(h, *map(str, range(15)))
        found = h.run(strict)

        assert found.plan.digest is None
        assert found.all_done
        assert states(h, *names[:15]) == ["suspended"] * 15
