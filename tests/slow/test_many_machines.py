"""The stack of docker-compose.yml on many sites: an evening, and what happens when a part of it is lost in the middle.

Commands, settings and health checks are the file's own (tests/deployment/stack.py). What the test sets differently is
OTHER, for the test not to take an hour. ``SITES=50`` (the default of a long sweep) is the evening of a large customer.
``make bench ONLY="many_machines"`` runs it too and keeps what it tells in benchmarks/RESULTS.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from sandbox.faults import hang, run
from tests.deployment import stack as stacks
from tests.effort import EFFORT
from tests.slow import airflow_stack as evenings
from tests.slow.airflow_stack import StackAirflow
from tests.workflow import bucket as s3

pytestmark = [pytest.mark.prove, pytest.mark.timeout(7200), pytest.mark.xdist_group("many_machines")]
SITES = int(os.environ.get("SITES", "50" if EFFORT >= 20 else "8"))
OTHER = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60"}  # the file: 120 s
FEW = 6
ONE_SHOT = {"logins", "migrate", "pools"}
WORKERS = {"worker-1", "worker-2"}


@pytest.fixture(scope="module")
def sites():
    with evenings.sites(SITES) as made:
        yield made


@pytest.fixture(scope="module")
def stack(sites, tmp_path_factory):
    if why := stacks.missing():
        pytest.skip(why)
    with s3.bucket() as frames:
        settings = {
            "UI_PASSWORDS": json.dumps({"admin": evenings.PASSWORD}),
            "HECTOR_SALTO_RUNS": f"s3://runs@{s3.NAME}/runs",
            "AIRFLOW_CONN_RUNS": frames.connection,
            **evenings.connections(sites),
        }
        project = stacks.write_project(tmp_path_factory.mktemp("project"), settings)
        evenings.write_files(sites, project / "include" / "integrations")
        with stacks.running(project, other=OTHER) as found:
            found.frames = frames
            yield found


@pytest.fixture(scope="module")
def evening(stack, sites):
    """Airflow, with all sites in step for the first time."""
    found = StackAirflow(stack)
    found.unpause(sites)
    before, ours = stack.cpu(), time.process_time()
    began = time.monotonic()
    runs = found.trigger(sites)
    states = found.wait_for_end(
        runs, 5400, every=5.0
    )  # asked more often, the asking would show in the api-server's CPU
    seconds, after = time.monotonic() - began, stack.cpu()
    cpu = {name: round(after[name] - before.get(name, 0)) for name in after if name not in ONE_SHOT}
    cpu["sandboxes and bucket"] = round(time.process_time() - ours)
    tell(
        "evening",
        seconds=seconds,
        sites=len(sites),
        states=Counter(states.values()),
        tasks=found.spread(runs),
        cpu=cpu,
        oldest_plan=found.oldest_plan(runs),
    )
    found.first = runs, states
    return found


@pytest.fixture
def few(sites, evening):
    """Some of the sites, each with bookings that nobody has brought in step yet."""
    chosen = sites[:FEW]
    for site in chosen:
        site.book()
    yield chosen
    for site in chosen:
        site.sandbox.latency_ms = 0
        site.sandbox.salto_faults.clear()


def tell(what: str, **figures: object) -> None:
    """Shown with ``pytest -s``, and kept as a line of JSON where MEASURED says."""
    line = json.dumps({"what": what, **figures})
    sys.stdout.write(f"measured: {line}\n")
    sys.stdout.flush()
    if path := os.environ.get("MEASURED"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def in_step_after_another_sync(evening, sites):
    """The next sync of each ends green and brings its site in step; nothing exists twice."""
    states = evening.wait_for_end(evening.trigger(sites))
    assert set(states.values()) == {"success"}, states
    assert [site.name for site in sites if not site.in_step] == []
    assert {site.name: site.duplicates() for site in sites if site.duplicates()} == {}


def test_all_sites_of_an_evening_are_in_step_and_both_workers_had_their_part(evening, sites, stack):
    runs, states = evening.first

    assert Counter(states.values()) == {"success": len(sites)}
    assert [site.name for site in sites if not site.in_step] == []
    assert [site.name for site in sites if site.duplicates()] == []
    spread = evening.spread(runs)
    assert set(spread) == WORKERS
    assert min(spread.values()) > 0.3 * sum(spread.values()), spread
    assert {key.split("/")[1] for key in stack.frames.names()} >= {site.name for site in sites[:5]}
    assert list(stack.volume("runs").iterdir()) == []  # nothing is kept where only one machine would see it
    assert max(service.starts for service in stack.services.values()) == 1


def test_a_worker_that_is_lost_in_the_middle_of_an_apply_reddens_that_run_and_no_other(evening, few, stack):
    unlucky = few[0]
    reached, lost = threading.Event(), threading.Event()

    def wait(_call):
        reached.set()
        lost.wait(60)

    unlucky.book(3)
    unlucky.sandbox.salto_faults.at(4, run(wait), writes=True)
    runs = evening.trigger(few)
    assert reached.wait(600)
    worker = evening.host_of(unlucky, "apply", runs)
    beside = [task for task in evening.tasks(runs, state=["running"]) if task["hostname"] == worker]
    stack.kill(worker, comes_back=False)
    began = time.monotonic()
    lost.set()

    states = evening.wait_for_end(runs)
    tell("worker lost", seconds=time.monotonic() - began, tasks_on_it=len(beside), states=Counter(states.values()))
    tasks = {task["task_id"]: task for task in evening.tasks({unlucky.name: runs[unlucky.name]})}
    assert (tasks["apply"]["state"], states[unlucky.name]) == ("failed", "failed")
    assert tasks["apply"]["try_number"] == 1, "an apply is not repeated"
    assert tasks["report"]["hostname"] != worker
    hit = {task["dag_id"].partition("__")[2] for task in beside}
    assert {name for name, state in states.items() if state == "failed"} <= hit
    stack.start(worker)
    stack.until(lambda: stack.healthy(worker), "the worker")
    in_step_after_another_sync(evening, few)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_scheduler_that_restarts_loses_no_run(evening, few, stack, how):
    runs = evening.trigger(few)
    evening.stack.until(lambda: evening.tasks(runs, state=["running"]), "running tasks")
    began = time.monotonic()
    if how == "stopped":
        stack.restart("scheduler")
    else:
        stack.kill("scheduler", comes_back=True)
    stack.until(lambda: stack.healthy("scheduler"), "the scheduler")
    healthy = time.monotonic() - began

    states = evening.wait_for_end(runs)
    seconds = time.monotonic() - began
    tell(f"scheduler {how}", healthy=healthy, seconds=seconds, states=Counter(states.values()))
    assert set(states.values()) == {"success"}
    assert [site.name for site in few if not site.in_step or site.duplicates()] == []


def test_a_database_that_restarts_leaves_what_the_next_sync_brings_in_step(evening, few, stack):
    runs = evening.trigger(few)
    evening.stack.until(lambda: evening.tasks(runs, state=["running"]), "running tasks")
    starts = {name: service.starts for name, service in stack.services.items()}
    began = time.monotonic()
    stack.restart_postgres()
    stack.until(lambda: stack.healthy("postgres"), "PostgreSQL")
    healthy = time.monotonic() - began

    states = evening.wait_for_end(runs)
    seconds = time.monotonic() - began
    again = [name for name, one in stack.services.items() if one.starts > starts[name] and name != "postgres"]
    tell("PostgreSQL restarted", healthy=healthy, seconds=seconds, states=Counter(states.values()), again=again)
    assert not WORKERS & set(again)
    in_step_after_another_sync(evening, few)


def test_a_site_that_hangs_does_not_slow_the_others(evening, few):
    hanging, *others = few
    quiet = evening.trigger(others)
    assert set(evening.wait_for_end(quiet).values()) == {"success"}
    for site in others:
        site.book()

    hanging.sandbox.salto_faults.on("*", ".", hang(3600))
    stuck = evening.trigger([hanging])
    evening.host_of(hanging, "plan", stuck)
    runs = evening.trigger(others)
    states = evening.wait_for_end(runs)
    beside, without = evening.median(runs), evening.median(quiet)
    assert set(states.values()) == {"success"}
    assert beside < 1.5 * without + 5

    assert evening.wait_for_end(stuck) == {hanging.name: "failed"}
    plan = next(task for task in evening.tasks(stuck) if task["task_id"] == "plan")
    tell("Salto hangs", without=without, beside=beside, tries=plan["try_number"], slot=plan["duration"])
    hanging.sandbox.salto_faults.clear()
    in_step_after_another_sync(evening, [hanging])


@pytest.mark.parametrize(("part", "service"), [("dagProcessor", "dag-processor"), ("triggerer", "triggerer")])
def test_the_checks_of_pods_in_the_helm_values_tell_who_lives(evening, stack, part, service):
    values = yaml.safe_load((stacks.ROOT / "deploy" / "helm" / "values.yaml").read_text(encoding="utf-8"))
    command = values[part]["livenessProbe"]["command"]

    def check(host: str) -> int:
        environment = stack.services[service].environment | {"HOSTNAME": host}
        return subprocess.run([sys.executable, *command[1:]], env=environment, check=False).returncode

    assert check(service) == 0
    assert check("another-pod") == 1


def test_nothing_of_the_stack_is_left_behind(tmp_path, sites):
    if why := stacks.missing():
        pytest.skip(why)
    project = stacks.write_project(tmp_path / "project", {"UI_PASSWORDS": json.dumps({"admin": evenings.PASSWORD})})
    seen = []

    def fail_inside():
        with stacks.running(project) as found:
            seen.extend([found, len(found.processes())])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    found, processes = seen
    assert processes > 10
    assert found.processes() == []
    assert not found.home.exists()
