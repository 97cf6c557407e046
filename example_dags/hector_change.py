"""Waits in the triggerer until something changes in Hector, at most an hour, then names the reservations."""

from __future__ import annotations

from airflow.sdk import DAG, task

from hector.sensors import HectorChangeSensor

with DAG("example_hector_change", schedule=None, catchup=False, tags=["example", "hector"]):
    changed = HectorChangeSensor(
        task_id="wait", hector_conn_id="hector_campus", deferrable=True, poke_interval=30, timeout=3600
    )

    @task
    def name_them(change: dict[str, object]) -> object:
        """Return the references that have changed."""
        return change["references"]

    name_them(changed.output)
