"""Carries out a plan: phase by phase, never sending what builds on something that failed or is held.

Within a phase, reservations and people are independent chains that run in parallel; a chain stops at its first failure.
What a plan says is decided elsewhere; here it is only sent, confirmed where the reply was lost, and written down.
"""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.access import schemas
from include.access.operations import GROUP, HELD, KINDS, PHASES, TAKE_AWAY
from include.access.order import Operation, Standing, rows
from include.access.outcomes import DONE, FAILED, NO_SEAT, NOT_SENT, UNKNOWN, FailureBrake, as_table
from include.access.outcomes import HELD as HELD_BACK
from include.access.schemas import WEEKDAYS
from include.access.windows import SCHEDULE_COLUMNS, same_schedule
from include.report.words import told
from rest.errors import NotFoundError, RefusedError, RestError, StopError, UnknownOutcomeError
from salto.models import CreatedUser, NewUser, Schedule, UserChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from salto.reader import SaltoReader
    from salto.writer import SaltoWriter

LOG = logging.getLogger(__name__)
WRITERS = 8  # threads; the site's budget of requests is the real limit
SUBSCRIBED = "subscribed"
# Salto may not know a new user everywhere for up to a minute (salto_connect_api.md, 3.3).
CREATION_LAG = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0)
DELETION_LAG = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
NOT_PERMITTED_YET = "2203"
SITE_USER_ROLE = "site_user"
BATCHED = frozenset({"member_remove", "lock_remove", "lock_add", "member_add"})


class NotConfirmedError(Exception):
    """What was written does not read back as it was meant."""


@dataclass(frozen=True)
class Site:
    """The clients of one site. ``fingerprint`` is needed to read users back, never to write."""

    reader: SaltoReader
    writer: SaltoWriter
    fingerprint: Callable[[str | None], str | None]


