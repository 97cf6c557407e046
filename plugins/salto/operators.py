"""The operator that applies a plan to a Salto KS site."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import BaseOperator, ObjectStoragePath

from hector_salto.access import schemas
from hector_salto.access.plan import members_by_group
from hector_salto.access.results import DONE, HELD
from hector_salto.http_client.errors import NotFoundError
from hector_salto.http_client.fingerprint import no_fingerprint
from salto.hook import SaltoHook
from salto.operation_sender import SiteClients
from salto.plan_executor import NULL_RECORDER, OperationRecorder, PlanExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context


class SaltoApplyOperator(BaseOperator):
    """Applies a plan of your own to a site: phase by phase, with each group and each user as a unit of failure.

    It is never retried: a second try would need a second plan. It fails when an operation failed or its outcome is unknown.
    The other operations are applied all the same, and the outcomes are written first.

    :param site_id: UUID, site UID or name of the site.
    :param plan: path of a Parquet file with the columns OPERATIONS, in order (templated; any ``ObjectStoragePath``).
    :param outcomes: path of the Parquet file to write, with the columns OUTCOMES (templated).
    :param salto_conn_id: the connection.
    :param fingerprint: how tag numbers became the fingerprints in the plan; not needed where it changes no tag.
    :param recorder: is called with what each request carries and what became of each operation.
    """

    template_fields: Sequence[str] = ("site_id", "plan", "outcomes")

    def __init__(  # noqa: PLR0913 - what an application depends on, each named
        self,
        *,
        site_id: str,
        plan: str,
        outcomes: str,
        salto_conn_id: str = SaltoHook.default_conn_name,
        fingerprint: Callable[[str | None], str | None] = no_fingerprint,
        recorder: OperationRecorder = NULL_RECORDER,
        **kwargs: Any,  # noqa: ANN401 - Airflow's own arguments
    ) -> None:
        super().__init__(**{"retries": 0, **kwargs})
        self.site_id = site_id
        self.plan = plan
        self.outcomes = outcomes
        self.salto_conn_id = salto_conn_id
        self.fingerprint = fingerprint
        self.recorder = recorder

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Return how many operations ended how."""
        with ObjectStoragePath(self.plan).open("rb") as file:  # type: ignore[no-untyped-call]
            operations = schemas.validate(schemas.OPERATIONS, pd.read_parquet(file))
        hook = SaltoHook(self.salto_conn_id)
        clients = SiteClients(hook.reader(self.site_id), hook.writer(self.site_id), self.fingerprint)
        executor = PlanExecutor(clients, operations, self._members(clients, operations), recorder=self.recorder)
        try:
            executor.run()
        finally:
            with ObjectStoragePath(self.outcomes).open("wb") as file:  # type: ignore[no-untyped-call]
                executor.outcomes.to_parquet(file)
        counts = {str(state): int(count) for state, count in executor.outcomes["state"].value_counts().items()}
        if bad := sum(count for state, count in counts.items() if state not in {DONE, HELD}):
            raise AirflowFailException(f"{bad} operations of the plan are not done; {self.outcomes} says which and why")
        return counts

    def _members(self, clients: SiteClients, operations: pd.DataFrame) -> dict[str, frozenset[str]]:
        """Read who is in the groups that the plan changes: a removal that fails must not let anyone follow it."""
        changed = operations["group_id"].dropna().unique()
        tables = [schemas.frame(schemas.SALTO_GROUP_USERS, [])]
        for group in changed:
            with suppress(NotFoundError):  # gone: it has no members
                tables.append(clients.reader.group_users(str(group)))
        return members_by_group(pd.concat(tables))
