"""The product's clients of both services, and the steps of a sync through them, without Airflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from hector.client import HectorReader, hector_service
from hector_salto.access import schemas
from hector_salto.access.desired import Desired, build_desired_state
from hector_salto.access.plan import Plan, make_plan, members_by_group
from hector_salto.access.results import DONE, HELD, NOT_SENT
from hector_salto.http_client.fingerprint import Fingerprint
from hector_salto.http_client.rate_limit import CEILING, RateLimit
from hector_salto.http_client.transport import FixedToken, Service, Transport, new_session
from hector_salto.ledger.ledger import Ledger, RunStart
from hector_salto.ledger.site_claims import Claim, Owner, enter
from hector_salto.workflow.recorder import AuditLog
from salto.client import SaltoReader
from salto.errors import UNAUTHORIZED_STEP, error_for_refusal
from salto.oauth import AccountCredentials, PasswordGrant
from salto.operation_sender import SiteClients
from salto.plan_executor import NULL_RECORDER, PlanExecutor
from salto.site_state import AppliedChanges, LiveSiteState, read_after
from salto.writer import WRITE_METHODS, SaltoWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from benchmarks.server import Server
    from hector_salto.access.current import Current
    from hector_salto.access.read_cache import Remembered
    from hector_salto.access.settings import AccessRules

FINGERPRINT = Fingerprint(b"of the benchmarks")
NAME, VERSION, SITE = "bench", "v1.1", "DE4520000000"


class PlainTransport(Transport):
    """A connection for each request, as ``requests.get(...)`` in a script makes one."""

    @property
    def _session(self) -> requests.Session:
        session = new_session(self.service.base_url)
        session.headers["Connection"] = "close"
        return session


@dataclass(frozen=True)
class PlannedSync:
    """A plan, and what it was made from."""

    desired: Desired
    current: Current
    plan: Plan


class Clients:
    """Clients with one budget for each service, as the hooks make them.

    :param pacing: makes the budgets; ``one_by_one`` for a script.
    :param kind: of the transports.
    """

    def __init__(
        self, server: Server, *, pacing: Callable[[], RateLimit] | None = None, kind: type[Transport] = Transport
    ) -> None:
        known, self._kind = server.credentials, kind
        self._rate_limit = pacing() if pacing else RateLimit(ceiling=CEILING)
        hector_pacing = (pacing or RateLimit)()
        self._service = Service("Salto KS", NAME, server.salto_url, error_for_refusal, UNAUTHORIZED_STEP)
        account = AccountCredentials(known.client_id, known.client_secret, known.username, known.user_password)
        self._grant = PasswordGrant(server.identity_url, account, NAME)
        token = FixedToken(known.hector_token)
        self.hector = HectorReader(kind(hector_service(server.hector_url, NAME), token, pacing=hector_pacing))

    def reader(self) -> SaltoReader:
        """A new one: a reader remembers its site, seats included."""
        return SaltoReader(self._kind(self._service, self._grant, pacing=self._rate_limit), VERSION, SITE)

    def writer(self, reader: SaltoReader, journal: AuditLog | None = None) -> SaltoWriter:
        writing = self._kind(self._service, self._grant, verbs=WRITE_METHODS, pacing=self._rate_limit, journal=journal)
        return SaltoWriter(writing, VERSION, reader.site.site_id)

    def details_of_a_group(self) -> tuple[str, dict[str, str]]:
        """An address that can be read again and again, and the headers to read it with."""
        reader = self.reader()
        group = reader.groups()["group_id"].iloc[0]
        path = f"/{VERSION}/sites/{reader.site.site_id}/access_groups/{group}/time_schedules"
        return f"{self._service.base_url}{path}", {"Authorization": f"Bearer {self._grant.token()}"}

    # --- the steps of a sync ----------------------------------------------------------------------------------------------

    def desired(self, rules: AccessRules, as_of: datetime) -> Desired:
        """Hector, read as the three extracts read it, and what should exist."""
        now = pd.Timestamp(as_of)
        people, _, places = self.hector.users(FINGERPRINT), self.hector.has_lock_attribute(), self.hector.places()
        begin, end = now - rules.grace_after, now + rules.horizon + rules.grace_before + pd.Timedelta(minutes=1)
        loaners = self.hector.loaners(begin.to_pydatetime(), end.to_pydatetime())
        return build_desired_state(people, places, loaners, rules, as_of=now)

    def plan_sync(self, rules: AccessRules, known: Remembered | None = None) -> PlannedSync:
        """The plan of now, with nothing held back; ``known``: only what can have changed since is read."""
        as_of = datetime.now(UTC)
        desired = self.desired(rules, as_of)
        reading = LiveSiteState(self.reader(), FINGERPRINT, known, as_of)
        current = reading.refresh_changed() if known else reading.refresh_all()
        while True:
            plan = plan_without_holds(desired, current, rules, as_of)
            deeper = reading.refresh_for_plan(plan)
            if deeper is None:
                return PlannedSync(desired, current, plan)
            current = deeper

    def executor_for(self, plan: Plan, journal: AuditLog | None = None) -> PlanExecutor:
        """Of a plan, ready to run."""
        reader = self.reader()
        site = SiteClients(reader, self.writer(reader, journal), FINGERPRINT)
        members, recorder = members_by_group(plan.members), journal or NULL_RECORDER
        return PlanExecutor(site, plan.operations, members, seats_short=plan.seats_short, recorder=recorder)

    def read_back(self, made: PlannedSync, application: PlanExecutor, rules: AccessRules) -> Current:
        """What was changed, read again.

        Raises:
            RuntimeError: when anything is left to do.
        """
        current = read_after(self.reader(), FINGERPRINT, made.current, changes_of(made.plan, application))
        left = plan_without_holds(made.desired, current, rules, datetime.now(UTC)).operations
        if len(left) or not application.outcomes["state"].eq(DONE).all():
            raise RuntimeError(f"not in step: {left[['kind', 'key']].head().to_dict('records')}")
        return current


def serial_rate_limit() -> RateLimit:
    """A script sends a request when the one before it is answered."""
    return RateLimit(concurrency=1, rate=1_000_000)


def plan_without_holds(desired: Desired, current: Current, rules: AccessRules, as_of: datetime) -> Plan:
    """A plan of which nothing is held back."""
    now = pd.Timestamp(as_of)
    plan = make_plan(desired, current, rules, as_of=now)
    return make_plan(desired, current, rules, as_of=now, approve=plan.digest) if plan.holds else plan


def changes_of(plan: Plan, application: PlanExecutor) -> AppliedChanges:
    """What an application has sent of its plan."""
    outcomes, made = application.outcomes, application.created_ids
    unsent = outcomes.loc[outcomes["state"].isin([NOT_SENT, HELD]), "key"]
    windows = [
        row for group_id, rows in made.schedules.items() if group_id in set(made.groups.values()) for row in rows
    ]
    return AppliedChanges(
        plan.operations[~plan.operations["key"].isin(unsent)],
        made.groups,
        {user_id: user.site_user_id for user_id, user in made.users.items()},
        schemas.frame(schemas.SALTO_SCHEDULES, windows),
    )


def recorder_for(path: Path, plan: Plan) -> AuditLog:
    """A ledger of SQLite, as in production, that has this plan written down."""
    ledger = Ledger.open(f"sqlite:///{path}")
    begun = RunStart(NAME, "sync", f"run {datetime.now(UTC)}", "folder", datetime.now(UTC))
    run_id = ledger.begin_run(begun)
    ledger.plan(run_id, plan.operations, plan.problems, plan.left, planned_at=datetime.now(UTC))
    claim = Claim(SITE, Owner(NAME, "of the benchmarks"), run_id, NAME)
    enter(ledger, claim, frozenset(), datetime.now(UTC) + timedelta(days=1))  # nothing extends it meanwhile
    return AuditLog(ledger, run_id, claim.holder)
