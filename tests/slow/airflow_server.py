"""A real Airflow (`airflow standalone`: scheduler, dag-processor, api-server) in a folder of its own, spoken to by REST."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
LOGINS = {"admin": "admin", "desk": "user", "guest": "viewer"}
PATIENCE = 400.0


@dataclass
class AirflowServer:
    """Its REST API as one of LOGINS."""

    url: str
    home: Path
    patience: float = PATIENCE

    def ask(self, method: str, path: str, body: object = None, *, as_: str = "admin") -> requests.Response:
        login = {"username": as_, "password": as_}
        token = requests.post(f"{self.url}/auth/token", json=login, timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.url}/api/v2{path}", json=body, headers=headers, timeout=30)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, *, as_: str = "desk") -> str:
        self.until(lambda: self.ask("GET", f"/dags/{dag_id}").ok, f"the DAG {dag_id}")
        answer = self.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf or {}}, as_=as_)
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def wait_for_end(self, dag_id: str, run_id: str) -> str:
        """The state of a run once it has ended."""

        def state() -> str | None:
            found = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}").json()["state"]
            return found if found in {"success", "failed"} else None

        return str(self.until(state, f"the end of {run_id}"))

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        return list(self.ask("GET", f"/dags/{dag_id}/dagRuns?order_by=id").json()["dag_runs"])

    def questions(self) -> list[dict[str, Any]]:
        """What waits under Required Actions."""
        path = "/dags/~/dagRuns/~/hitlDetails?response_received=false"
        return list(self.ask("GET", path).json()["hitl_details"])

    def answer(self, question: dict[str, Any], option: str, *, as_: str = "desk") -> requests.Response:
        task = question["task_instance"]
        path = f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/-1/hitlDetails"
        return self.ask("PATCH", path, {"chosen_options": [option], "params_input": {}}, as_=as_)

    def until(self, look: Any, what: str) -> Any:
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                if found := look():
                    return found
            time.sleep(0.5)
        log = (self.home / "standalone.log").read_text(encoding="utf-8", errors="replace")
        raise TimeoutError(f"no sign of {what} within {self.patience:.0f} s; the end of its log:\n{log[-4000:]}")


@contextlib.contextmanager
def airflow_server(home: Path, integrations: Path, connections: dict[str, str]) -> Iterator[AirflowServer]:
    home.mkdir()
    (home / "passwords.json").write_text(json.dumps({name: name for name in LOGINS}), encoding="utf-8")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}:{ROOT / 'plugins'}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HECTOR_SALTO_INTEGRATIONS": str(integrations),
        "HECTOR_SALTO_RUNS": (home / "runs").as_uri(),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in LOGINS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR"))}
    with (home / "standalone.log").open("w", encoding="utf-8") as log:
        command = [str(Path(sys.executable).parent / "airflow"), "standalone"]
        process = subprocess.Popen(
            command, env={**environment, **settings, **connections}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            server = AirflowServer(url, home)
            server.until(lambda: requests.get(f"{url}/api/v2/monitor/health", timeout=5).ok, "Airflow")
            yield server
        finally:
            # Airflow's own children start groups of their own; asked with SIGINT it stops them all.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
