"""`make up` and `make down`: what they start, keep, print and end."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import requests
from rich.console import Console

from commands import supervisor, up
from commands.demo import announcement_file, demo, ensure_todays_campus, running_sandbox, sample_reservation, state_file
from sandbox import Sandbox, campus
from sandbox.__main__ import announce, load, save

# That a process outlives the command is what `make up` is for.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

ROOT = Path(__file__).resolve().parents[2]
SITE = "hector_conn_id: hector_campus\nsalto_conn_id: salto_campus\nsite_id: DE4520000000\n"
CHILDREN = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
SLEEPS = "import time; time.sleep(60)"


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("HECTOR_SALTO_SANDBOX", str(tmp_path / "sandbox"))
    for name in ("UI_PORT", "UI_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def started(monkeypatch):
    """A process with a mark in its environment; whatever a test leaves is ended."""
    monkeypatch.setattr(supervisor, "TERMINATE_TIMEOUT", 1.0)
    made = []

    def start(code: str, mark: str | None = None) -> psutil.Process:
        environment = {**os.environ, supervisor.MARKER_VARIABLE: mark or str(supervisor.own_folder())}
        made.append(subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True))
        return psutil.Process(made[-1].pid)

    yield start
    supervisor.end_all_processes(None)
    for one in made:
        one.kill()
        one.wait()


@pytest.fixture
def supervised(monkeypatch):
    """A supervisord that runs these programs; ended with them."""
    monkeypatch.setattr(supervisor, "SHUTDOWN_TIMEOUT", 20.0)

    def start(*programs: supervisor.Program) -> supervisor.Supervisor:
        made = supervisor.Supervisor.create(up._free_ports(1)[0])
        up._write_json("record.json", {"port": 8080, "supervisor": asdict(made)})
        made.start(programs, {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
        until(made.is_running)
        return made

    yield start
    supervisor.end_all_processes(up._find_supervisor())


def said(console: Console) -> str:
    return console.file.getvalue()


def until(look):
    end = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


# --- processes


def test_down_ends_nothing_when_nothing_is_recorded(console):
    assert up.down(console) == 0
    assert said(console) == "nothing is running\n"


def test_a_stale_record_ends_no_stranger(console, started):
    """After a reboot another program may listen at the port in the record; another folder's processes are not ours."""
    stranger = started(SLEEPS, "/somewhere/else/up")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        record = {"port": 8080, "supervisor": {"port": listening.getsockname()[1], "password": "x"}}
        listening.close()
        up._write_json("record.json", record)
        assert up.running_airflow() is None
        assert up.down(console) == 0

    assert said(console).endswith("nothing is running\n")
    assert stranger.is_running()


def test_the_end_takes_along_what_a_process_started_and_what_ignores_it(started):
    parent = started(CHILDREN.format(child=STUBBORN))
    until(lambda: len(supervisor.remaining_processes()) == 2)
    parent.kill()

    assert supervisor.end_all_processes(None) >= 1
    assert supervisor.remaining_processes() == []


def test_a_killed_process_is_started_again_and_a_killed_supervisor_leaves_nothing(supervised, console, monkeypatch):
    """What dies comes back by itself; without its supervisor it is found by the mark in its environment."""
    monkeypatch.setattr(supervisor, "TERMINATE_TIMEOUT", 1.0)
    made = supervised(supervisor.Program("sandbox", "sleep 60", 1, starts=1))
    until(lambda: made.states() == {"sandbox": supervisor.RUNNING})
    (first,) = [one for one in supervisor.remaining_processes() if one.name() == "sleep"]
    first.kill()
    until(lambda: [one for one in supervisor.remaining_processes() if one.name() == "sleep" and one.pid != first.pid])

    (leader,) = [one for one in supervisor.remaining_processes() if one.name() != "sleep"]
    leader.kill()
    until(lambda: not made.is_running())
    assert supervisor.end_all_processes(up._find_supervisor()) == 1
    assert supervisor.remaining_processes() == []


def test_what_dies_during_start_is_reported_with_the_end_of_its_log(supervised, console):
    """Which process, its last lines, and what to do."""
    made = supervised(supervisor.Program("scheduler", "ls /no/such/place", 1))

    with pytest.raises(up.StartupError, match=r"scheduler ended again and again[\s\S]*make up[\s\S]*no/such/place"):
        up._wait_until_ready(lambda: ["scheduler"], made, console)


