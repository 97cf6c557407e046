"""`make env` fills every secret once, and keeps what is there."""

from __future__ import annotations

import io
import json
import shutil
import stat

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values
from rich.console import Console

from commands.env_file import SECRETS, make_env
from commands.settings import ROOT


@pytest.fixture
def folder(tmp_path):
    for name in (".env.example", "connections.env.example"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def made(folder):
    said = io.StringIO()
    assert make_env(Console(file=said), folder) == 0
    return dotenv_values(folder / ".env"), said.getvalue()


def test_every_secret_is_made_and_usable(folder):
    values, said = made(folder)

    assert set(SECRETS) <= set(values)
    assert all(values[name] for name in SECRETS)
    Fernet(values["FERNET_KEY"])
    assert len(json.loads(values["UI_PASSWORDS"])["admin"]) >= 12
    assert all(values[name] not in said for name in SECRETS)


def test_what_has_a_value_stays(folder):
    first, _ = made(folder)
    (folder / "connections.env").write_text("AIRFLOW_CONN_HECTOR_CAMPUS='x'\n")

    second, said = made(folder)
    assert second == first
    assert "every secret was there" in said
    assert (folder / "connections.env").read_text() == "AIRFLOW_CONN_HECTOR_CAMPUS='x'\n"


def test_only_the_owner_reads_them(folder):
    made(folder)

    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in (".env", "connections.env")} == {0o600}
