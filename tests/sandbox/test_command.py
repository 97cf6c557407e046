"""``python -m sandbox`` as a process of its own."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

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
