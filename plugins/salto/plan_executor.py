"""Carries out a plan: phase by phase, never sending what builds on something that failed or is held.

Within a phase, reservations and people are independent chains that run in parallel; a chain stops at its first failure.
What a plan says is decided elsewhere; here it is only sent, confirmed where the reply was lost, and written down.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from hector_salto.access import schemas
from hector_salto.access.dependencies import DependencyTracker, Operation, rows
from hector_salto.access.operations import HELD, KINDS, PHASES, TAKE_AWAY, describe_operation, reason_held
from hector_salto.access.results import (
    DONE,
    FAILED,
    NO_SEAT,
    NOT_SENT,
    STOPPING,
    UNKNOWN,
    CircuitBreaker,
    FailureCause,
    as_table,
)
from hector_salto.access.results import HELD as HELD_BACK
from hector_salto.http_client.errors import FatalError, NotFoundError, RefusedError, RestError, UnknownOutcomeError
from salto.created_ids import CreatedIds
from salto.operation_sender import BULK_KINDS, NOT_PERMITTED_CODE, NotConfirmedError, OperationSender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pandas as pd

    from salto.operation_sender import SiteClients

LOG = logging.getLogger(__name__)
# Threads. The site's budget of requests is the real limit (8 at a time): with a few more, one is always ready to take
# a turn while others write down what became of theirs.
WRITE_THREADS = 12
# Salto may not know a new user everywhere for up to a minute (salto_connect_api.md, 3.3).
CREATION_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0)
SEEKING = frozenset({"user_create", "user_subscribe"})  # a seat
DELETION_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)


class OperationRecorder(Protocol):
    """Records what an application does."""

    def attribute_calls(self, keys: Iterable[str]) -> AbstractContextManager[None]:
        """The requests that this thread sends inside carry these operations."""

    def record_outcome(self, key: str, state: str, message: str) -> None:
        """What became of an operation. Raises nothing."""


class _NullRecorder:
    def attribute_calls(self, keys: Iterable[str]) -> AbstractContextManager[None]:  # noqa: ARG002 - nothing is written
        return nullcontext()

    def record_outcome(self, key: str, state: str, message: str) -> None:
        pass


NULL_RECORDER = _NullRecorder()


class PlanExecutor:
    """One application of one plan.

    :param site: the clients.
    :param operations: OPERATIONS in order.
    :param members: platform user ids in our groups before the run, by group id.
    :param seats_short: users need more seats than are free now, so they take them one by one, earliest window first.
    :param recorder: records which operations the requests of a thread carry, and what became of each.
    :param sleep: seconds; replaced in tests.
    """

    def __init__(  # noqa: PLR0913 - what an application depends on, each named
        self,
        site: SiteClients,
        operations: pd.DataFrame,
        members: Mapping[str, frozenset[str]],
        *,
        seats_short: bool = False,
        recorder: OperationRecorder = NULL_RECORDER,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site = site
        self._operations = rows(operations)
        self._dependencies = DependencyTracker(members)
        self._seats_short = seats_short
        self._recorder = recorder
        self._sleep = sleep
        self._ranks = {str(op["user_id"]): int(str(op["rank"])) for op in self._operations if op["kind"] in SEEKING}
        self._circuit_breaker = CircuitBreaker()
        self._outcomes: dict[str, tuple[str, str]] = {}
        self.created_ids = CreatedIds()
        self._sender = OperationSender(site, self.created_ids)
        self._fatal_error: FatalError | None = None

    def run(self) -> pd.DataFrame:
        """Apply everything that may be applied; the outcome of every operation (OUTCOMES).

        Raises:
            StopError: when nothing can work any more (credentials refused, account not active); outcomes so far are
                kept in ``outcomes``.
        """
        for operation in self._operations:
            if operation["state"] == HELD:
                self._record_outcome(operation, HELD_BACK, reason_held(operation))
        for phase in PHASES:
            self._run_phase([op for op in self._operations if op["phase"] == phase and op["state"] != HELD])
        self._report_unseated()
        self._await_deletions()
        if self._fatal_error is not None:
            raise self._fatal_error
        return self.outcomes

    @property
    def outcomes(self) -> pd.DataFrame:
        return as_table(self._outcomes)

    # --- phases and chains --------------------------------------------------------------------------------------------

    def _run_phase(self, operations: list[Operation]) -> None:
        for stage in _by_stage(operations):
            LOG.info("phase %s: %d operations", PHASES[int(str(stage[0]["phase"]))], len(stage))
            chains = _by_unit(stage)
            workers = WRITE_THREADS
            if self._seats_short and self._takes_seats(stage):
                workers, chains = 1, sorted(chains, key=self._seat_rank)
            with ThreadPoolExecutor(workers) as pool:
                late = [operation for left in pool.map(self._run_chain, chains) for operation in left]
            self._retry_late(late)

    def _takes_seats(self, stage: Sequence[Operation]) -> bool:
        """Whether these take seats: who has got none yet may get it with the tag."""
        kinds = SEEKING | ({"tag_on"} if self._sender.has_seekers else set())
        return any(operation["kind"] in kinds for operation in stage)

    def _seat_rank(self, chain: list[Operation]) -> tuple[int, str]:
        ranks = [self._ranks[str(op["user_id"])] for op in chain if str(op["user_id"]) in self._ranks]
        return (min(ranks, default=-1), str(chain[0]["unit"]))

    def _run_chain(self, chain: list[Operation]) -> list[Operation]:
        """Send one chain; return what Salto is not ready for yet (it concerns a user made a moment ago)."""
        late: list[Operation] = []
        broken = ""
        for batch in _in_batches(chain):
            ready = [operation for operation in batch if self._may_send(operation, broken)]
            for part in self._split_into_requests(ready):
                states = self._send(part)
                late += [operation for operation in part if states[str(operation["key"])] == ""]
                bad = [op for op in part if states[str(op["key"])] in {FAILED, UNKNOWN}]
                broken = broken or (str(bad[0]["key"]) if bad else "")
        return late

    def _may_send(self, operation: Operation, broken: str) -> bool:
        removal = operation["phase"] == TAKE_AWAY
        why = ""
        if self._fatal_error is not None:
            why = f"the run stopped: {self._fatal_error}"
        elif self._dependencies.blocks(operation):
            why = "what it builds on is not in place"
        elif broken and not removal:
            why = f"an earlier step of the same chain failed: {broken}"
        elif self._circuit_breaker.tripped and not operation["removal"]:
            why = "Salto failed too often, so nothing more is given in this run"
        if why:
            self._record_outcome(operation, NOT_SENT, why)
        return not why

    def _retry_late(self, operations: list[Operation]) -> None:
        """Try again what concerns people made a moment ago, all together and last."""
        for wait in (*CREATION_WAITS, None):
            if operations and wait is not None and self._fatal_error is None:
                self._sleep(wait)
            states: dict[str, str] = {}
            for operation in operations:  # what was learnt meanwhile counts: a stop, a brake, something that failed
                if self._may_send(operation, ""):
                    states |= self._send([operation], patient=wait is not None)
            operations = [operation for operation in operations if states.get(str(operation["key"])) == ""]

    def _split_into_requests(self, batch: list[Operation]) -> list[list[Operation]]:
        """One request for all, where the contract has a bulk form."""
        if batch and batch[0]["kind"] in BULK_KINDS:
            return [batch]
        return [[operation] for operation in batch]

    # --- one request --------------------------------------------------------------------------------------------------

    def _send(self, batch: list[Operation], *, patient: bool | None = None) -> dict[str, str]:
        """Send a batch and settle it; an empty state means: not yet, try again later."""
        wait = self._concerns_new_user(batch) if patient is None else patient
        cause: FailureCause | None = None
        try:
            with self._recorder.attribute_calls(str(operation["key"]) for operation in batch):
                state, message = self._sender.send(batch)
        except FatalError as error:
            self._fatal_error = self._fatal_error or error
            state, message, cause = FAILED, str(error), error.cause
        except (NotFoundError, RefusedError) as error:
            if len(batch) > 1:  # one bad id must not keep the others out
                return {key: value for op in batch for key, value in self._send([op]).items()}
            if wait and patient is not False and (isinstance(error, NotFoundError) or error.code == NOT_PERMITTED_CODE):
                return {str(batch[0]["key"]): ""}
            state, message, cause = FAILED, str(error), error.cause
        except UnknownOutcomeError as error:
            state, message, cause = UNKNOWN, str(error), error.cause
        except RestError as error:
            state, message, cause = FAILED, str(error), error.cause
        except (NotConfirmedError, schemas.SchemaError) as error:
            state, message, cause = FAILED, str(error), FailureCause.MISMATCH
        except Exception as error:  # whatever it is, all other reservations and users go on
            LOG.exception("%s: unexpected %s", describe_operation(batch[0]), type(error).__name__)
            message = f"unexpected {type(error).__name__}; report it with this task's log"
            state, cause = UNKNOWN, FailureCause.MISMATCH
        for operation in batch:
            self._record_outcome(operation, state, message, cause)
        return {str(operation["key"]): state for operation in batch}

    def _record_seat(self, tag_on: Operation) -> None:
        """Correct what became of the user's seat, if the tag has shown it."""
        seat = self._sender.seat_of(str(tag_on["user_id"]))
        if seat is None:
            return
        for operation in self._operations:
            if operation["kind"] in SEEKING and operation["user_id"] == tag_on["user_id"]:
                self._record_outcome(operation, *seat)

    def _report_unseated(self) -> None:
        """Say of users without a tag whom Salto made without a seat that none was free, where the site is full.

        Elsewhere they take none before they have a tag (salto_connect_api.md, 5.2).
        """
        unseated = [op for op in self._operations if self._outcome_of(op) == DONE and self._sender.lacks_seat(op)]
        if not unseated or not self._seats_short or self._fatal_error is not None:
            return
        try:
            site = self._site.reader.resolve_site(self._site.reader.site_id)
        except RestError as error:
            LOG.warning("%d users have no seat, and reading the site's seats failed: %s", len(unseated), error)
            return
        if site.seats is not None and (site.seats_used is None or site.seats_used >= site.seats):
            for operation in unseated:
                self._record_outcome(operation, NO_SEAT, "Salto made the user, but suspended: no seat was free")

    def _concerns_new_user(self, batch: list[Operation]) -> bool:
        return (
            any(operation["user_id"] in self.created_ids.users for operation in batch)
            and batch[0]["kind"] != "user_create"
        )

    def _record_outcome(
        self, operation: Operation, state: str, message: str, cause: FailureCause | None = None
    ) -> None:
        self._outcomes[str(operation["key"])] = (state, message)
        if state == DONE and operation["kind"] == "tag_on":
            self._record_seat(operation)
        self._recorder.record_outcome(str(operation["key"]), state, message)
        if state in {FAILED, UNKNOWN, NOT_SENT, HELD_BACK}:
            self._dependencies.note(operation)
        if state in {DONE, NO_SEAT, FAILED, UNKNOWN}:
            self._circuit_breaker.note(failed=cause in STOPPING)
        level = logging.INFO if state == DONE else logging.WARNING
        LOG.log(level, "%s: %s%s", describe_operation(operation), state, f" ({message})" if message else "")

    def _await_deletions(self) -> None:
        """Salto deletes users in its own time; the run ends when they are gone, so that it can say so."""
        gone = [op for op in self._operations if op["kind"] == "user_delete" and self._outcome_of(op) == DONE]
        for wait in DELETION_WAITS:
            gone = [op for op in gone if self._is_there(op)]
            if not gone or self._fatal_error is not None:
                return
            self._sleep(wait)
        for operation in gone:
            LOG.warning("%s: accepted, but Salto still shows the user", describe_operation(operation))

    def _outcome_of(self, operation: Operation) -> str:
        return self._outcomes.get(str(operation["key"]), ("", ""))[0]

    def _is_there(self, operation: Operation) -> bool:
        try:
            self._site.reader.user(str(operation["site_user_id"]), self._site.fingerprint)
        except NotFoundError:
            return False
        except RestError as error:
            LOG.warning("%s: accepted, but reading the user back failed: %s", describe_operation(operation), error)
            return False
        return True


def _by_stage(operations: list[Operation]) -> list[list[Operation]]:
    """The operations of a phase by stage, in order."""
    stages: dict[int, list[Operation]] = {}
    for operation in operations:
        stages.setdefault(KINDS[str(operation["kind"])].stage, []).append(operation)
    return [stages[number] for number in sorted(stages)]


def _by_unit(operations: list[Operation]) -> list[list[Operation]]:
    """Operations by failure unit (one reservation, one person), each in the order of the plan."""
    chains: dict[str, list[Operation]] = {}
    for operation in operations:
        chains.setdefault(str(operation["unit"]), []).append(operation)
    return list(chains.values())


def _in_batches(chain: list[Operation]) -> Iterable[list[Operation]]:
    """Neighbours of one kind and one group: the contract's bulk requests."""
    for _, same in groupby(chain, key=lambda op: (op["kind"], op["group_id"], op["group_name"])):
        yield list(same)
