"""A run that is killed with SIGKILL in the middle of the task apply: the next one ends right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from hector_salto.ledger.ledger import Ledger
from hector_salto.ledger.tables import Call, SiteRow
from sandbox.faults import run, run_after
from sandbox.web import json_reply
from tests.effort import EFFORT

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
WRITES = 11  # of the run that is killed: a user, a tag, groups with schedules, doors and people, a group that goes


@pytest.fixture
def campus(airflow_db, sandbox, run_dag):
    """One reservation in step and then cancelled; two new ones, one of somebody new; and a group that is not ours."""
    for number in ("04A2B3C4", "04A2B3C5"):
        sandbox.salto.enrol_tag(number)
    door = sandbox.salto.add_lock("Studio 204")
    ana = sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
    place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
    old = sandbox.hector.add_loaner(ana, place, START, START + timedelta(hours=1), reference="1")
    staff = sandbox.salto.add_group("Hector_Staff", users=[], locks=[door])
    sandbox.salto.add_schedule(staff, "07:00", "19:00")
    assert run_dag("sync", "campus", sandbox=sandbox).state == "success"
    sandbox.hector.set_status(old, "cancelled", at=NOW)
    bo = sandbox.hector.add_user(email="bo@campus.example", unique_code="04A2B3C5")
    for reference, who, hours in (("2", ana, 2), ("3", bo, 4)):
        begin = START + timedelta(hours=hours)
        sandbox.hector.add_loaner(who, place, begin, begin + timedelta(hours=1), reference=reference)
    return sandbox


def killed_at(sandbox, number, *, after):
    """Run the DAG in a process of its own and kill it at its write ``number``, before or after that is carried out."""
    command = [str(Path(sys.executable).with_name("airflow")), "dags", "test", "salto_sync__campus"]
    ready, process = threading.Event(), None

    def kill(*arguments):
        ready.wait()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return arguments[1] if after else json_reply({}, 500)

    sandbox.salto_faults.at(number, run_after(kill) if after else run(kill), writes=True)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}:{ROOT / 'plugins'}"}
    process = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ready.set()
    assert process.wait(100) == -signal.SIGKILL
    sandbox.salto_faults.clear()


def agrees(ledger_url, sandbox):
    """Every change the sandbox was asked for has its intent in the ledger, in the same words, and the same answer.

    An intent without an answer was under way when the process died: it may or may not have been received.
    """
    with Ledger.open(ledger_url).reading() as connection:
        calls = connection.execute(select(Call.method, Call.path, Call.status)).all()
    intents = Counter((method, path) for method, path, _ in calls)
    asked = Counter((row.method, row.path) for row in sandbox.writes)
    lost = Counter((method, path) for method, path, status in calls if status is None)
    assert asked <= intents
    assert intents - asked <= lost
    answered = Counter((method, path, status) for method, path, status in calls if status is not None)
    told = Counter((row.method, row.path, row.status) for row in sandbox.writes)
    assert answered <= told


def expire(ledger_url):
    """Let the killed run's reservation of the site end now: the next run would wait for it, and so would this test."""
    with Ledger.open(ledger_url).transaction() as connection:
        assert connection.execute(update(SiteRow).values(held_until=datetime(2026, 1, 1, tzinfo=UTC))).rowcount == 1


CASES = [(number, after) for number in range(WRITES) for after in (False, True)]


@pytest.mark.parametrize(("number", "after"), CASES if EFFORT > 1 else [(2, True), (5, False)], ids=str)
def test_a_run_killed_at_any_write_leaves_what_the_next_run_brings_in_step(
    campus, run_dag, tmp_path, ledger_url, number, after
):
    written = len(campus.writes)
    killed_at(campus, number, after=after)
    folders = sorted((tmp_path / "runs" / "campus").glob("2*"), key=os.path.getmtime)
    assert (folders[-1] / "operations.parquet").exists()
    assert not (folders[-1] / "outcomes.parquet").exists()
    assert len(campus.writes) > written + number  # others may have been under way
    agrees(ledger_url, campus)

    expire(ledger_url)
    assert run_dag("sync", "campus", sandbox=campus).state == "success"
    assert sorted(group.name for group in campus.salto.groups.values()) == ["Hector_2", "Hector_3", "Hector_Staff"]
    emails = [person.email for person in campus.salto.persons.values()]
    assert len(emails) == len(set(emails))
    written = len(campus.writes)
    assert run_dag("sync", "campus", sandbox=campus).state == "success"
    assert len(campus.writes) == written
    agrees(ledger_url, campus)
