"""What an installed package offers beside its modules: the folder of its DAG files, its ledger's tables."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(tmp_path, *arguments):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR_SALTO"))}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hector_salto", *arguments],
        env={**kept, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": f"{ROOT / 'include'}:{ROOT / 'plugins'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout.strip().splitlines()[-1:], ended.stderr


def test_the_folder_of_the_dag_files_is_printed(tmp_path):
    status, (folder,), error = run(tmp_path, "dags-folder")

    assert status == 0, error
    assert {"salto_sync.py", "salto_cleanup.py", "salto_watch.py", "salto_approval.py", "broken_integrations.py"} <= {
        path.name for path in Path(folder).iterdir()
    }


def test_the_ledger_is_checked_and_upgraded(tmp_path):
    assert run(tmp_path, "ledger", "check")[0] == 1
    assert run(tmp_path, "ledger", "upgrade")[0] == 0
    assert run(tmp_path, "ledger", "check")[0] == 0


def test_the_doctor_of_an_integration_that_is_not_there_is_one_error(tmp_path):
    status, _, error = run(tmp_path, "doctor", "nowhere")

    assert status == 2
    assert "has no integration nowhere; known:" in error
    assert "Traceback" not in error


def test_the_page_registers_itself_once():
    """By the entry point where the package is installed, else by the file in plugins/."""
    names = [point.value for point in entry_points(group="airflow.plugins", name="hector_salto_doors")]

    assert names in ([], ["hector_salto.ui.plugin:DoorsPage"])


def test_airflow_is_told_of_every_part_and_setting():
    from importlib import import_module

    from hector_salto.settings import OPTIONS
    from salto.get_provider_info import get_provider_info

    info = get_provider_info()
    for part in ("hooks", "operators", "sensors", "triggers"):
        for modules in info[part]:
            for name in modules["python-modules"]:
                import_module(name)
    assert set(info["config"]["hector_salto"]["options"]) == set(OPTIONS)
