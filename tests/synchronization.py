"""One whole synchronization without Airflow: what a DAG run does, step by step, against the sandbox."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from hector.client import HectorReader, hector_service
from hector_salto.access import schemas
from hector_salto.access.desired import Desired, build_desired_state
from hector_salto.access.plan import Plan, make_cleanup_plan, make_plan, members_by_group
from hector_salto.access.read_cache import Remembered, scope_of
from hector_salto.access.results import DONE, HELD, NOT_SENT
from hector_salto.access.settings import AccessRules
from hector_salto.http_client.fingerprint import Fingerprint
from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import Timing
from hector_salto.http_client.transport import FixedToken, Service, Transport
from hector_salto.ledger.ledger import MADE
from salto.client import SaltoReader
from salto.errors import UNAUTHORIZED_STEP, error_for_refusal
from salto.oauth import AccountCredentials, PasswordGrant
from salto.operation_sender import SiteClients
from salto.plan_executor import PlanExecutor
from salto.site_state import AppliedChanges, LiveSiteState, read_after
from salto.writer import WRITE_METHODS, SaltoWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hector_salto.access.current import Current
    from sandbox.sandbox import Sandbox

FINGERPRINT = Fingerprint(b"one key for both sides")


class _FastClock:
    """A clock that whoever waits moves forward: an hour passes in no time."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Run:
    """What one synchronization planned and did."""

    desired: Desired
    plan: Plan
    outcomes: pd.DataFrame

    @property
    def all_done(self) -> bool:
        return bool(self.outcomes["state"].eq(DONE).all())

    def problem_codes(self) -> set[str]:
        return set(self.plan.problems["code"])