def test_waiting_says_for_what_and_how_long(supervised, console, monkeypatch):
    """Progress while it waits; after the patience the log concerned."""
    monkeypatch.setattr(up, "PROGRESS_INTERVAL", 0.3)
    monkeypatch.setattr(up, "START_TIMEOUT", 1.0)
    made = supervised(supervisor.Program("dag-processor", "sleep 60", 1, starts=1))

    with pytest.raises(up.StartupError, match=r"no sign of dag_processor within 1 s[\s\S]*dag-processor.log"):
        up._wait_until_ready(lambda: ["dag_processor"], made, console)
    assert re.search(r"waiting for dag_processor \(\d s\)", said(console))


def test_a_folder_with_odd_signs(tmp_path, monkeypatch, supervised):
    """The configuration holds no path: a blank, "#", "%" or ";" in it means nothing there."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "zoé; My #1 50% 'off'"))
    made = supervised(supervisor.Program("sandbox", "sleep 60", 1, starts=1))

    until(lambda: made.states() == {"sandbox": supervisor.RUNNING})
    assert supervisor.log_file("sandbox").exists()
    configuration = supervisor.own_folder() / supervisor.CONFIGURATION_FILE
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


# --- ports and passwords


def test_a_taken_port_is_told_with_the_way_to_another():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(
            up.StartupError, match=f"port {port} is taken by another program.*UI_PORT={port + 1} make up"
        ):
            up._require_free_port(port)
    up._require_free_port(port)


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "80 80"])
def test_a_port_that_is_none_is_refused(port, monkeypatch, console):
    monkeypatch.setenv("UI_PORT", port)

    with pytest.raises(up.StartupError, match="UI_PORT=8081 make up"):
        up.up(console)


def test_passwords_are_made_once_differ_and_are_readable_by_their_owner_only():
    first = up._passwords()

    assert len(set(first.values())) == len(up.LOGINS)
    assert all(len(password) >= 12 for password in first.values())
    assert up._passwords() == first
    path = supervisor.own_folder() / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_password_of_the_users_choice_is_that_of_all_logins_and_forgets_none(monkeypatch):
    made = up._passwords()
    monkeypatch.setenv("UI_PASSWORD", "correct horse")

    assert set(up._passwords().values()) == {"correct horse"}
    monkeypatch.delenv("UI_PASSWORD")
    assert up._passwords() == made


def test_airflow_is_bound_to_loopback_and_starts_no_site_by_itself(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "False")
    monkeypatch.setenv("AIRFLOW__API__HOST", "0.0.0.0")  # noqa: S104 - what must not be
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "3")
    settings = up._settings(up.AirflowApi(8123, "x"))

    assert settings["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "True"
    assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"
    assert settings["AIRFLOW__CORE__PARALLELISM"] == "3"
    assert "HECTOR_SALTO_DEADLINES" not in settings


# --- the campus


def test_both_commands_show_the_same_campus_until_the_day_is_over(console):
    assert ensure_todays_campus(console)
    with demo(console) as found:
        address = f"{found.hector_url.removesuffix('/api/v1')}/_sandbox/loaners/l_1"
        requests.put(address, data=json.dumps({"reference": "1"}), timeout=5).raise_for_status()

    assert not ensure_todays_campus(console)
    assert load(state_file()).hector.loaners["l_1"]["reference"] == "1"

    kept = json.loads(state_file().read_text(encoding="utf-8"))
    state_file().write_text(json.dumps(kept | {"day": "2026-01-14"}), encoding="utf-8")
    assert ensure_todays_campus(console)
    assert "a new day, so the campus starts anew" in said(console)
    assert "l_1" not in load(state_file()).hector.loaners


def test_a_campus_that_cannot_be_read_starts_anew(console):
    state_file().parent.mkdir(parents=True)
    state_file().write_text('{"day": "', encoding="utf-8")

    assert ensure_todays_campus(console)
    assert "cannot be read" in said(console)
    assert load(state_file()).hector.loaners


def test_a_command_uses_the_sandbox_that_runs_and_leaves_its_state_to_it(console):
    with Sandbox(campus(datetime.now(UTC))) as sandbox:
        announce(sandbox, announcement_file())

        with demo(console) as found:
            assert found.hector_url == sandbox.hector_url
            assert found.connections("sandbox") == sandbox.connections("sandbox")
            assert found.openings(datetime.now(UTC), datetime.now(UTC) + timedelta(days=8))
        assert not state_file().exists()
    assert running_sandbox() is None  # the file is still there, and nobody answers


@pytest.mark.parametrize("minute", [0, 7, 14, 59])
def test_the_booking_to_try_opens_a_free_room_whose_lock_is_online(minute):
    now = datetime.now(UTC).replace(minute=minute, second=1)
    made = campus(now)
    save(made, state_file())
    with Sandbox(made) as sandbox:
        found = sample_reservation(load(state_file()), sandbox.hector_url, now)
        address, row = re.fullmatch(r"curl -s -X PUT '(\S+)' -d '(.*)'", found.curl).groups()
        requests.put(address, data=row, timeout=5).raise_for_status()

        booked = sandbox.hector.loaners[f"l_{found.reference}"]
    assert timedelta(0) < found.start - now <= timedelta(minutes=15)
    assert found.start.minute % 15 == 0
    [place] = [line["place_id"] for line in booked["lines"]]
    [lock] = [lock for lock in made.salto.locks.values() if lock.name.casefold() == found.place.casefold()]
    assert lock.online
    others = [row for row in made.hector.loaners.values() if row["id"] != booked["id"]]
    assert not any(
        line.get("place_id") == place
        and datetime.fromisoformat(row["start"]) < datetime.fromisoformat(booked["finish"])
        and datetime.fromisoformat(row["finish"]) > found.start
        for row in others
        for line in row["lines"]
    )
    user = made.hector.users[booked["borrower"]["id"]]
    assert user["status"] == "active"
    assert made.salto.tag_numbered(user["unique_code"]) is not None


def test_what_is_printed_names_page_logins_and_the_way_out(console):
    with Sandbox(campus(datetime.now(UTC))) as sandbox:
        announce(sandbox, announcement_file())
        lines = up._summary_lines(up.AirflowApi(8123, "x"), running_sandbox(), dict.fromkeys(up.LOGINS, "secret"))

    text = "\n".join(lines)
    assert 'http://localhost:8123/   ("Salto doors" in its navigation: http://localhost:8123/plugin/doors)' in text
    assert re.search(r"admin +secret", text)
    assert re.search(r"guest +secret", text)
    assert lines[-1].startswith("make down")


# --- the real thing


@pytest.mark.airflow
@pytest.mark.timeout(1200)
def test_up_serves_and_down_leaves_nothing_behind(tmp_path, integrations):
    integrations("sandbox", (ROOT / "include" / "integrations" / "sandbox.yaml").read_text(encoding="utf-8"))
    integrations("campus", SITE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "HECTOR_SALTO_LEDGER"))
    }
    settings = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "include"), str(ROOT / "plugins")]),
        "UI_PORT": port,
    }

    def command(name: str, patience: int) -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "commands", name],
            env={**kept, **settings},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    try:
        status, text = command("up", 900)
        assert status == 0, text
        page = up.AirflowApi(int(port), re.search(r"admin +(\S+)", text)[1])
        assert page.unhealthy_components() == []
        assert page.accepts_runs_of("salto_sync__sandbox")
        assert page.ask("GET", "/dags/salto_sync__campus").json()["is_paused"]
        runs = page.ask("GET", "/dags/salto_sync__sandbox/dagRuns").json()["dag_runs"]
        assert [run["state"] for run in runs] == ["success"]
        found = running_sandbox()
        assert any(one["group"].startswith("Hector_1") for one in found.openings(*week()))
        again, text = command("up", 300)
        assert again == 0
        assert "it is up already" in text
        assert open_to_others(tmp_path / "airflow") == []
        state = {process.pid for process in ours(tmp_path / "airflow")}
    finally:
        status, text = command("down", 120)
    assert status == 0
    assert "ended: Airflow and the sandbox (" in text
    assert len(state) > len(up.PROGRAMS)
    assert ours(tmp_path / "airflow") == []
    assert not [one for one in psutil.process_iter() if str(tmp_path) in " ".join(words(one))]
    assert running_sandbox() is None


def ours(home: Path) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if supervisor._marker_of(one) == str(home / "up")]


def words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def open_to_others(home: Path) -> list[str]:
    """Sockets of ours that listen anywhere but on loopback, whatever the version of IP; at least those that must be."""
    found = [(one.name(), address.laddr) for one in ours(home) for address in one.net_connections(kind="inet")
             if address.status == psutil.CONN_LISTEN]  # fmt: skip
    assert len({address.port for _, address in found}) >= 4  # page, two of the sandbox, supervisord
    return [f"{name} {address}" for name, address in found if address.ip not in {"127.0.0.1", "::1"}]


def week():
    now = datetime.now(UTC)
    return now, now + timedelta(days=7)
