"""The REST API of the Airflow that `make up` runs, as its admin."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests

from commands.supervisor import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

ANSWER_TIMEOUT, SILENCE_TIMEOUT = 15.0, 60.0  # seconds of patience


class StartupError(Exception):
    """It cannot be started, or did not come up; the message says why and what to do. Nothing is left running."""


@dataclass(frozen=True)
class AirflowApi:
    """Where it is, and the admin's password."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def api(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a proxy that the environment names does not reach loopback
        login = {"username": "admin", "password": self.password}
        answer = session.post(f"{self.api}/auth/token", json=login, timeout=ANSWER_TIMEOUT)
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        return self._session.request(method, f"{self.api}/api/v2{path}", json=body, timeout=ANSWER_TIMEOUT)

    def unhealthy_components(self, since: datetime | None = None) -> list[str]:
        """What of Airflow is not healthy, or has given no sign of life since then (the last one's are still fresh)."""
        try:
            found = self.ask("GET", "/monitor/health").json()
        except (requests.RequestException, ValueError):
            return ["api-server"]
        return [name for name, part in found.items() if not _is_healthy(part, name, since)]

    def accepts_runs_of(self, dag_id: str) -> bool:
        """True when a run of this DAG that is triggered there begins: the DAG is known and not paused."""
        answer = self.ask("GET", f"/dags/{dag_id}")
        return answer.ok and not answer.json()["is_paused"]

    def make_pool(self, name: str, pool: Mapping[str, object]) -> None:
        if not self.ask("GET", f"/pools/{name}").ok:
            self.ask("POST", "/pools", {"name": name, **pool}).raise_for_status()

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        answer = self.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        if answer.status_code in {requests.codes.bad_request, requests.codes.unprocessable}:
            raise StartupError(f"Airflow refuses these run parameters: {answer.json().get('detail')}")
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def wait_for_run(self, dag_id: str, run_id: str, console: Console, *, patience: float | None = None) -> str:
        """Wait for a run to end, naming each task as it does.

        Raises:
            UpError: when Airflow falls silent, or the run takes longer than ``patience``.
        """
        told: set[str] = set()
        began = heard = time.monotonic()
        state = ""
        while state not in {"success", "failed"}:
            time.sleep(1)
            try:
                state = self._poll_run(dag_id, run_id, told, console)
                heard = time.monotonic()
            except requests.RequestException as error:
                if time.monotonic() - heard > SILENCE_TIMEOUT:
                    raise StartupError(
                        f"Airflow does not answer any more ({error}); `make down`, then `make up`"
                    ) from None
            if patience is not None and time.monotonic() - began > patience:
                raise StartupError(f"{dag_id} has not ended within {patience:.0f} s")
        return state

    def _poll_run(self, dag_id: str, run_id: str, told: set[str], console: Console) -> str:
        run = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        tasks = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        for answer in (run, tasks):
            answer.raise_for_status()
        ended = [task for task in tasks.json()["task_instances"] if task["end_date"] and task["task_id"] not in told]
        for task in sorted(ended, key=lambda one: str(one["end_date"])):
            told.add(task["task_id"])
            if task["state"] not in {"skipped", "removed"}:
                style = "red" if task["state"] in {"failed", "upstream_failed"} else None
                console.print(f"  {task['task_id']}: {task['state']}", style=style, highlight=False, markup=False)
        return str(run.json()["state"])

    def folder(self, dag_id: str, run_id: str) -> str | None:
        """Return the folder of a run, as its first task returned it."""
        answer = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/start_run/xcomEntries/return_value")
        return str(answer.json()["value"]) if answer.ok else None


def _is_healthy(part: Mapping[str, str | None], name: str, since: datetime | None) -> bool:
    beat = part.get(f"latest_{name}_heartbeat")
    fresh = name == "metadatabase" or since is None or (beat is not None and datetime.fromisoformat(beat) > since)
    return part["status"] == "healthy" and fresh
