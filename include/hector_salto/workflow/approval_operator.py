"""The operator that asks a person about what a sync holds back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from hector_salto.workflow import approval
from hector_salto.workflow.run_folder import RunFolder

if TYPE_CHECKING:
    from airflow.sdk import Context


class AskForApprovalOperator(TriggerDagRunOperator):
    """Starts the approval DAG about what a run holds back; skipped when it holds nothing.

    :param folder: path of the run's folder; None: the run did not begin.
    """

    template_fields = (*TriggerDagRunOperator.template_fields, "folder")

    def __init__(self, *, folder: Any, **kwargs: Any) -> None:  # noqa: ANN401 - an XComArg, and Airflow's own arguments
        super().__init__(**kwargs)
        self.folder = folder

    def execute(self, context: Context) -> None:
        """Start the approval DAG.

        Raises:
            AirflowSkipException: when nothing is held, or the question is open already.
        """
        question = approval.question(RunFolder(self.folder), datetime.now(UTC)) if self.folder else None
        if question is None:
            raise AirflowSkipException("nothing needs an approval")
        self.conf = question
        super().execute(context)
