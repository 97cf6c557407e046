"""The settings under which the commands run Airflow, and what a terminal can show."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper

import pytest
from rich.console import Console
from rich.table import Table

from commands import settings


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_signs_that_a_terminal_cannot_show(encoding):
    """They are escaped; what can be shown is shown."""
    raw = BytesIO()
    stream = TextIOWrapper(raw, encoding=encoding)
    settings.escape_unencodable(stream)
    table = Table("door", "who")
    table.add_row("Büro", "Łukasz 日本 \udcff")
    Console(file=stream, width=80).print(table, "plain …")
    stream.flush()

    shown = raw.getvalue().decode(encoding)
    assert ("Büro" in shown) is (encoding != "ascii")
    assert ("\\u65e5" in shown) is (encoding != "utf-8")
    assert "\\udcff" in shown
    assert "plain" in shown


def test_what_our_processes_write_is_utf_8(monkeypatch):
    """This terminal's encoding is not that of pipes and files between our own processes."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")

    found = settings.server_environment()

    assert (found["PYTHONUTF8"], found["PYTHONIOENCODING"]) == ("1", "utf-8:backslashreplace")


@pytest.mark.parametrize(("name", "set_by_us"), [("50% off", True), ("My Projects", False)])
def test_home_that_airflow_cannot_name(name, set_by_us, tmp_path, monkeypatch):
    """Airflow takes a percent sign in its own defaults for a placeholder; every other home keeps its airflow.cfg."""
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / name))

    found = settings.server_environment().get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")

    assert found == (f"sqlite:///{tmp_path}/{name}/airflow.db" if set_by_us else None)
