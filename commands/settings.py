"""The settings under which Airflow runs from this checkout, without a server: one process, an embedded database."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """This process's environment, completed. What the user has set stays as it is."""
    ours = {
        "AIRFLOW_HOME": str(ROOT / ".airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "HECTOR_SALTO_DEADLINES": "off",  # one run in one process: nobody would watch a deadline, and Airflow cannot make one
        "AIRFLOW__LOGGING__JSON_LOGS": "True",  # one record a line: the terminal shows ours, the file keeps all
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
    done = home() / f".migrated_{version('apache-airflow')}"
    if done.exists():
        return
    home().mkdir(parents=True, exist_ok=True)
    sys.stdout.write("preparing Airflow's database (once)\n")
    sys.stdout.flush()
    result = subprocess.run(airflow("db", "migrate"), env=environment(), capture_output=True, text=True, check=False)
    if result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        result.check_returncode()
    done.touch()
