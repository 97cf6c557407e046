"""``python -m sandbox`` as a process of its own."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

CAMPUS = ["--now", "2026-01-14T15:07:00+00:00", "--hector-port", "0", "--salto-port", "0"]


class Running:
    """The command, started and heard out until it says how to end it."""

    def __init__(self, *options):
        command = [sys.executable, "-m", "sandbox", *CAMPUS, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = []
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break

    def curl(self, number):
        line = [line for line in self.said if line.startswith("curl ")][number]
        return json.loads(subprocess.run(shlex.split(line), capture_output=True, check=True).stdout)

    def cancel_a_loaner(self, hector):
        line = next(line for line in self.said if "_sandbox/loaners/" in line)
        address = hector.removesuffix("/api/v1") + "/_sandbox/loaners/" + line.split("loaners/")[1].split("'")[0]
        requests.patch(address, json={"status": {"code": "cancelled"}}, timeout=5).raise_for_status()

    def end(self, number):
        self.process.send_signal(number)
        _, complaint = self.process.communicate(timeout=5)
        return self.process.returncode, complaint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(number):
    running = Running()

    assert [line.split("=")[0] for line in running.said if line.startswith("export")] == [
        "export AIRFLOW_CONN_HECTOR_SANDBOX",
        "export AIRFLOW_CONN_SALTO_SANDBOX",
    ]
    assert running.end(number) == (0, "")


@pytest.mark.skipif(not any(os.access(f"{p}/curl", os.X_OK) for p in os.get_exec_path()), reason="curl is not here")
def test_its_curl_lines_work_and_a_change_outlives_it(tmp_path):
    state = tmp_path / "state.json"
    first = Running("--state", str(state))
    assert len(first.curl(0)["items"]) == 3
    assert first.curl(1)["token_type"] == "Bearer"
    assert {row["group"] for row in first.curl(2)} >= {"Cleaning"}
    assert first.curl(3)["status"]["code"] == "cancelled"
    assert first.end(signal.SIGTERM) == (0, "")

    saved = json.loads(state.read_text())["hector"]["loaners"]
    second = Running("--state", str(state), "--seed", "7")
    assert second.end(signal.SIGTERM) == (0, "")
    assert json.loads(state.read_text())["hector"]["loaners"] == saved
    assert next(iter(saved.values()))["status"]["code"] == "cancelled"


def test_it_writes_reports_and_writes_them_again_after_a_change(tmp_path):
    running = Running("--reports", str(tmp_path))
    loaners = tmp_path / "Loaners.xlsx"
    wait_until(loaners.exists)
    before = loaners.read_bytes()
    assert any(line.startswith("hector_reports:") for line in running.said)

    hector = next(line.split()[1] for line in running.said if line.startswith("Hector "))
    running.cancel_a_loaner(hector)
    wait_until(lambda: loaners.read_bytes() != before)
    assert {path.name for path in tmp_path.iterdir()} == {"Users.xlsx", "Places.xlsx", "Loaners.xlsx"}
    assert running.end(signal.SIGTERM) == (0, "")


def wait_until(is_so):
    ends = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_port_that_is_taken_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "sandbox", *CAMPUS, "--hector-port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "is in use: end the sandbox that runs there" in ended.stderr
    assert "Traceback" not in ended.stderr
