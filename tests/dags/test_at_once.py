"""A sync of a few given reservations takes all its steps in its first task."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hector_salto.ui.dag_runs import StepState, run_progress
from hector_salto.workflow.sync_steps import FEW
from sandbox import faults
from tests.dags.test_approval import LINES, groups
from tests.dags.test_approval import campus as three  # noqa: F401 - a fixture
from tests.dags.test_runs import START, WINDOW, campus, opened  # noqa: F401 - a fixture

STEPS = ("extract", "plan", "apply")
RELOAD = {"references": ["10452"]}


def steps(ended):
    return {ended.tasks[step] for step in STEPS}


def test_its_door_opens_in_the_first_task_and_the_report_verifies_it(campus, run_in_airflow):  # noqa: F811
    """In Airflow's own task runner: the tasks that have nothing to do are skipped, not run."""
    ended = run_in_airflow("sync", "campus", sandbox=campus, conf=RELOAD)

    assert opened(campus) == WINDOW
    assert ended.tasks == {
        **dict.fromkeys((*STEPS, "ask_for_approval"), "skipped"),
        **dict.fromkeys(("start_run", "report", "alert"), "success"),
    }
    assert (ended.state, (ended.folder / "report.json").exists()) == ("success", True)
    assert "10452 in step; no other reservation was looked at" in ended.log

    run_id = json.loads((ended.folder / "run.json").read_text())["run_id"]
    done = [(title, StepState.DONE) for title in ("Read, plan and send at once", "Report")]
    assert run_progress("campus", run_id).steps == done, "what the card of the integration shows of it"


@pytest.mark.parametrize(
    "more", [{"plan_only": True}, {"verify": True}, {"references": [str(n) for n in range(FEW + 1)]}]
)
def test_whatever_else_is_asked_for_takes_the_tasks(campus, run_dag, more):  # noqa: F811
    ended = run_dag("sync", "campus", sandbox=campus, conf={"references": ["10452"], **more})

    assert ended.tasks["extract"] == ended.tasks["plan"] == "success"


def test_what_fails_before_anything_is_sent_is_left_to_the_tasks(campus, run_dag):  # noqa: F811
    """They try again: here Hector answers by then."""
    campus.hector_faults.on("GET", ".*/loaners", faults.status(401, "x"), times=1)
    ended = run_dag("sync", "campus", sandbox=campus, conf=RELOAD)

    assert (ended.state, steps(ended)) == ("success", {"success"})
    assert "left to the tasks that follow" in ended.log
    assert opened(campus) == WINDOW
    assert '"causes": []' in (ended.folder / "causes.json").read_text()


def test_what_goes_on_failing_ends_red_in_its_own_task(campus, run_dag):  # noqa: F811
    campus.hector_faults.on("GET", ".*/loaners", faults.status(401, "x"))
    ended = run_dag("sync", "campus", sandbox=campus, conf=RELOAD)

    assert (ended.state, ended.tasks["start_run"], ended.tasks["extract"]) == ("failed", "success", "failed")
    assert "extract_loaners: " in (ended.folder / "causes.json").read_text()
    assert campus.writes == []


def test_an_apply_that_cannot_be_done_ends_red_and_is_not_repeated(campus, run_dag, monkeypatch):  # noqa: F811
    from hector_salto.workflow import plan_application
    from hector_salto.workflow.failures import OtherRunError

    tries = []

    def busy(*given, **named):
        tries.append(given)
        raise OtherRunError("another run has the site")

    monkeypatch.setattr(plan_application, "apply", busy)
    ended = run_dag("sync", "campus", sandbox=campus, conf=RELOAD)

    assert (ended.state, ended.tasks["start_run"], steps(ended)) == ("failed", "failed", {"upstream_failed"})
    assert "apply: another run has the site" in (ended.folder / "causes.json").read_text()
    assert len(tries) == 1


def test_what_it_holds_back_is_asked_about(three, run_dag):  # noqa: F811
    held = run_dag("sync", "campus", sandbox=three, lines=LINES, conf={"references": ["0", "1"]})

    assert (held.state, steps(held), held.tasks["ask_for_approval"]) == ("failed", {"skipped"}, "success")
    assert set(held.triggered["salto_approval__campus"]) == {"digest"}
    assert groups(three) == ["Hector_0", "Hector_1", "Hector_2"]


def test_the_watch_of_a_new_site_only_plans(campus, run_dag):  # noqa: F811
    ended = run_dag("sync", "campus", sandbox=campus, conf=RELOAD, run_type="operator_triggered")

    assert (ended.state, ended.tasks["start_run"], campus.writes) == ("success", "success", [])
    assert len(ended.table("operations"))


def test_a_walk_up_leaves_every_other_reservation_to_the_next_sync(campus, run_dag):  # noqa: F811
    run_dag("sync", "campus", sandbox=campus)
    bo = campus.hector.add_user(email="bo@campus.example", unique_code="04A2B3C5")
    campus.salto.enrol_tag("04A2B3C5")
    place = next(iter(campus.hector.places))
    for number, reference in enumerate(("walk-up", "later")):
        begin = START + timedelta(hours=2 + number)
        campus.hector.add_loaner(bo, place, begin, begin + timedelta(minutes=30), reference=reference)
    run_dag("sync", "campus", sandbox=campus, conf={"references": ["walk-up"]}, run_type="operator_triggered")

    assert groups(campus) == ["Hector_10452", "Hector_walk-up"]
