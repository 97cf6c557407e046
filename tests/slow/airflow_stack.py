"""Many small sites, each with a sandbox of its own, and the Airflow of a stack that brings them in step in one evening."""

from __future__ import annotations

import statistics
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests

from sandbox import Sandbox, empty, openings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.deployment.stack import Stack

NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
GRACE = timedelta(minutes=15)
PASSWORD = "long enough to pass"
PAGE = 100
FILE = """
hector_conn_id: hector_{name}
salto_conn_id: salto_{name}
site_id: {site}
schedule: null
"""


@dataclass
class Site:
    """One door, and people who book it one after another."""

    name: str
    sandbox: Sandbox
    expected: list[tuple[str, str, datetime, datetime]] = field(default_factory=list)

    @classmethod
    def create(cls, number: int) -> Site:
        scenario = empty(seed=number)
        scenario.salto.site.site_uid = f"DE45{number:08d}"
        site = cls(f"site{number:02d}", Sandbox(scenario))
        site.sandbox.salto.add_lock("Studio")
        site.sandbox.hector.add_place("Studio", lock="Studio")
        return site

    def book(self, times: int = 1) -> None:
        """So many bookings more, each of somebody new."""
        hector, salto = self.sandbox.hector, self.sandbox.salto
        (place,) = hector.places
        for _ in range(times):
            number = len(self.expected)
            email, code = f"u{number}@{self.name}.example", f"04A2B3{number:02X}"
            salto.enrol_tag(code)
            user = hector.add_user(email=email, unique_code=code)
            begin = START + timedelta(hours=2 * number)
            hector.add_loaner(user, place, begin, begin + timedelta(hours=1), reference=str(number))
            self.expected.append((email, "Studio", begin - GRACE, begin + timedelta(hours=1) + GRACE))

    def opens(self) -> list[tuple[str, str, datetime, datetime]]:
        """What the door does, from Salto's raw state."""
        found = openings(self.sandbox.salto, NOW, NOW + timedelta(days=6))
        return sorted((one.email, one.lock_name, one.begin, one.end) for one in found)

    @property
    def in_step(self) -> bool:
        return self.opens() == sorted(self.expected)

    def duplicates(self) -> list[str]:
        """Names of groups and emails of people that Salto holds more than once."""
        salto = self.sandbox.salto
        names = [group.name for group in salto.groups.values()]
        emails = [person.email for person in salto.persons.values() if person.email]
        return sorted(text for text, times in Counter(names + emails).items() if times > 1)


@contextmanager
def sites(count: int) -> Iterator[list[Site]]:
    with ExitStack() as servers:
        made = [Site.create(number) for number in range(1, count + 1)]
        for site in made:
            site.book(2)
            servers.enter_context(site.sandbox)
        yield made


def connections(many: Iterable[Site]) -> dict[str, str]:
    return {key: value for site in many for key, value in site.sandbox.connections(site.name).items()}


def write_files(many: Iterable[Site], folder: Path) -> None:
    for site in many:
        text = FILE.format(name=site.name, site=site.sandbox.salto.site.site_uid)
        (folder / f"{site.name}.yaml").write_text(text, encoding="utf-8")


@dataclass
class StackAirflow:
    """The stack's Airflow, as its admin through REST; also while a part of it is away."""

    stack: Stack

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        login = {"username": "admin", "password": PASSWORD}
        answer = session.post(f"{self.stack.url}/auth/token", json=login, timeout=30)
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self._session.request(method, f"{self.stack.url}/api/v2{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def unpause(self, many: Iterable[Site]) -> None:
        """Once the DAGs are there."""
        for site in many:
            dag = f"salto_sync__{site.name}"
            self.stack.until(lambda dag=dag: self.ask("PATCH", f"/dags/{dag}", {"is_paused": False}), f"DAG {dag}")

    def trigger(self, many: Iterable[Site]) -> dict[str, str]:
        """A sync of each, one right after the other; site -> run."""
        return {site.name: self._trigger(f"salto_sync__{site.name}") for site in many}

    def _trigger(self, dag: str) -> str:
        return str(self.ask("POST", f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": {}})["dag_run_id"])

    def wait_for_end(self, runs: dict[str, str], patience: float = 1800.0, every: float = 0.5) -> dict[str, str]:
        """The state of each once all have ended; asked every so many seconds."""
        states = self.stack.until(lambda: self._all_ended(runs), f"the end of {len(runs)} runs", patience, every)
        return dict(states)

    def _all_ended(self, runs: dict[str, str]) -> dict[str, str] | None:
        states = {name: run["state"] for name, run in self.runs(runs).items()}
        return states if len(states) == len(runs) and set(states.values()) <= {"success", "failed"} else None

    def runs(self, runs: dict[str, str]) -> dict[str, dict[str, Any]]:
        body = {"dag_ids": [f"salto_sync__{name}" for name in runs], "page_limit": PAGE, "order_by": "-id"}
        found = self.ask("POST", "/dags/~/dagRuns/list", body)["dag_runs"]
        wanted = set(runs.values())
        return {run["dag_id"].partition("__")[2]: run for run in found if run["dag_run_id"] in wanted}

    def tasks(self, runs: dict[str, str], **only: object) -> list[dict[str, Any]]:
        body = {"dag_run_ids": sorted(set(runs.values())), "page_limit": PAGE, **only}
        found: list[dict[str, Any]] = []
        while True:
            page = self.ask("POST", "/dags/~/dagRuns/~/taskInstances/list", {**body, "page_offset": len(found)})
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return [task for task in found if task["dag_id"].partition("__")[2] in runs]

    def host_of(self, site: Site, task_id: str, runs: dict[str, str]) -> str:
        """The worker that runs a task just now."""
        one = {site.name: runs[site.name]}

        def host() -> str | None:
            tasks = [task for task in self.tasks(one) if task["task_id"] == task_id]
            return tasks[0]["hostname"] if tasks and tasks[0]["state"] == "running" else None

        return str(self.stack.until(host, f"{task_id} of {site.name}"))

    def spread(self, runs: dict[str, str]) -> Counter[str]:
        """How many tasks ran on each worker."""
        return Counter(task["hostname"] for task in self.tasks(runs) if task["hostname"])

    def oldest_plan(self, runs: dict[str, str]) -> float:
        """Seconds from a run's first task to its apply, of the run in which that was longest; none: 0."""
        begun: dict[str, datetime] = {}
        applied: dict[str, datetime] = {}
        for task in self.tasks(runs):
            if task["task_id"] == "start_run" and task["start_date"]:
                begun[task["dag_id"]] = moment(task["start_date"])
            if task["task_id"] == "apply" and task["start_date"]:
                applied[task["dag_id"]] = moment(task["start_date"])
        return max(((applied[dag] - begun[dag]).total_seconds() for dag in applied), default=0.0)

    def seconds(self, runs: dict[str, str]) -> dict[str, float]:
        """From being queued to the end."""
        return {
            name: (moment(run["end_date"]) - moment(run["queued_at"])).total_seconds()
            for name, run in self.runs(runs).items()
        }

    def median(self, runs: dict[str, str]) -> float:
        return statistics.median(self.seconds(runs).values())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
