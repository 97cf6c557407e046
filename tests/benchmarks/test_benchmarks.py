"""The benchmarks still run: each in its smallest form, whatever it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import (
    airflow_overhead,
    apply,
    growth,
    many_machines,
    page,
    requests_sent,
    result_section,
    walk_up,
    whole_sync,
)
from benchmarks.__main__ import NAMES
from benchmarks.measurement import run_benchmark
from benchmarks.sample_site import SampleSize
from benchmarks.server import Requests

ROOT = Path(__file__).resolve().parents[2]
TINY = SampleSize(people=6, bookings=6, doors=3)


def shown(found: result_section.Section) -> str:
    """As it would stand in RESULTS.md, with what would be printed."""
    assert all(ratio.text_line() for ratio in found.ratios)
    return found.markdown()


def test_apply_counts_what_reached_salto():
    applied, bare = apply.measure(SampleSize(people=6, bookings=6, doors=3, strangers=4), (1.0,), bare=8)

    first, mixed = applied
    assert (first.plan, mixed.plan) == ("first", "mixed")
    # A group takes five requests; a person three, and the first of them the list of roles.
    assert first.requests >= 6 * 5 + 4 * 3
    assert 0 < mixed.requests < first.requests
    assert "wall" in shown(apply.build_section(applied, bare))


def test_a_whole_sync_stands_beside_a_script_and_beside_making_all_anew():
    found = whole_sync.measure(TINY, (0.0,), changed=3)

    by = {one.way: one for one in found}
    assert by[whole_sync.FULL].requests == by[whole_sync.SCRIPT].requests
    assert by[whole_sync.FULL].shut == ()
    assert len(by[whole_sync.RECREATE].shut) >= 5
    assert "plain script" in shown(whole_sync.build_section(found))


def test_requests_are_shown_beside_a_full_read():
    assert requests_sent.naive_requests(requests_sent.SCHOOL) == 20 + 20 + 10 + 2 + 3_000
    ran = requests_sent.MeasuredRun(requests_sent.BOOKING, True, 1.0, Requests(20, 0), Requests(40, 4, 1))

    assert ran.to_salto == 44
    assert "one new booking" in shown(requests_sent.build_section([ran]))


@pytest.mark.airflow
def test_the_empty_dag_has_the_shape_of_the_sync(tmp_path, monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    for name, value in airflow_overhead._folders(tmp_path).items():
        monkeypatch.setenv(name, value)
    tasks = airflow_overhead._write_dags(tmp_path / "dags")
    bag = DagBag(str(tmp_path / "dags"))

    assert bag.import_errors == {}
    ours, empty = bag.dags[airflow_overhead.OURS], bag.dags[airflow_overhead.EMPTY]
    assert tasks == len(ours.tasks) == len(empty.tasks)
    edges = [{task.task_id: set(task.downstream_task_ids) for task in dag.tasks} for dag in (ours, empty)]
    assert edges[0] == edges[1]
    found = airflow_overhead.Overhead("LocalExecutor", tasks, (2.0, 3.0), (1.0, 1.0))
    assert "LocalExecutor" in shown(airflow_overhead.build_section([found], []))


@pytest.mark.airflow
def test_growth_and_many_sites_are_measured_in_their_smallest_form():
    grown = growth.measure((100, 200))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR_SALTO_"))}
    command = [sys.executable, "-m", "benchmarks.sites", "2"]
    environment = {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "include"), str(ROOT / "plugins")])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)

    assert done.returncode == 0, done.stderr
    sites = growth.SiteMeasurements(**json.loads(done.stdout.splitlines()[-1]))
    assert sites.sites == 2
    assert "salto_sync.py" in sites.parse
    assert "reservations" in shown(growth.build_section(grown, [sites]))


def test_an_evening_is_shown_with_what_was_lost():
    evening = {
        "sites": 2,
        "seconds": 60.0,
        "states": {"success": 1, "failed": 1},
        "tasks": {"worker-1": 30, "worker-2": 10},
        "cpu": {"worker-1": 20, "scheduler": 2},
        "oldest_plan": 30.0,
    }
    lost = {"healthy": 5.0, "seconds": 50.0, "states": {"success": 6}}
    hangs = {"without": 40.0, "beside": 44.0, "tries": 2, "slot": 118.4}
    found = many_machines.build_section({"evening": evening, "scheduler killed": lost, "Salto hangs": hangs})

    assert [ratio.value for ratio in found.ratios[:3]] == [0.5, 3.0, pytest.approx(1.1)]
    text = shown(found)
    assert "| scheduler killed | 5.00 | 50.0 | 6 success | - |" in text
    assert "Missed: runs of the evening that did not end well" in text


def test_walk_ups_are_shown_for_each_number_of_sites():
    ways = [
        walk_up.WaitResult(what, sites, [10.0, 12.0, 11.0], requests, 20.0)
        for sites in (1, 20)
        for what, requests in ((walk_up.WATCH, 6.0), (walk_up.SMALL, 2.0))
    ]

    text = shown(walk_up.build_section(ways))
    assert text.count("| watch |") == text.count("| small runs |") == 2


def test_a_view_of_the_page_is_shown_with_its_promise():
    text = shown(page.build_section([page.View("week", 20.0, 350.0, 900)], "sqlite"))

    assert "Missed: page, week" in text


def test_a_section_replaces_itself_and_leaves_the_others(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# What was measured\n\n<!-- other -->\nstays\n<!-- end of other -->\n", encoding="utf-8")

    def result(figure: float) -> result_section.Section:
        return result_section.Section("one", "One", "make bench", "What.", [result_section.Table(["s"], [[figure]])])

    result_section.write(result(1.5), path)
    result_section.write(result(2.5), path)

    text = path.read_text(encoding="utf-8")
    assert "stays" in text
    assert "2.50" in text
    assert "1.50" not in text
    assert text.count("## One") == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_make_bench_takes_is_a_file(name):
    assert (ROOT / "benchmarks" / f"{name}.py").exists()


def test_what_cannot_be_measured_is_passed_over(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)

    assert run_benchmark("nothing_of_that_name", "sqlite") is None


def test_the_rules_stand_beside_the_bare_merges():
    from benchmarks import rules_growth

    row = dict.fromkeys(rules_growth.SHOWN, 1.0) | {"scenario": "everyday", "reservations": 1_000}

    assert "bare merges" in shown(rules_growth.build_section([row, row]))