class Application:
    """One application of one plan.

    :param site: the clients.
    :param operations: OPERATIONS in order.
    :param members: platform user ids in our groups before the run, by group id.
    :param seats_short: not everybody will get a seat, so those who take one are sent one by one, earliest first.
    :param sleep: seconds; replaced in tests.
    """

    def __init__(
        self,
        site: Site,
        operations: pd.DataFrame,
        members: Mapping[str, frozenset[str]],
        *,
        seats_short: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site = site
        self._operations = rows(operations)
        self._standing = Standing(members)
        self._seats_short = seats_short
        self._sleep = sleep
        self._brake = FailureBrake()
        self._states: dict[str, tuple[str, str]] = {}
        self._made: dict[str, CreatedUser] = {}  # by Hector user id
        self._groups: dict[str, str] = {}  # group ids made in this run, by name
        self._role_id: str | None = None
        self._stop: StopError | None = None

    def run(self) -> pd.DataFrame:
        """Apply everything that may be applied; the outcome of every operation (OUTCOMES).

        Raises:
            StopError: when nothing can work any more (credentials refused, account not active); outcomes so far are
                kept in ``outcomes``.
        """
        for operation in self._operations:
            if operation["state"] == HELD:
                self._settle(operation, HELD_BACK, str(operation["reason"]))
        for phase in PHASES:
            self._phase([op for op in self._operations if op["phase"] == phase and op["state"] != HELD])
        self._await_deletions()
        if self._stop is not None:
            raise self._stop
        return self.outcomes

    @property
    def outcomes(self) -> pd.DataFrame:
        return as_table(self._states)

    # --- phases and chains --------------------------------------------------------------------------------------------

    def _phase(self, operations: list[Operation]) -> None:
        for stage in _stages(operations):
            LOG.info("phase %s: %d operations", PHASES[int(str(stage[0]["phase"]))], len(stage))
            chains = _chains(stage)
            workers = WRITERS
            if self._seats_short and _takes_seats(stage):
                workers, chains = 1, sorted(chains, key=_rank)
            with ThreadPoolExecutor(workers) as pool:
                late = [operation for left in pool.map(self._chain, chains) for operation in left]
            self._late(late)

    def _chain(self, chain: list[Operation]) -> list[Operation]:
        """Send one chain; return what Salto is not ready for yet (it concerns somebody made a moment ago)."""
        late: list[Operation] = []
        broken = ""
        for batch in _batches(chain):
            ready = [operation for operation in batch if self._may_send(operation, broken)]
            for part in self._sendable(ready):
                states = self._send(part)
                late += [operation for operation in part if states[str(operation["key"])] == ""]
                bad = [op for op in part if states[str(op["key"])] in {FAILED, UNKNOWN}]
                broken = broken or (str(bad[0]["key"]) if bad else "")
        return late

    def _may_send(self, operation: Operation, broken: str) -> bool:
        removal = operation["phase"] == TAKE_AWAY
        why = ""
        if self._stop is not None:
            why = f"the run stopped: {self._stop}"
        elif self._standing.blocks(operation):
            why = "what it builds on is not in place"
        elif broken and not removal:
            why = f"an earlier step of the same chain failed: {broken}"
        elif self._brake.tripped and not operation["removal"]:
            why = "too many operations failed, so nothing more is given in this run"
        if why:
            self._settle(operation, NOT_SENT, why)
        return not why

    def _late(self, operations: list[Operation]) -> None:
        """Try again what concerns people made a moment ago, all together and last."""
        for wait in (*CREATION_LAG, None):
            if operations and wait is not None and self._stop is None:
                self._sleep(wait)
            states: dict[str, str] = {}
            for operation in operations:  # what was learnt meanwhile counts: a stop, a brake, something that failed
                if self._may_send(operation, ""):
                    states |= self._send([operation], patient=wait is not None)
            operations = [operation for operation in operations if states.get(str(operation["key"])) == ""]

    def _sendable(self, batch: list[Operation]) -> list[list[Operation]]:
        """One request for all, where the contract has a bulk form."""
        if batch and batch[0]["kind"] in BATCHED:
            return [batch]
        return [[operation] for operation in batch]

    # --- one request --------------------------------------------------------------------------------------------------

    def _send(self, batch: list[Operation], *, patient: bool | None = None) -> dict[str, str]:
        """Send a batch and settle it; an empty state means: not yet, try again later."""
        wait = self._concerns_somebody_new(batch) if patient is None else patient
        try:
            state, message = self._carry_out(batch)
        except StopError as error:
            self._stop = self._stop or error
            state, message = FAILED, str(error)
        except (NotFoundError, RefusedError) as error:
            if len(batch) > 1:  # one bad id must not keep the others out
                return {key: value for op in batch for key, value in self._send([op]).items()}
            if wait and patient is not False and (isinstance(error, NotFoundError) or error.code == NOT_PERMITTED_YET):
                return {str(batch[0]["key"]): ""}
            state, message = FAILED, str(error)
        except UnknownOutcomeError as error:
            state, message = UNKNOWN, str(error)
        except (RestError, NotConfirmedError, schemas.SchemaError) as error:
            state, message = FAILED, str(error)
        for operation in batch:
            self._settle(operation, state, message)
        return {str(operation["key"]): state for operation in batch}

    def _concerns_somebody_new(self, batch: list[Operation]) -> bool:
        return any(operation["user_id"] in self._made for operation in batch) and batch[0]["kind"] != "user_create"

    def _settle(self, operation: Operation, state: str, message: str) -> None:
        self._states[str(operation["key"])] = (state, message)
        if state in {FAILED, UNKNOWN, NOT_SENT, HELD_BACK}:
            self._standing.note(operation)
        if state in {DONE, NO_SEAT, FAILED, UNKNOWN}:
            self._brake.note(failed=state in {FAILED, UNKNOWN})
        level = logging.INFO if state == DONE else logging.WARNING
        LOG.log(level, "%s: %s%s", told(operation), state, f" ({message})" if message else "")

    def _carry_out(self, batch: list[Operation]) -> tuple[str, str]:
        first = batch[0]
        send = getattr(self, f"_{first['kind']}")
        try:
            result = send(batch) if first["kind"] in BATCHED else send(first)
        except UnknownOutcomeError as error:
            if not self._is_in_place(batch, error):
                raise
            result = None
        return result or (DONE, "")

    def _is_in_place(self, batch: list[Operation], error: UnknownOutcomeError) -> bool:
        """Whether a write whose reply was lost happened; when that cannot be read, its outcome stays unknown."""
        try:
            return self._happened(batch)
        except StopError:
            raise
        except (RestError, schemas.SchemaError) as unread:
            LOG.warning("%s: reading back what happened failed too: %s", told(batch[0]), unread)
            raise error from unread

    # --- groups -------------------------------------------------------------------------------------------------------

    def _group_delete(self, operation: Operation) -> None:
        self._site.writer.delete_group(str(operation["group_id"]))

    def _schedule_delete(self, operation: Operation) -> None:
        self._site.writer.delete_schedule(str(operation["group_id"]), str(operation["schedule_id"]))

    def _schedule_change(self, operation: Operation) -> None:
        group_id, schedule_id = str(operation["group_id"]), str(operation["schedule_id"])
        self._site.writer.change_schedule(group_id, schedule_id, _schedule(operation))

    def _schedule_create(self, operation: Operation) -> None:
        self._give_schedule(self._group_id(operation), operation)

    def _group_create(self, operation: Operation) -> None:
        name = str(operation["group_name"])
        try:
            group_id = self._site.writer.create_group(name)
        except UnknownOutcomeError as error:
            group_id = self._group_made_after_all(name, error)
        self._groups[name] = group_id
        self._give_schedule(group_id, operation)

    def _group_made_after_all(self, name: str, error: UnknownOutcomeError) -> str:
        """The group that a lost reply made: bare, of that name, and the only one. Else the outcome stays unknown."""
        found = self._site.reader.groups_named(name)
        bare = found[found["user_count"].eq(0) & found["lock_count"].eq(0)]
        unscheduled = [group_id for group_id in bare["group_id"] if self._site.reader.schedules(group_id).empty]
        if len(unscheduled) != 1:
            raise error
        return str(unscheduled[0])

    def _give_schedule(self, group_id: str, operation: Operation) -> None:
        """The group's one schedule, read back before anything is armed."""
        try:
            self._site.writer.create_schedule(group_id, _schedule(operation))
        except UnknownOutcomeError:
            LOG.warning("%s: the reply to its schedule was lost; reading it back decides", told(operation))
        if not self._has_schedule(group_id, operation):
            msg = f"the schedule of {operation['group_name']} does not read back as sent, so the group is not armed"
            raise NotConfirmedError(msg)

    def _has_schedule(self, group_id: str, operation: Operation) -> bool:
        found = self._site.reader.schedules(group_id)
        meant = pd.DataFrame([json.loads(str(operation["after"]))])[list(SCHEDULE_COLUMNS)]
        return len(found) == 1 and bool(same_schedule(meant, found[list(SCHEDULE_COLUMNS)]).all())

    def _member_remove(self, batch: list[Operation]) -> None:
        people = [str(operation["platform_user_id"]) for operation in batch]
        self._site.writer.change_group_users(str(batch[0]["group_id"]), remove=people)

    def _member_add(self, batch: list[Operation]) -> None:
        people = [self._platform_id(operation) for operation in batch]
        self._site.writer.change_group_users(self._group_id(batch[0]), add=people)

    def _lock_remove(self, batch: list[Operation]) -> None:
        locks = [str(operation["lock_id"]) for operation in batch]
        self._site.writer.change_group_locks(str(batch[0]["group_id"]), remove=locks)

    def _lock_add(self, batch: list[Operation]) -> None:
        locks = [str(operation["lock_id"]) for operation in batch]
        self._site.writer.change_group_locks(self._group_id(batch[0]), add=locks)

    def _group_id(self, operation: Operation) -> str:
        known = operation["group_id"]
        return str(known) if known is not None else self._groups[str(operation["group_name"])]

    # --- people -------------------------------------------------------------------------------------------------------

    def _tag_off(self, operation: Operation) -> None:
        self._change(operation, UserChange(tag_id=None))

    def _tag_on(self, operation: Operation) -> None:
        self._change(operation, UserChange(tag_id=str(operation["tag_id"])))

    def _office_off(self, operation: Operation) -> None:
        self._change(operation, UserChange(office_mode=False))

    def _office_on(self, operation: Operation) -> None:
        self._change(operation, UserChange(office_mode=True))

    def _user_adopt(self, operation: Operation) -> None:
        self._change(operation, UserChange(alias=str(_after(operation)["alias"])))

    def _user_email(self, operation: Operation) -> None:
        self._change(operation, UserChange(email=str(_after(operation)["email"])))

    def _change(self, operation: Operation, change: UserChange) -> None:
        self._site.writer.change_user(self._site_user_id(operation), change)

    def _user_suspend(self, operation: Operation) -> None:
        self._site.writer.set_subscription(str(operation["site_user_id"]), "suspended")

    def _user_subscribe(self, operation: Operation) -> tuple[str, str] | None:
        try:
            self._site.writer.set_subscription(str(operation["site_user_id"]), "subscribed")
        except RefusedError as error:
            if error.code != NOT_PERMITTED_YET:
                raise
            return NO_SEAT, "Salto has no free seat for this user"
        return None

    def _user_delete(self, operation: Operation) -> None:
        self._site.writer.delete_user(str(operation["site_user_id"]))

    def _user_create(self, operation: Operation) -> tuple[str, str] | None:
        """A person the platform knows already is put on the site; anybody else is made, and Salto invites them."""
        person = _after(operation)
        try:
            made = self._made_user(person)
        except UnknownOutcomeError:
            LOG.warning("%s: the reply was lost; looking whether the user is there", told(operation))
            if not self._happened([operation]):
                raise
            return None if self._made[str(operation["user_id"])].subscription_state == SUBSCRIBED else _no_seat()
        self._made[str(operation["user_id"])] = made
        return None if made.subscription_state == SUBSCRIBED else _no_seat()

    def _made_user(self, person: dict[str, Any]) -> CreatedUser:
        platform_id = self._site.reader.search_platform_user(person["email"])
        if platform_id is not None:
            return self._site.writer.link_existing_user(
                platform_id, self._lowest_role(), person["alias"], office_mode=person["office_mode"]
            )
        return self._site.writer.create_user(
            NewUser(
                first_name=person["first_name"],
                last_name=person["last_name"],
                email=person["email"],
                alias=person["alias"],
                role_id=self._lowest_role(),
                office_mode=person["office_mode"],
            )
        )

    def _lowest_role(self) -> str:
        if self._role_id is None:
            found = self._site.reader.roles().get(SITE_USER_ROLE)
            if found is None:
                raise NotConfirmedError("the account may not give the role site_user: make it Site Admin in Salto")
            self._role_id = found
        return self._role_id

    def _site_user_id(self, operation: Operation) -> str:
        known = operation["site_user_id"]
        return str(known) if known is not None else self._made[str(operation["user_id"])].site_user_id

    def _platform_id(self, operation: Operation) -> str:
        known = operation["platform_user_id"]
        return str(known) if known is not None else self._made[str(operation["user_id"])].platform_user_id

    # --- after a lost reply, and after deletions ----------------------------------------------------------------------

    def _happened(self, batch: list[Operation]) -> bool:
        """Read whether what was sent is in place, although its reply was lost."""
        first = batch[0]
        kind = str(first["kind"])
        if kind in {"member_add", "member_remove"}:
            there = set(self._site.reader.group_users(self._group_id(first))["platform_user_id"])
            meant = {self._platform_id(operation) for operation in batch}
            return meant <= there if kind == "member_add" else not meant & there
        if kind in {"lock_add", "lock_remove"}:
            there = set(self._site.reader.group_locks(self._group_id(first))["lock_id"])
            meant = {str(operation["lock_id"]) for operation in batch}
            return meant <= there if kind == "lock_add" else not meant & there
        if kind == "schedule_change":
            return self._has_schedule(str(first["group_id"]), first)
        if kind == "user_create":
            return self._user_made_after_all(first)
        if KINDS[kind].subject == GROUP:
            return False
        return self._user_is_as_meant(first)

    def _user_made_after_all(self, operation: Operation) -> bool:
        person = _after(operation)
        found = self._site.reader.users_with_email(person["email"], self._site.fingerprint)
        found = found[found["alias"].eq(person["alias"])]
        if len(found) != 1:
            return False
        row = found.iloc[0]
        state = str(row["subscription_state"])
        self._made[str(operation["user_id"])] = CreatedUser(row["site_user_id"], row["platform_user_id"], state)
        return True

    def _user_is_as_meant(self, operation: Operation) -> bool:
        row = self._site.reader.user(self._site_user_id(operation), self._site.fingerprint).iloc[0]
        kind, after = str(operation["kind"]), _after(operation)
        checks: dict[str, Callable[[], bool]] = {
            "office_on": lambda: bool(row["office_mode"]),
            "office_off": lambda: not row["office_mode"],
            "user_subscribe": lambda: row["subscription_state"] == SUBSCRIBED,
            "user_suspend": lambda: row["subscription_state"] != SUBSCRIBED,
            "user_adopt": lambda: row["alias"] == after["alias"],
            "user_email": lambda: str(row["email"]).casefold() == after["email"],
            "tag_off": lambda: bool(pd.isna(row["tag"])),
            "tag_on": lambda: self._holds_tag(operation),
        }
        return checks[kind]()

    def _holds_tag(self, operation: Operation) -> bool:
        tags = self._site.reader.tags(self._site.fingerprint)
        held = tags[tags["tag_id"].eq(str(operation["tag_id"]))]
        return bool(held["site_user_id"].eq(self._site_user_id(operation)).any())

    def _await_deletions(self) -> None:
        """Salto deletes users in its own time; the run ends when they are gone, so that it can say so."""
        gone = [op for op in self._operations if op["kind"] == "user_delete" and self._state(op) == DONE]
        for wait in DELETION_LAG:
            gone = [op for op in gone if self._is_there(op)]
            if not gone or self._stop is not None:
                return
            self._sleep(wait)
        for operation in gone:
            LOG.warning("%s: accepted, but Salto still shows the user", told(operation))

    def _state(self, operation: Operation) -> str:
        return self._states.get(str(operation["key"]), ("", ""))[0]

    def _is_there(self, operation: Operation) -> bool:
        try:
            self._site.reader.user(str(operation["site_user_id"]), self._site.fingerprint)
        except NotFoundError:
            return False
        except RestError as error:
            LOG.warning("%s: accepted, but reading the user back failed: %s", told(operation), error)
            return False
        return True


def _no_seat() -> tuple[str, str]:
    return NO_SEAT, "Salto made the user, but suspended: no seat was free"


def _stages(operations: list[Operation]) -> list[list[Operation]]:
    """The operations of a phase by stage, in order."""
    stages: dict[int, list[Operation]] = {}
    for operation in operations:
        stages.setdefault(KINDS[str(operation["kind"])].stage, []).append(operation)
    return [stages[number] for number in sorted(stages)]


def _chains(operations: list[Operation]) -> list[list[Operation]]:
    """Operations by failure unit (one reservation, one person), each in the order of the plan."""
    chains: dict[str, list[Operation]] = {}
    for operation in operations:
        chains.setdefault(str(operation["unit"]), []).append(operation)
    return list(chains.values())


def _batches(chain: list[Operation]) -> Iterable[list[Operation]]:
    """Neighbours of one kind and one group: the contract's bulk requests."""
    for _, same in groupby(chain, key=lambda op: (op["kind"], op["group_id"], op["group_name"])):
        yield list(same)


def _takes_seats(stage: Sequence[Operation]) -> bool:
    return any(operation["kind"] in {"user_create", "user_subscribe"} for operation in stage)


def _rank(chain: list[Operation]) -> tuple[int, str]:
    ranks = [int(str(op["rank"])) for op in chain if op["kind"] in {"user_create", "user_subscribe"}]
    return (min(ranks, default=-1), str(chain[0]["unit"]))


def _after(operation: Operation) -> dict[str, Any]:
    after = operation["after"]
    return dict(json.loads(str(after))) if after is not None else {}


def _schedule(operation: Operation) -> Schedule:
    meant = _after(operation)
    return Schedule(
        days=tuple(bool(meant[day]) for day in WEEKDAYS),
        start_time=meant["start_time"],
        end_time=meant["end_time"],
        start_date=meant["start_date"],
        end_date=meant["end_date"],
    )
