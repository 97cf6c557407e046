"""A run that lost the process which started it (kill -9) still has the site to itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys
from rich.console import Console
from commands import dag_run
sleep = "import os, time; print(os.getpid(), flush=True); open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
dag_run.dag_process_command = lambda arguments: [sys.executable, "-c", sleep if arguments[0] == "dags" else "pass"]
dag_run.ROOT = sys.argv[1]
with dag_run.lock_site("salto_campus", Console()):
    dag_run.run_dag("salto_sync__campus", {}, {}, Console())
"""


def within(seconds, holds):
    """The first answer that is not nothing, before the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    pytest.fail("not in time")


def is_free(path):
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture
def started(tmp_path):
    """`python -m commands` with a child in Airflow's place: the process, and the child's id."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}:{ROOT / 'plugins'}",
    }
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], env=environment, stdout=subprocess.DEVNULL)
    pid = tmp_path / "pid"
    child = int(within(60, lambda: pid.exists() and pid.read_text()))
    yield process, child
    for one in (process.pid, child):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait()


def test_the_run_keeps_its_site_when_only_the_process_that_started_it_is_killed(started, tmp_path):
    process, child = started
    lock = tmp_path / "locks" / "salto_campus.lock"
    assert not is_free(lock)

    process.kill()
    process.wait()

    assert not is_free(lock)  # the child goes on writing
    os.kill(child, signal.SIGKILL)
    within(10, lambda: is_free(lock))


def test_a_run_that_ended_leaves_the_site_free(started, tmp_path):
    process, child = started
    os.kill(child, signal.SIGKILL)
    process.wait(30)

    assert is_free(tmp_path / "locks" / "salto_campus.lock")
