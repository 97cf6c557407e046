"""Lists the locks that are offline, with nothing but the connection `salto_campus`."""

from __future__ import annotations

from airflow.sdk import DAG, task

from salto.hook import SaltoHook

with DAG("example_salto_offline_locks", schedule=None, catchup=False, tags=["example", "salto"]):

    @task
    def offline() -> list[str]:
        """Return the names of the locks that are offline."""
        locks = SaltoHook("salto_campus").locks()
        return locks.loc[~locks["online"].fillna(value=False), "name"].tolist()

    offline()
