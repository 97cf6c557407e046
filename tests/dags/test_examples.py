"""The example DAGs of docs/hooks.md run against the sandbox, and a sync that changed something says so to other DAGs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hector_salto.access import schemas
from sandbox import openings
from tests.dags.test_runs import NOW, START, WINDOW, campus, opened  # noqa: F401 - campus is a fixture

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


@pytest.fixture
def example(airflow_db, monkeypatch):
    """One example DAG by its id, with the connections of a sandbox."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    found = BundleDagBag(str(EXAMPLES), bundle_path=EXAMPLES, bundle_name="dags-folder")
    assert found.import_errors == {}
    sync_bag_to_db(found, "dags-folder", None)

    def of(dag_id: str, sandbox):
        for variable, value in sandbox.connections("campus").items():
            monkeypatch.setenv(variable, value)
        return found.dags[dag_id]

    return of


def result(ended, task_id: str):
    (found,) = [ti for ti in ended.get_task_instances() if ti.task_id == task_id]
    return found.xcom_pull(task_ids=task_id)


def test_offline_locks_are_listed_with_the_connection_alone(example, sandbox):
    sandbox.salto.add_lock("Studio 204", online=False)
    sandbox.salto.add_lock("Studio 205")
    ended = example("example_salto_offline_locks", sandbox).test()

    assert result(ended, "offline") == ["Studio 204"]


def test_reservations_are_counted_by_status(example, campus):  # noqa: F811 - the fixture
    ended = example("example_hector_reservations_today", campus).test()

    assert result(ended, "count") == {"new": 1}


def test_a_plan_of_ones_own_is_applied(example, campus, run_dag, tmp_path):  # noqa: F811 - the fixture
    """The plan is that of a sync which only planned, without its changes of tags."""
    planned = run_dag("sync", "campus", sandbox=campus, conf={"plan_only": True}).table("operations")
    untagged = schemas.validate(schemas.OPERATIONS, planned[~planned["kind"].str.startswith("tag_")])
    untagged.to_parquet(tmp_path / "plan.parquet", index=False)
    conf = {"plan": str(tmp_path / "plan.parquet"), "outcomes": str(tmp_path / "outcomes.parquet")}

    ended = example("example_salto_apply_plan", campus).test(run_conf=conf)

    assert str(ended.state) == "success"
    assert set(pd.read_parquet(tmp_path / "outcomes.parquet")["state"]) == {"done"}
    assert [group.name for group in campus.salto.groups.values()] == ["Hector_10452"]
    assert not list(openings(campus.salto, NOW, START)), "without a tag nobody gets in"


def test_a_plan_that_fails_in_part_fails_the_task_and_keeps_the_outcomes(campus, run_dag, tmp_path, monkeypatch):  # noqa: F811
    from airflow.providers.common.compat.sdk import AirflowFailException

    from salto.operators import SaltoApplyOperator
    from sandbox import faults

    planned = run_dag("sync", "campus", sandbox=campus, conf={"plan_only": True}).table("operations")
    planned[~planned["kind"].str.startswith("tag_")].to_parquet(tmp_path / "plan.parquet", index=False)
    campus.salto_faults.on("POST", r".*/access_groups$", faults.status(400))
    operator = SaltoApplyOperator(
        task_id="apply",
        salto_conn_id="salto_campus",
        site_id="DE4520000000",
        plan=str(tmp_path / "plan.parquet"),
        outcomes=str(tmp_path / "outcomes.parquet"),
    )
    with pytest.raises(AirflowFailException, match=r"outcomes\.parquet says which"):
        operator.execute({})

    assert "failed" in set(pd.read_parquet(tmp_path / "outcomes.parquet")["state"])


def test_a_sync_that_changed_something_updates_its_asset_and_one_that_did_not_does_not(campus, run_in_airflow):  # noqa: F811
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def events() -> list[dict]:
        with create_session() as session:
            query = select(AssetEvent.extra).join(AssetModel, AssetEvent.asset_id == AssetModel.id)
            return list(session.scalars(query.where(AssetModel.uri == "hector-salto://access/campus")))

    before = len(events())
    run_in_airflow("sync", "campus", sandbox=campus)
    assert opened(campus) == WINDOW
    (changed,) = events()[before:]
    assert changed["integration"] == "campus"
    assert changed["operations"] == sum(changed["changes"].values()) > 0

    run_in_airflow("sync", "campus", sandbox=campus)
    assert len(events()) == before + 1


def test_every_example_is_named_in_the_docs():
    text = (EXAMPLES.parent / "docs" / "hooks.md").read_text()

    assert [path.name for path in EXAMPLES.glob("[a-z]*.py") if f"example_dags/{path.name}" not in text] == []
