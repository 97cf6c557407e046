"""The link from a task of ours to the run's view on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

PAGE = "/doors"
LINKED_TASKS = frozenset({"plan", "apply", "report"})


class DoorsRunLink(BaseOperatorLink):
    """Opens the run on the page: what it planned, did and found."""

    name = "Salto doors"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
        return f"{base}{PAGE}/run?{urlencode({'dag_id': ti_key.dag_id, 'run_id': ti_key.run_id})}"