class Synchronization:
    """Clients of both services and the steps of a run.

    With ``remembers`` a run reads only what can have changed since the one before it, as everyday runs do.
    """

    remembers = False
    cache: Remembered | None = None
    created: frozenset[str] = frozenset()  # Hector user ids, as the ledger knows them

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        version: str = "v1.1",
        site: str = "DE4520000000",
        sleep: Callable[[float], None] = lambda seconds: None,
        timing: Timing | None = None,
    ) -> None:
        known = sandbox.credentials
        hurry = _FastClock()
        timing = timing or Timing(hurry.sleep, hurry.monotonic)
        service = Service("Salto KS", "salto_test", sandbox.salto_url, error_for_refusal, UNAUTHORIZED_STEP)
        account = AccountCredentials(known.client_id, known.client_secret, known.username, known.user_password)
        grant = PasswordGrant(sandbox.identity_url, account, "salto_test", timing=timing)
        pacing = RateLimit(rate=10_000, timing=timing)
        self._reading = Transport(service, grant, pacing=pacing, timing=timing)
        self._wanted = version, site
        self.reader = SaltoReader(self._reading, version, site)
        self._writing = Transport(service, grant, verbs=WRITE_METHODS, pacing=pacing, timing=timing)
        self.seen_schedules = schemas.frame(schemas.SALTO_SCHEDULES, [])
        self._version = version
        self._sleep = sleep
        hector = hector_service(sandbox.hector_url, "hector_test")
        self.hector = HectorReader(Transport(hector, FixedToken(known.hector_token), pacing=pacing, timing=timing))

    def desired(self, rules: AccessRules, as_of: datetime) -> Desired:
        now = pd.Timestamp(as_of)
        people, places = self.hector.users(FINGERPRINT), self.hector.places()
        begin, end = now - rules.grace_after, now + rules.horizon + rules.grace_before + pd.Timedelta(minutes=1)
        loaners = self.hector.loaners(begin.to_pydatetime(), end.to_pydatetime())
        return build_desired_state(people, places, loaners, rules, as_of=now)

    def plan(self, rules: AccessRules, as_of: datetime, **options: object) -> tuple[Desired, Plan]:
        desired = self.desired(rules, as_of)
        self.reader = SaltoReader(self._reading, *self._wanted)  # a reader remembers its site, seats included
        reading = LiveSiteState(self.reader, FINGERPRINT)
        return desired, self._plan_until_complete(reading, reading.refresh_all(), desired, rules, as_of, **options)

    def _plan_until_complete(self, reading, current, desired, rules, as_of, **options) -> Plan:
        options = {"created": self.created} | options
        while True:
            current = self._with_former_schedules(current)
            plan = make_plan(desired, current, rules, as_of=pd.Timestamp(as_of), **options)
            deeper = reading.refresh_for_plan(plan)
            if deeper is None:
                self.current = current
                return plan
            current = deeper

    def run(self, rules: AccessRules, as_of: datetime, **options: object) -> Run:
        if self.remembers:
            return self._incremental_run(rules, as_of, **options)
        desired, plan = self.plan(rules, as_of, **options)
        return Run(desired, plan, self.apply(plan))

    def _incremental_run(self, rules: AccessRules, as_of: datetime, **options: object) -> Run:
        desired = self.desired(rules, as_of)
        known = self.cache
        reading = LiveSiteState(self._fresh_reader(), FINGERPRINT, known, as_of)
        references = options.get("references")
        scope = scope_of(desired, references, known) if known and references else None
        current = (
            reading.refresh_scope(scope) if scope else reading.refresh_changed() if known else reading.refresh_all()
        )
        self.first_read = current
        plan = self._plan_until_complete(reading, current, desired, rules, as_of, **options)
        outcomes = self.apply(plan)
        self.cache = Remembered(read_after(self._fresh_reader(), FINGERPRINT, self.current, self.changes_of(plan)))
        return Run(desired, plan, outcomes)

    def _fresh_reader(self) -> SaltoReader:
        site_id = self.cache and self.cache.current.site_id
        self.reader = SaltoReader(self._reading, *self._wanted, site_id)
        return self.reader

    def changes_of(self, plan: Plan) -> AppliedChanges:
        """What the last application has sent."""
        unsent = self.outcomes.loc[self.outcomes["state"].isin([NOT_SENT, HELD]), "key"]
        made = self.created_ids
        windows = [row for group, rows in made.schedules.items() if group in made.groups.values() for row in rows]
        return AppliedChanges(
            plan.operations[~plan.operations["key"].isin(unsent)],
            made.groups,
            {user_id: user.site_user_id for user_id, user in made.users.items()},
            schemas.frame(schemas.SALTO_SCHEDULES, windows),
        )

    def _note_schedules(self, shown: pd.DataFrame) -> None:
        known = self.seen_schedules
        self.seen_schedules = pd.concat([known[~known["group_id"].isin(shown["group_id"])], shown], ignore_index=True)

    def _with_former_schedules(self, current: Current) -> Current:
        """As the ledger knows them: a group's last schedules, as long as it shows none."""
        self._note_schedules(current.groups.schedules)
        return replace(current, former_schedules=self.seen_schedules)

    def cleanup(self, as_of: datetime) -> Run:
        current = LiveSiteState(self.reader, FINGERPRINT, read_at=as_of).refresh_groups()
        current = self._with_former_schedules(current)
        plan = make_cleanup_plan(current, as_of=pd.Timestamp(as_of))
        return Run(None, plan, self.apply(plan))

    def apply(self, plan: Plan) -> pd.DataFrame:
        writer = SaltoWriter(self._writing, self._version, self.reader.site.site_id)
        site = SiteClients(self.reader, writer, FINGERPRINT)
        members = members_by_group(plan.members)
        application = PlanExecutor(site, plan.operations, members, seats_short=plan.seats_short, sleep=self._sleep)
        try:
            return application.run()
        finally:
            self.outcomes, self.created_ids = application.outcomes, application.created_ids
            self._note_created(plan.operations)
            read_back = [row for rows in self.created_ids.schedules.values() for row in rows]
            self._note_schedules(schemas.frame(schemas.SALTO_SCHEDULES, read_back))

    def _note_created(self, operations: pd.DataFrame) -> None:
        states = operations["key"].map(self.outcomes.set_index("key")["state"])
        happened = operations[states.isin(MADE)]
        kinds = happened["kind"]
        adopted = happened.loc[kinds.eq("user_adopt"), "user_id"]
        self.created = (self.created - set(adopted)) | set(happened.loc[kinds.eq("user_create"), "user_id"])
