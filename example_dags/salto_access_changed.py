"""Runs after each sync of `campus` that changed who can open what: scheduled on the asset, reads the counts."""

from __future__ import annotations

from airflow.sdk import DAG, Asset, get_current_context, task

CHANGED = Asset(name="salto_access__campus", uri="hector-salto://access/campus")

with DAG("example_salto_access_changed", schedule=[CHANGED], catchup=False, tags=["example", "salto"]):

    @task
    def operations() -> int:
        """Return how many operations the syncs have applied since the last run."""
        events = get_current_context()["triggering_asset_events"][CHANGED]
        return sum(int(event.extra["operations"]) for event in events)

    operations()
