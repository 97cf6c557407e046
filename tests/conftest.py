"""Every test runs without internet, in a throw-away Airflow home that exists before Airflow is imported."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(tempfile.mkdtemp(prefix="hector-salto-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith(("AIRFLOW", "HECTOR_SALTO_"))]:
    del os.environ[name]  # what the developer's shell has set must not decide a test
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    }
)


def pytest_configure() -> None:
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from tests.effort import EFFORT

    for item in items if EFFORT == 1 else ():
        if item.get_closest_marker("prove"):
            item.add_marker(pytest.mark.skip(reason="a long sweep: make prove"))


@pytest.fixture(autouse=True)
def ledger_url(tmp_path, monkeypatch):
    """A ledger of the test's own: what another test's runs saw is nothing that somebody changed by hand."""
    path = tmp_path / "ledger" / "ledger.db"
    monkeypatch.setenv("HECTOR_SALTO_LEDGER", "ledger_of_tests")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OF_TESTS", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    yield f"sqlite:///{path}"
    opened = sys.modules.get("hector_salto.ledger.ledger")
    if opened is not None:
        opened.Ledger.forget_all()


@pytest.fixture(scope="session")
def airflow_db():
    """Airflow's own database, made once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def integrations(tmp_path, monkeypatch):
    """A folder of integration files of the test's own; call it with a name and the fields that differ."""
    folder = tmp_path / "integrations"
    folder.mkdir()
    monkeypatch.setenv("HECTOR_SALTO_INTEGRATIONS", str(folder))

    def write(name: str, text: str) -> Path:
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    write.folder = folder
    return write
