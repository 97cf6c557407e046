from __future__ import annotations

from datetime import UTC, datetime, timedelta
from inspect import signature

import pytest

from hector_salto.workflow.parameters import OF_KIND
from hector_salto.workflow.parsing import nightly
from tests.dags.conftest import serialization

GOOD = "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE1\n"


def test_the_repositorys_own_files_make_their_dags(dag_bag):
    """Whatever files somebody has added beside them."""
    found = dag_bag()

    assert {"salto_sync__sandbox", "salto_cleanup__sandbox"} <= set(found.dags)
    assert {path for path in found.import_errors if "broken_integrations" not in path} == set()


def test_every_dag_keeps_the_house_rules(dag_bag, integrations):
    """Documented, tagged, one run at a time, no catch-up; what writes uses the site's pool and is never retried."""
    integrations("campus", GOOD)
    found = dag_bag()

    kinds = ("sync", "cleanup", "approval", "watch")
    assert {f"salto_{kind}__campus" for kind in kinds} == set(found.dags)
    for dag in found.dags.values():
        assert dag.doc_md
        assert dag.tags
        assert not dag.catchup
        if "approval" in dag.dag_id:
            assert not dag.is_paused_upon_creation
            continue
        assert dag.max_active_runs == 1
        if "watch" in dag.dag_id:
            assert dag.is_paused_upon_creation
            continue
        apply = dag.get_task("apply")
        assert apply.pool == "salto_site_de1"
        assert apply.retries == 0
        assert dag.get_task("plan").retries == 1


def test_owner_and_site_of_a_dag_come_from_its_file(dag_bag, integrations):
    integrations("campus", GOOD + "owner: facilities\n")

    for dag in dag_bag().dags.values():
        assert "site:campus" in dag.tags
        assert {task.owner for task in dag.tasks} == {"facilities"}


def test_the_nights_cleanups_do_not_all_start_at_once():
    """Between 02:00 and 04:59, each site at its own time."""
    times = [nightly(f"site_{number}").split()[:2] for number in range(200)]

    assert len({tuple(time) for time in times}) > 100
    assert {int(hour) for _, hour in times} == {2, 3, 4}


def test_the_tasks_that_people_look_at_link_to_the_page(dag_bag, integrations):
    from airflow.models.taskinstancekey import TaskInstanceKey

    integrations("campus", GOOD)
    dag = dag_bag().dags["salto_sync__campus"]

    linked = {task.task_id: task.operator_extra_links for task in dag.tasks if task.operator_extra_links}
    assert {"plan", "apply", "report"} <= set(linked)
    (link,) = linked["plan"]
    key = TaskInstanceKey(dag.dag_id, "plan", "manual__1+0")
    assert link.get_link(dag.get_task("plan"), ti_key=key).endswith(
        "/doors/run?dag_id=salto_sync__campus&run_id=manual__1%2B0"
    )


def test_sync_and_cleanup_of_one_site_share_a_pool_and_other_sites_do_not(dag_bag, integrations):
    integrations("campus", GOOD)
    integrations("other", GOOD.replace("DE1", "DE2"))
    found = dag_bag()

    pools = {dag_id: dag.get_task("apply").pool for dag_id, dag in found.dags.items() if dag.has_task("apply")}
    assert pools["salto_sync__campus"] == pools["salto_cleanup__campus"]
    assert pools["salto_sync__campus"] != pools["salto_sync__other"]


def test_the_schedule_is_the_files_and_null_means_manual_runs_only(dag_bag, integrations):
    integrations("nightly", GOOD + "schedule: '15 6 * * *'\ntimezone: America/Toronto\n")
    integrations("manual", GOOD + "schedule: null\n")
    integrations("default", GOOD)
    found = dag_bag()

    def shown(name: str) -> str:
        return str(serialization().to_dict(found.dags[f"salto_sync__{name}"])["dag"]["timetable"])

    assert "15 6 * * *" in shown("nightly")
    assert "America/Toronto" in shown("nightly")
    assert "0 21 * * *" in shown("default")
    assert "UTC" in shown("default")
    assert "NullTimetable" in shown("manual")
    for name in ("nightly", "manual", "default"):
        cleanup = str(serialization().to_dict(found.dags[f"salto_cleanup__{name}"])["dag"]["timetable"])
        assert f"{nightly(name)}" in cleanup, (
            "outdated groups, folders and rows go daily, whatever the schedule of the sync"
        )


@pytest.mark.parametrize("kind", ["sync", "cleanup"])
@pytest.mark.parametrize("hour", ["00:00:59", "12:00:00", "03:29:59"])
def test_a_new_dag_waits_for_its_next_time_also_when_it_is_unpaused_later(dag_bag, integrations, kind, hour):
    """With a start date in the past Airflow runs the last missed time at once."""
    import time_machine

    integrations("campus", GOOD + "schedule: '59 23 * * *'\n")
    dag = serialization().from_dict(serialization().to_dict(dag_bag().dags[f"salto_{kind}__campus"]))
    now = datetime.fromisoformat(f"2026-01-14T{hour}+00:00")
    (last,) = list(signature(dag.next_dagrun_info).parameters)[:1]  # the name differs between Airflows
    with time_machine.travel(now, tick=False):
        assert dag.next_dagrun_info(**{last: None}).run_after > now


