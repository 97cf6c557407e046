"""Settings of the product: environment variables HECTOR_SALTO_<NAME>, or options of the section [hector_salto] of airflow.cfg.

As an option each is also AIRFLOW__HECTOR_SALTO__<NAME>, as Airflow has it. The first that is set counts.
"""

from __future__ import annotations

import os

SECTION = "hector_salto"
PREFIX = "HECTOR_SALTO_"
# Name and what it says; `get_provider_info` shows them to Airflow.
OPTIONS = {
    "integrations": "Where the integration files are: a folder, any ObjectStoragePath, or variable://<Airflow Variable>",
    "leave_out": "Names of integration files that this Airflow leaves out, separated by commas",
    "runs": "Where the runs' folders are: a folder that all workers share, or any ObjectStoragePath",
    "run_days": "How many days the runs' folders stay",
    "ledger": "Id of the Airflow connection to the ledger's database; none: a SQLite file in AIRFLOW_HOME",
    "ledger_days": "How many days the ledger's rows stay",
    "ledger_migrations": '"auto": the first process that needs it migrates the ledger; "refuse": only the command does',
    "deadlines": '"off": syncs have no deadline, for Airflows that watch none',
}


def setting(name: str) -> str:
    """Return what is set, without blanks around it; not set: an empty text."""
    return (os.environ.get(f"{PREFIX}{name.upper()}") or "").strip() or _option(name)


def _option(name: str) -> str:
    from airflow.configuration import conf  # noqa: PLC0415 - makes AIRFLOW_HOME as it is imported

    return str(conf.get(SECTION, name, fallback="") or "").strip()
