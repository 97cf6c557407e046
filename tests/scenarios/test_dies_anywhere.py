"""Whatever goes wrong at whichever request: the next clean run ends right, nothing exists twice, nothing foreign changed.

Every request of a run has its turn: reads and writes, of Hector, of Salto and of the identity server. A sample here;
``make prove`` takes every request with every fault.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field
from functools import partialmethod

import pytest
import requests

from hector_salto.access.schemas import SchemaError
from hector_salto.http_client.errors import RestError
from sandbox.faults import Fault, drop, hang, html, server_error, too_many, unauthorized, unavailable
from tests.effort import EFFORT
from tests.scenarios.test_apply import TEACHERS, everything
from tests.scenarios.world import WriteWatch, foreign_state, world_copy
from tests.synchronization import Synchronization

LOG = logging.getLogger(__name__)
NUMBER = "X-Number"  # of the request, so that a fault hits exactly that one, however many are under way
PATIENCE = 0.25  # seconds the client waits for an answer, instead of 20
TOO_LONG = 0.5

KILLED = {"killed before": False, "killed after": True}
FAULTS = {
    "500": server_error(),
    "503": unavailable(),
    "429": too_many(retry_after=None),
    "429 with Retry-After": too_many(retry_after=5),
    "time-out before": hang(TOO_LONG),
    "time-out after": hang(TOO_LONG, after=True),
    "carried out late": Fault("late", hang_before=TOO_LONG),
    "connection dropped before": drop(),
    "connection dropped after": drop(after=True),
    "401": unauthorized(),
    "a page of HTML": html(),
}
LATE = frozenset({"time-out before", "time-out after", "carried out late"})
FROM_THEN_ON = {"500 from then on": server_error(), "401 from then on": unauthorized()}
KINDS = (*KILLED, *FAULTS, *FROM_THEN_ON)
REQUESTS = 80  # a run of this house sends 70; a number that does not come hits nothing
SHARES = 8  # of a sweep, so that all cores have work


class KilledError(BaseException):
    """The process is gone: nothing catches it, and nothing is sent any more."""


@dataclass
class Wire:
    """Numbers the requests of one process, and ends it at one of them."""

    kill_at: int = -1
    after: bool = False
    sent: int = 0
    dead: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, session, request, **options):
        with self.lock:
            if self.dead:
                raise KilledError
            number, self.sent = self.sent, self.sent + 1
            self.dead = number == self.kill_at
        if number == self.kill_at and not self.after:
            raise KilledError
        request.headers[NUMBER] = str(number)
        answer = SEND(session, request, **options)
        if self.dead:  # the answer comes to nobody
            raise KilledError
        return answer


SEND = requests.Session.send


def _over(session, wire, request, **options):
    return wire.send(session, request, **options)


@contextlib.contextmanager
def wired(wire, patience=20.0):
    """All requests of this process go over the wire."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", partialmethod(_over, wire))
        patch.setattr("hector_salto.http_client.transport.TIMEOUT", (5.0, patience))
        patch.setattr("salto.oauth.TIMEOUT", (5.0, patience))
        yield wire


def with_strangers(h):
    """A house in which a run makes every kind of write, and in which others live too."""
    everything(h)
    salto = h.salto
    members = [
        salto.add_member("cleaner@elsewhere.example", alias="cleaning", tag="x1"),
        salto.add_member("chief@elsewhere.example", roles=["site_admin"], tag="x2"),
        salto.add_member("guard@elsewhere.example"),
    ]
    people = [salto.person_of(member).id for member in members]
    for name in ("Cleaning", "Hector_Staff", "Hector_77"):
        group = salto.add_group(name, users=people, locks=list(salto.locks)[:2])
        salto.add_schedule(group, "06:00", "08:00")
    salto.enrol_tag("x3")


def ours(h):
    """Ids of everybody whom Hector knows: what becomes of them is not foreign."""
    members = [
        row
        for row in h.salto.members.values()
        if (h.salto.persons[row.person_id].email or "").endswith("@school.example")
    ]
    return {id_ for member in members for id_ in (member.id, member.person_id)}


def hit(h, kind, number):
    """Arrange that request ``number`` (from 0) goes wrong in this way."""
    fault = FAULTS.get(kind) or FROM_THEN_ON.get(kind)
    if fault is None:
        return
    onwards = kind in FROM_THEN_ON
    for plan in (h.sandbox.hector_faults, h.sandbox.salto_faults):
        plan.when(
            lambda call: (told := int(call.headers.get(NUMBER.lower(), -1))) == number or (onwards and told > number),
            fault,
        )


def broken_then_clean(kind, number):
    """One run in which request ``number`` goes wrong, then a clean one; what must hold afterwards."""
    with world_copy(with_strangers) as h:
        known = ours(h)
        before = foreign_state(h.salto, known)
        hit(h, kind, number)
        with WriteWatch(h) as watch:
            wire = Wire(number if kind in KILLED else -1, KILLED.get(kind, False))
            may_fail = contextlib.suppress(KilledError, RestError, SchemaError)
            with wired(wire, PATIENCE if kind in LATE else 20.0), may_fail:
                h.run(TEACHERS)
            time.sleep(TOO_LONG if kind in LATE else 0)  # what still hangs is carried out, or dropped, by then
            h.sandbox.hector_faults.clear()
            h.sandbox.salto_faults.clear()
            h.sync = Synchronization(h.sandbox, sleep=h.clock.sleep)  # another process, which remembers nothing
            last = h.run(TEACHERS)

        assert last.all_done, last.outcomes
        assert watch.unsafe() == []
        assert foreign_state(h.salto, known | ours(h)) == before
        h.assert_settled(TEACHERS)
        return wire.sent > number


def numbers(kind, share):
    """The requests that have their turn: all in a sweep, else a few that differ from kind to kind."""
    if EFFORT > 1:
        return range(share, REQUESTS, SHARES)
    first = 29 + 5 * KINDS.index(kind) % 40  # most of what follows request 28 are writes
    return (2, first, 70 - first) if kind in KILLED else (first,)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("share", range(SHARES if EFFORT > 1 else 1))
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_goes_wrong_at_whichever_request_the_next_run_ends_right(kind, share):
    reached = [broken_then_clean(kind, number) for number in numbers(kind, share)]

    assert any(reached)
    LOG.info("%s: %d requests went wrong", kind, sum(reached))


def test_the_sweep_takes_every_request_of_a_run():
    with world_copy(with_strangers) as h, wired(Wire()) as wire:
        h.run(TEACHERS)

        LOG.info("a run of this house sends %d requests, %d of them writes", wire.sent, len(h.sandbox.writes))
        assert 60 < wire.sent <= REQUESTS
        methods = {request.method for request in h.sandbox.writes}
        assert methods == {"POST", "PATCH", "DELETE"}
