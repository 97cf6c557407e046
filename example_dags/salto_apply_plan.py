"""Applies a plan of your own to a site; `plan` is a Parquet file with the columns OPERATIONS."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from salto.operators import SaltoApplyOperator

with DAG(
    "example_salto_apply_plan",
    schedule=None,
    catchup=False,
    params={"plan": Param("", type="string"), "outcomes": Param("", type="string")},
    tags=["example", "salto"],
):
    SaltoApplyOperator(
        task_id="apply",
        salto_conn_id="salto_campus",
        site_id="DE4520000000",
        plan="{{ params.plan }}",
        outcomes="{{ params.outcomes }}",
    )
