"""Starts a reload of `campus` when another DAG updates an asset, such as a timetable that was loaded into Hector."""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset

TIMETABLE = Asset(name="timetable_in_hector", uri="hector-salto://timetable/campus")

with DAG("example_salto_reload_on_asset", schedule=[TIMETABLE], catchup=False, tags=["example", "salto"]):
    TriggerDagRunOperator(task_id="reload", trigger_dag_id="salto_sync__campus", logical_date=None)
