"""Airflow's processes for a measurement: scheduler, dag-processor and api-server, with or without Celery and its worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import requests
import yaml

from commands.settings import ROOT, airflow_command
from tests.ledger import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
LOCAL, CELERY = "LocalExecutor", "CeleryExecutor"
IMPORTS = "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"
PATIENCE, POLL, STOPPING = 240.0, 0.2, 30.0
SLOTS = 8  # tasks at once


class MissingError(Exception):
    """A program that an executor needs is not on this machine."""


@dataclass(frozen=True)
class AirflowServer:
    """Its REST API."""

    url: str
    home: Path

    def run(self, dag_id: str) -> float:
        """Seconds from the queue to the end of a run that ends well."""
        answer = self._ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})
        answer.raise_for_status()
        path = f"/dags/{dag_id}/dagRuns/{answer.json()['dag_run_id']}"
        ended = self.until(lambda: self._end_of_run(path), f"the end of {dag_id}")
        if ended["state"] != "success":
            raise RuntimeError(f"{dag_id} ended {ended['state']}")
        return (_moment(ended["end_date"]) - _moment(ended["queued_at"])).total_seconds()

    def make_pool(self, name: str) -> None:
        self._ask("POST", "/pools", {"name": name, "slots": 1}).raise_for_status()

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait for the dag-processor."""
        self.until(lambda: self._ask("GET", f"/dags/{dag_id}").ok, f"the DAG {dag_id}")

    def until(self, look: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                if found := look():
                    return found
            time.sleep(POLL)
        raise TimeoutError(f"no sign of {what} within {PATIENCE:.0f} s; see the logs in {self.home}")

    def is_healthy(self) -> bool:
        health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        return {health[name]["status"] for name in ("scheduler", "dag_processor")} == {"healthy"}

    def _end_of_run(self, path: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self._ask("GET", path).json()
        return found if found["state"] in {"success", "failed"} else None

    def _ask(self, method: str, path: str, body: object = None) -> requests.Response:
        token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.url}/api/v2{path}", json=body, headers=headers, timeout=30)


@contextlib.contextmanager
def serving(executor: str, home: Path, dags: Path, settings: Mapping[str, str]) -> Iterator[AirflowServer]:
    """Both executors on a PostgreSQL of their own.

    Raises:
        MissingError: when PostgreSQL or (Celery) Redis is not on this machine.
    """
    with contextlib.ExitStack() as stack:
        programs = postgres.programs()
        if programs is None:
            raise MissingError(postgres.MISSING)
        database = stack.enter_context(postgres.server(programs)).url
        port = free_port()
        environment = _environment(executor, home, dags, f"http://127.0.0.1:{port}", database) | dict(settings)
        names = ["api-server", "scheduler", "dag-processor"]
        if executor == CELERY:
            environment |= stack.enter_context(_broker(home, database))
            names.append("celery worker")
        _once(environment, home, "db", "migrate")
        for name in names:
            stack.enter_context(_process(airflow_command(*name.split()), environment, home / f"{name}.log"))
        server = AirflowServer(f"http://127.0.0.1:{port}", home)
        server.until(server.is_healthy, "Airflow")
        yield server


def _environment(executor: str, home: Path, dags: Path, url: str, database: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR_SALTO_"))}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "include"), str(ROOT / "plugins")]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "AIRFLOW__CORE__EXECUTOR": executor,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(SLOTS),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",  # else both wait a second between two tasks
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
    }


@contextlib.contextmanager
def _broker(home: Path, database: str) -> Iterator[dict[str, str]]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(home)]
    try:
        running = _process(command, dict(os.environ), home / "redis.log")
        with running:
            yield {
                "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0",
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
                IMPORTS: _of_compose(IMPORTS),
            }
    except FileNotFoundError:
        raise MissingError("Redis is not on this machine; on Debian: apt-get install redis-server") from None


def _of_compose(setting: str) -> str:
    """What docker-compose.yml sets for a worker."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return str(compose["services"]["worker-1"]["environment"][setting])


def _once(environment: dict[str, str], home: Path, *words: str) -> None:
    done = subprocess.run(
        airflow_command(*words), env=environment, capture_output=True, text=True, check=False, cwd=home
    )
    if done.returncode:
        raise RuntimeError(f"airflow {' '.join(words)}: {done.stderr[-2000:]}")


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """One process with its children, ended together."""
    with log.open("w", encoding="utf-8") as file:
        started = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True, cwd=log.parent
        )
    try:
        yield
    finally:
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(STOPPING)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)  # children that outlive it; it leads their group
        started.wait()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
