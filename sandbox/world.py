"""What both servers share, and what a test may look at or change while they run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sandbox.behaviour import Behaviour
from sandbox.faults import FaultPlan
from sandbox.identity import Identity
from sandbox.request_log import RecordedRequest, RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.foundation import Credentials
    from sandbox.hector_state import HectorState
    from sandbox.salto_state import SaltoState


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class World:
    """Two states, one behaviour, one clock, one log.

    ``after_write`` is called in the server's thread after each write that reached Salto, also when its answer gets lost;
    what it raises is kept in ``errors`` and raised when the sandbox closes (or by ``raise_errors``).
    """

    hector: HectorState
    salto: SaltoState
    credentials: Credentials
    behaviour: Behaviour = field(default_factory=Behaviour)
    clock: Callable[[], dt.datetime] = utc_now
    latency_ms: float = 0.0
    after_write: Callable[[SaltoState, RecordedRequest], None] | None = None
    identity: Identity = field(default_factory=Identity)
    log: RequestLog = field(default_factory=RequestLog)
    hector_faults: FaultPlan = field(default_factory=FaultPlan)
    salto_faults: FaultPlan = field(default_factory=FaultPlan)
    edits: int = 0
    errors: list[BaseException] = field(default_factory=list)

    def change(self, **switches: Any) -> None:  # noqa: ANN401 - the fields of Behaviour
        """For instance ``change(page_size=3, bare_arrays="users")``."""
        self.behaviour = replace(self.behaviour, **switches)

    @property
    def requests(self) -> list[RecordedRequest]:
        return self.log.rows()

    @property
    def writes(self) -> list[RecordedRequest]:
        """The requests that may change something, to either server, token requests left out."""
        return [row for row in self.log.rows() if row.is_write]

    def raise_errors(self) -> None:
        """Raise what ``after_write`` or a fault's callback raised first."""
        if self.errors:
            raise self.errors.pop(0)