def test_a_scheduled_sync_has_a_deadline_that_passes_in_the_triggerer(dag_bag, integrations):
    """Not on the executor: the KubernetesExecutor's scheduler ends with an error at a callback."""
    sdk = pytest.importorskip("airflow.sdk")
    if not hasattr(sdk, "DeadlineAlert"):
        pytest.skip("this Airflow has no deadlines (before 3.2)")

    integrations("daily", GOOD)
    integrations("manual", GOOD + "schedule: null\n")
    found = dag_bag()

    (deadline,) = found.dags["salto_sync__daily"].deadline
    assert deadline.interval == timedelta(days=2)
    assert isinstance(deadline.callback, sdk.AsyncCallback)
    assert (deadline.callback.path, deadline.callback.kwargs) == (
        "hector_salto.workflow.alerting.deadline_passed",
        {"name": "daily"},
    )
    assert not found.dags["salto_sync__manual"].deadline


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "schedul: null\n", "schedul: unknown key"),
        (GOOD + "grace_period: {before: 2000}\n", "grace_period.before"),
        ("site_id: DE1\n", "hector_conn_id: missing"),
        ("a: [", "not readable as YAML"),
        (GOOD + "schedule: '0 0 30 2 *'\n", "schedule: this time never comes"),
    ],
)
def test_a_bad_file_is_one_import_error_and_breaks_only_itself(dag_bag, integrations, text, told):
    integrations("good", GOOD)
    integrations("bad", text)
    found = dag_bag()

    assert {f"salto_{kind}__good" for kind in ("sync", "cleanup", "approval", "watch")} == set(found.dags)
    (error,) = found.import_errors.values()
    assert "bad.yaml" in error
    assert told in error


def test_what_building_one_dag_raises(dag_bag, integrations, monkeypatch):
    """Is an error for that integration's file alone: all DAGs of the others are there."""
    from hector_salto.integration import Integration

    rules = Integration.interval

    def interval(integration):
        if integration.site_id == "DE2":
            raise RuntimeError("no gap in this schedule")
        return rules(integration)

    monkeypatch.setattr(Integration, "interval", interval)
    integrations("good", GOOD)
    integrations("bad", GOOD.replace("DE1", "DE2"))
    found = dag_bag()

    assert {f"salto_{kind}__good" for kind in ("sync", "cleanup", "approval", "watch")} <= set(found.dags)
    assert "salto_sync__bad" not in found.dags
    (error,) = found.import_errors.values()
    assert "bad.yaml: salto_sync__bad could not be built (RuntimeError: no gap in this schedule)" in error
    assert "good" not in error


def test_plugins_load_without_shadowing_packages(airflow_db):
    """Airflow executes every file directly under plugins/ as a module of its own name."""
    from airflow import plugins_manager

    plugins_manager.ensure_plugins_loaded()

    import hector.hook
    import salto.hook

    errors = plugins_manager.import_errors if hasattr(plugins_manager, "import_errors") else None  # Airflow 3.1
    assert not (plugins_manager.get_import_errors() if errors is None else errors)
    assert hector.hook.HectorHook.conn_type == "hector"
    assert hector.hook.HectorReportsHook.conn_type == "hector_reports"
    assert salto.hook.SaltoHook.conn_type == "salto_ks"


def test_the_watch_of_reports_knows_their_files(dag_bag, integrations):
    """And no DAG file loads what reads them."""
    import sys

    import yaml

    from sandbox.report_files import BLOCK

    loaded = sys.modules.pop("openpyxl", None)
    integrations("campus", GOOD + yaml.safe_dump({"hector_reports": BLOCK}))
    watch = dag_bag().dags["salto_watch__campus"].get_task("watch")

    assert watch.reports["users"]["file"] == "Users*.xlsx"
    assert "openpyxl" not in sys.modules
    if loaded is not None:
        sys.modules["openpyxl"] = loaded


def test_run_parameters_are_the_three_of_the_interface_and_verify(dag_bag):
    params = dag_bag().dags["salto_sync__sandbox"].params

    assert params.dump() == {"plan_only": False, "references": [], "verify": False, "approve": None}


def test_every_run_parameter_is_on_the_trigger_form(dag_bag, integrations):
    """What a DAG reads and what its form offers are the same."""
    integrations("campus", GOOD)
    dags = dag_bag().dags

    for kind, known in OF_KIND.items():
        assert set(dags[f"salto_{kind}__campus"].params) == known


@pytest.mark.parametrize("task_id", ["sync.plan", "cleanup.plan"])
def test_a_cleared_task_of_an_old_run_ends_at_once(dag_bag, integrations, tmp_path, monkeypatch, task_id):
    """Before it reads or writes anything."""
    from airflow.providers.common.compat.sdk import AirflowFailException

    from hector_salto.workflow import run_start, tasks

    asked = {"references": [], "approve": None, "plan_only": False, "verify": False}
    monkeypatch.setattr(tasks, "get_current_context", lambda: {"params": asked})
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    integrations("campus", GOOD)
    kind, _, name = task_id.partition(".")
    folder = run_start.start_run("campus", "r", {}, datetime.now(UTC) - timedelta(hours=10), kind=kind)
    call = dag_bag().dags[f"salto_{kind}__campus"].get_task(name).python_callable

    with pytest.raises(AirflowFailException, match="what this run read is 600 minutes old, the limit is 15"):
        call("campus", str(folder))
    assert folder.read_json(f"failure_{name}")["kind"] == "StalePlanError"
