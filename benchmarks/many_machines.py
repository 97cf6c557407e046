"""The stack of docker-compose.yml with 50 sites on one evening, and what becomes of runs when a part of it is lost.

What is run, and what must come of it, is tests/slow/test_many_machines.py: when one of its tests fails there are no
figures. Two workers, PostgreSQL, Redis and everything else are processes of this one machine; so are the 50 sandboxes and
the bucket, whose CPU is told beside.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import scale
from benchmarks.airflow_server import MissingError
from benchmarks.result_section import Chart, Ratio, Section, Table
from tests.deployment import stack

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
TEST = "tests/slow/test_many_machines.py"
SITES = 50
SLOTS = 16  # of both workers, as compose has them
HANGS = 1.5  # times as long, beside a site that hangs
STOPPING = 180.0  # seconds that the test's stack may take to end


def section() -> Section:
    return build_section(measure())


def measure(sites: int = SITES) -> dict[str, dict[str, Any]]:
    """What the test told, by what was lost.

    Raises:
        MissingError: when PostgreSQL or Redis is not on this machine.
        RuntimeError: when it failed; its output is on the terminal.
    """
    if why := stack.missing():
        raise MissingError(why)
    with tempfile.TemporaryDirectory(prefix="hector-salto-many-") as folder:
        path = Path(folder) / "measured.jsonl"
        environment = os.environ | {"SITES": str(sites), "EFFORT": "2", "MEASURED": str(path)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", TEST]
        _run(command, environment)
        lines = path.read_text(encoding="utf-8").splitlines()
    return {line.pop("what"): line for line in map(json.loads, lines)}


def _run(command: list[str], environment: dict[str, str]) -> None:
    """Ended before its end, the test ends its stack, whose processes nobody else knows."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        if process.wait():
            raise RuntimeError(f"{TEST} failed: no figures")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOPPING)


def build_section(found: Mapping[str, dict[str, Any]]) -> Section:
    evening, hangs = found["evening"], found["Salto hangs"]
    sites, minutes = evening["sites"], evening["seconds"] / 60
    # Everything shares these cores: what all of it needs is reckoned to the tasks.
    costs = scale.Costs(task=sum(evening["cpu"].values()) / sum(evening["tasks"].values()), start=0.0)
    house = scale.Deployment(slots=SLOTS, cores=os.cpu_count() or 1)
    simulated = scale.Simulation(sites, scale.TINY, house, costs).run().minutes
    return Section(
        name="many_machines",
        title="Many machines: 50 sites on one evening, and parts that are lost",
        command='make bench ONLY="many_machines"',
        about=(
            f"[many_machines.py](many_machines.py): the stack of docker-compose.yml as processes, {SLOTS} slots on two workers, runs in a "
            f"bucket; {sites} sites of one door, whose first syncs are started one right after the other; then six sites with new bookings, "
            "whose syncs are under way when a part is lost."
        ),
        tables=[
            Table(
                ["sites", "runs that ended well", "minutes", "tasks on worker-1", "on worker-2", "oldest plan, s"],
                [
                    [
                        sites,
                        evening["states"].get("success", 0),
                        minutes,
                        evening["tasks"].get("worker-1", 0),
                        evening["tasks"].get("worker-2", 0),
                        evening["oldest_plan"],
                    ]
                ],
            ),
            _cpu(evening),
            Table(
                ["lost, six syncs under way", "healthy again, s", "last run ended, s", "runs", "besides"],
                _outage_rows(found),
            ),
            Table(
                ["Salto of one site hangs", "median sync of the others, s"],
                [["before", hangs["without"]], ["beside it", hangs["beside"]]],
            ),
        ],
        ratios=[
            Ratio(
                "runs of the evening that did not end well / all", 1 - evening["states"].get("success", 0) / sites, 0.0
            ),
            Ratio("tasks of the busier worker / of the other", _spread(evening["tasks"]), 2.0),
            Ratio("median sync beside a site that hangs / before", hangs["beside"] / hangs["without"], HANGS),
            Ratio("minutes measured / simulated (scale.py) with this CPU a task", minutes / simulated),
        ],
        charts=[
            Chart(
                "CPU of the evening",
                "",
                "seconds",
                {f"{sites} sites": [(name, float(seconds)) for name, seconds in evening["cpu"].items()]},
            )
        ],
        notes=[
            f"The site that hangs held a slot {hangs['tries']} times, the last for {hangs['slot']:.0f} s; its run ended red.",
            "Afterwards every site was in step, and no group and no person existed twice.",
            "After a worker or the database was lost, the next syncs, all green, were waited for; after the scheduler, none.",
        ],
    )


def _cpu(evening: Mapping[str, Any]) -> Table:
    tasks = sum(evening["tasks"].values())
    rows = [[name, seconds, seconds / tasks] for name, seconds in evening["cpu"].items()]
    total = sum(evening["cpu"].values())
    return Table(["CPU of the evening", "s", "s a task"], [*rows, ["all", total, total / tasks]])


def _outage_rows(found: Mapping[str, dict[str, Any]]) -> list[list[object]]:
    names = [name for name in found if name not in {"evening", "Salto hangs"}]
    return [
        [
            name,
            found[name].get("healthy", "-"),
            found[name]["seconds"],
            ", ".join(f"{times} {state}" for state, times in sorted(found[name]["states"].items())),
            _describe_rest(found[name]),
        ]
        for name in names
    ]


def _describe_rest(told: Mapping[str, Any]) -> str:
    if "tasks_on_it" in told:
        return f"tasks on it: {told['tasks_on_it']}"
    return f"ended and started again: {', '.join(told['again']) or 'nothing'}" if "again" in told else "-"


def _spread(tasks: Mapping[str, int]) -> float:
    return max(tasks.values()) / min(tasks.values()) if len(tasks) > 1 else float("inf")
