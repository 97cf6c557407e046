"""The settings under which Airflow runs from this checkout: for one run in one process, and (`make up`) for its server."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """This process's environment, completed for a run without a server. What the user has set stays as it is."""
    alone = {
        "HECTOR_SALTO_DEADLINES": "off",  # one run in one process: no one watches a deadline, and Airflow cannot make one
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
        **_folder_settings(home()),
    }
    needed = {
        "PYTHONPATH": os.pathsep.join(
            filter(None, [*(str(ROOT / folder) for folder in ("", "include", "plugins")), os.environ.get("PYTHONPATH")])
        ),
        # What our processes write is read back by this one, whatever this terminal can show.
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }
    return {**ours, **os.environ, **needed}


def _folder_settings(airflow_home: Path) -> dict[str, str]:
    """Return the settings by which Airflow finds its folders in a home that its own defaults cannot name.

    Airflow takes a "%" in the values of its configuration for a placeholder; in the environment it does not.
    """
    if "%" not in str(airflow_home):
        return {}
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{airflow_home}/logs",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": f"{airflow_home}/logs/dag_processor",
    }


def home() -> Path:
    """Return AIRFLOW_HOME as Airflow reads it; default: .airflow in this checkout."""
    given = os.environ.get("AIRFLOW_HOME") or str(ROOT / ".airflow")
    return Path(os.path.expandvars(given)).expanduser().absolute()


def set_airflow_home() -> None:
    """Let Airflow, imported into this process next, work in our home."""
    os.environ["AIRFLOW_HOME"] = str(home())
    for name, value in _folder_settings(home()).items():
        os.environ.setdefault(name, value)


def escape_unencodable(*streams: TextIO) -> None:
    """Make the streams escape what their encoding cannot show, instead of ending the command with an error."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def airflow_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def migrate_database() -> None:
    """Bring Airflow's database to the installed version, once.

    Raises:
        subprocess.CalledProcessError: with Airflow's own output shown before.
    """
    if migration_marker().exists():
        return
    home().mkdir(parents=True, exist_ok=True)
    sys.stdout.write("preparing Airflow's database (once)\n")
    sys.stdout.flush()
    result = subprocess.run(
        airflow_command("db", "migrate"), env=environment(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        result.check_returncode()
    migration_marker().touch()


def migration_marker() -> Path:
    """The file that says that the database is at the installed version."""
    return home() / f".migrated_{version('apache-airflow')}"
