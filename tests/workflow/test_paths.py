"""Where paths and addresses meet: a home with odd signs in its name holds everything that is written."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hector_salto.ledger import ledger
from hector_salto.workflow.recorder import _url
from hector_salto.workflow.run_folder import FOLDER_SETTING, INSTANCE, RunFolder, base, instance_id
from hector_salto.workflow.storage import UnreadableFileError

ODD = ("My Projects", "zoé", "a#b", "50% off", "50%25", "zo%C3%A9", "a@b", "a::b", "ä[1]*")
NOW = datetime(2026, 1, 14, tzinfo=UTC)


def written_into(folder: Path) -> bool:
    """Whether a run's folder, and the same again from its text as it travels between tasks, lies in there."""
    made = RunFolder.create("campus", "manual__1", NOW)
    made.write_json("run", {"name": "Zoé"})
    again = RunFolder(str(made))
    (found,) = folder.glob("campus/*/run.json")
    return again.read_json("run") == {"name": "Zoé"} and found.parent.name == made.path.name


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch):
    for name in (FOLDER_SETTING, "HECTOR_SALTO_LEDGER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ODD)
def test_home_with_odd_signs(name, tmp_path, monkeypatch):
    """Runs and ledger lie inside AIRFLOW_HOME."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / name))

    assert written_into(tmp_path / name / "runs")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert _url().database == str(tmp_path / name / "ledger" / "ledger.db")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("form", [str, Path.as_uri, lambda path: path.as_uri().replace("file://", "file://localhost")])
def test_runs_setting_with_odd_signs(name, form, tmp_path, monkeypatch):
    """HECTOR_SALTO_RUNS is a path, or an address in which signs are encoded."""
    monkeypatch.setenv(FOLDER_SETTING, form(tmp_path / name))

    assert written_into(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("setting", ["~/runs", " ~/runs ", "runs"])
def test_runs_setting_that_no_shell_has_read(setting, tmp_path, monkeypatch):
    """An env file holds "~" as it is; and tasks that work in other folders mean the same one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(FOLDER_SETTING, setting)
    monkeypatch.chdir(tmp_path)

    assert written_into(tmp_path / "runs")
    assert Path(base().path).is_absolute()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize("text", ["", "{}", '{"instance": null}'])
def test_an_airflow_whose_id_is_damaged(text, tmp_path, monkeypatch):
    """A new run changes nothing about it, so that is not the advice."""
    monkeypatch.setenv(FOLDER_SETTING, str(tmp_path))
    (tmp_path / INSTANCE).write_text(text)

    with pytest.raises(UnreadableFileError, match=rf"{INSTANCE} .*restore it, or remove it and release"):
        instance_id()


def test_runs_setting_in_a_bucket(monkeypatch):
    """An address of other storage stays as it is."""
    monkeypatch.setenv(FOLDER_SETTING, "memory://runs/a%20b")

    assert str(base()).removesuffix("/") == "memory://runs/a%20b"


@pytest.mark.parametrize("name", ["50% off", "My #1 Projects", "zoé"])
def test_checkout_with_odd_signs(name, tmp_path, monkeypatch):
    """The ledger's migrations are found wherever the project lies."""
    copied = tmp_path / name
    shutil.copytree(ledger.MIGRATIONS, copied)
    monkeypatch.setattr(ledger, "MIGRATIONS", copied)

    assert ledger.Ledger.open(f"sqlite:///{tmp_path}/{name}.db").url.database == f"{tmp_path}/{name}.db"
    assert (tmp_path / f"{name}.db").exists()


def test_home_as_airflow_reads_it(tmp_path, monkeypatch):
    """A tilde or a variable in AIRFLOW_HOME means what it means to Airflow."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_HOME", "~/$PLACE")
    monkeypatch.setenv("PLACE", "there")

    assert written_into(tmp_path / "there" / "runs")
