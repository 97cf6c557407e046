"""Doors as they are: privacy mode refuses valid users, and manual office mode has no end."""

from __future__ import annotations

import pytest

from hector_salto.access.access_check import chains, first_broken_links
from hector_salto.access.snapshot import take_snapshot
from tests.scenarios.world import hour, world
from tests.synchronization import FINGERPRINT


def house(h):
    h.room("r1", "r2").person("ana").book("1", "ana", "r1")
    return h


@pytest.mark.parametrize(("state", "open_doors"), [("office_mode", 1), ("locked", 0), ("uncertain", 0)])
def test_a_door_held_open_outside_every_window_is_a_problem_that_names_it(state, open_doors):
    with world() as h:
        house(h).salto.locks[h.doors["r1"]].locked_state = state
        found = h.plan().problems
        found = found[found["code"].eq("door_held_open")]

        assert len(found) == open_doors
        assert found["subject"].tolist() == ["lock r1"] * open_doors


def test_a_door_held_open_within_its_window_or_without_a_place_is_nobodys_problem():
    with world() as h:
        house(h).salto.locks[h.doors["r1"]].locked_state = "office_mode"
        h.salto.locks[h.salto.add_lock("Front Door")].locked_state = "office_mode"
        h.clock.now = hour(1.5)

        assert "door_held_open" not in set(h.plan().problems["code"])


def test_easy_office_mode_ends_by_itself():
    with world() as h:
        house(h)
        h.sandbox.salto_faults.on("GET", "/locks", _with_easy_office_mode())

        assert "door_held_open" not in set(h.plan().problems["code"])


def _with_easy_office_mode():
    from sandbox.faults import run_after
    from sandbox.web import json_reply

    def eased(_call, reply):
        page = reply.payload()
        for lock in page["items"]:
            lock |= {"locked_state": "office_mode", "easy_office_mode_schedule": {"monday": True}}
        return json_reply(page)

    return run_after(eased)


def test_a_lock_in_privacy_mode_breaks_the_chain_of_its_reservation():
    with world() as h:
        house(h).run()
        h.salto.locks[h.doors["r1"]].privacy_mode = True
        h.run()
        hector = h.sync.hector
        seen = take_snapshot(
            hector.users(FINGERPRINT),
            hector.places(),
            hector.loaners(hour(-1), hour(24)),
            h.sync.current,
            decisions=h.plan().decisions,
            matches=h.plan().matches,
        )
        broken = first_broken_links(chains(seen, seen.reservations, now=h.clock.now))

        assert broken["words"].tolist() == ["door r1 is in privacy mode, so it refuses valid users"]
        assert "inside" in broken["next_step"].iloc[0]
