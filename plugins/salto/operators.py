"""The operator that applies a plan to a Salto KS site."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from hector_salto.workflow import plan_application, release
from hector_salto.workflow.failures import record_step
from hector_salto.workflow.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from hector_salto.integration import Integration


class SaltoApplyOperator(BaseOperator):
    """Applies the plan in a run's folder: phase by phase, reservations and people as failure units.

    Single operations that fail do not fail the task: their outcomes are kept in the folder, and the report at the end
    of the run turns it red. The task itself fails when nothing can work any more, or when the plan is too old. It is
    never retried: a second try would need a second plan.

    :param integration: the integration whose site is changed.
    :param folder: path of the run's folder (templated).
    :param fingerprint: of the plan, from the task that made it (templated).
    :param plan_only: end after the plan, send nothing (templated; run parameter of the same name).
    :param with_hector: false for the cleanup, which works without Hector.
    """

    template_fields: Sequence[str] = ("folder", "fingerprint", "plan_only")

    def __init__(
        self,
        *,
        integration: Integration,
        folder: str,
        fingerprint: str,
        plan_only: bool | str = False,
        with_hector: bool = True,
        **kwargs: Any,  # noqa: ANN401 - Airflow's own arguments,
    ) -> None:
        super().__init__(**{"retries": 0, "pool": integration.pool, **kwargs})
        self.integration = integration
        self.folder = folder
        self.fingerprint = fingerprint
        self.plan_only = plan_only
        self.with_hector = with_hector

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        folder = RunFolder(str(self.folder))
        with record_step(folder, self.task_id):
            if str(self.plan_only).lower() == "true" or release.plans_only(folder):
                raise AirflowSkipException("plan only: nothing is sent")
            return plan_application.apply(
                self.integration, folder, datetime.now(UTC), str(self.fingerprint), fingerprinted=self.with_hector
            )
