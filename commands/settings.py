"""The settings under which Airflow runs from this checkout: for one run in one process, and (`make up`) for its server."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """This process's environment, completed for a run without a server. What the user has set stays as it is."""
    alone = {
        "HECTOR_SALTO_DEADLINES": "off",  # one run in one process: nobody would watch a deadline, and Airflow cannot make one
        "AIRFLOW__LOGGING__JSON_LOGS": "True",  # one record a line: the terminal shows ours, the file keeps all
    }
    return {**alone, **server_environment()}


def server_environment() -> dict[str, str]:
    """This process's environment, completed for Airflow's server and for whatever speaks to it."""
    ours = {
        "AIRFLOW_HOME": str(ROOT / ".airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    path = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH")]))
    return {**ours, **os.environ, "PYTHONPATH": path}


def home() -> Path:
    return Path(environment()["AIRFLOW_HOME"])


def airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def prepare() -> None:
    """Bring Airflow's database to the installed version, once.

    Raises:
        subprocess.CalledProcessError: with Airflow's own output shown before.
    """
    if prepared().exists():
        return
    home().mkdir(parents=True, exist_ok=True)
    sys.stdout.write("preparing Airflow's database (once)\n")
    sys.stdout.flush()
    result = subprocess.run(airflow("db", "migrate"), env=environment(), capture_output=True, text=True, check=False)
    if result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        result.check_returncode()
    prepared().touch()


def prepared() -> Path:
    """The file that says that the database is at the installed version."""
    return home() / f".migrated_{version('apache-airflow')}"
