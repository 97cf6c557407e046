"""What the terminal corrects in the ledger: the owner of a site, and runs that were cut off."""

from __future__ import annotations

import fcntl
import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from sqlalchemy import insert, select

from commands import dag_run, sites
from hector_salto.ledger.ledger import Ledger, RunStart
from hector_salto.ledger.tables import Run, SiteRow

NOW = datetime.now(UTC)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setattr(sites, "_ledger", lambda: ledger)
    yield ledger
    Ledger.forget_all()


def released(site):
    console = Console(file=io.StringIO(), width=200)
    return sites.release_site(site, console), console.file.getvalue()


def test_a_site_is_released_once(kept):
    """The next integration that applies a plan owns it."""
    with kept.transaction() as connection:
        values = {"site_id": "s-1", "integration": "campus", "instance": "old", "owned_since": NOW, "applied": 3}
        connection.execute(insert(SiteRow).values(**values))

    assert released("s-1") == (
        0,
        "site s-1 released (it belonged to campus of the Airflow old): the next integration that applies a plan to it owns it\n",
    )
    assert released("s-1") == (1, "site s-1 has no owner already\n")
    assert released("s-2") == (1, "the ledger knows no site 's-2'; known: s-1\n")


def test_what_make_down_cuts_off_is_closed_at_once(kept):
    """Other integrations, which a terminal runs beside, are left alone."""
    for name in ("campus", "annex"):
        kept.begin_run(RunStart(name, "sync", "r", "f", NOW))

    assert sites.close_interrupted_runs(kept, ["campus"], NOW) == 1
    with kept.reading() as connection:
        found = dict(connection.execute(select(Run.integration, Run.state)).all())
    assert found == {"campus": "red", "annex": "running"}


def test_the_run_of_a_terminal_is_known_by_its_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert not dag_run.is_site_locked("pool")
    (tmp_path / "locks").mkdir()
    with (tmp_path / "locks" / "pool.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert dag_run.is_site_locked("pool")
    assert not dag_run.is_site_locked("pool")
