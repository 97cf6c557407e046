"""Counts the reservations of the next day by status, with nothing but the connection `hector_campus`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task

from hector.hook import HectorHook

with DAG("example_hector_reservations_today", schedule=None, catchup=False, tags=["example", "hector"]):

    @task
    def count() -> dict[str, int]:
        """Return how many reservations have which status."""
        now = datetime.now(UTC)
        reservations = HectorHook("hector_campus").get_conn().loaners(now, now + timedelta(days=1)).reservations
        return reservations.drop_duplicates("reservation_id")["status"].value_counts().to_dict()

    count()
