"""How long something is kept: a wrong setting removes nothing, and is named before a cleanup begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from hector_salto.integration import Integration, IntegrationError
from hector_salto.workflow import planning, recorder, reporting, retention, run_history, run_start
from hector_salto.workflow import run_folder as folders
from hector_salto.workflow.failures import RunError, record_step
from hector_salto.workflow.reporting import ReportSpec

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
INTEGRATION = Integration(hector_conn_id="h", salto_conn_id="s", site_id="DE1")
WRONG = ("0", "00", "-3", "abc", "1.5", "1e3", "٣", "+7", "7 days")
SETTINGS = ("HECTOR_SALTO_RUN_DAYS", "HECTOR_SALTO_LEDGER_DAYS")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    return run_start.start_run("campus", "manual__2026-01-14T15:00:00+00:00", {}, NOW, kind="cleanup")


@pytest.mark.parametrize("given", WRONG)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_setting_is_named_with_what_is_allowed(monkeypatch, setting, given):
    monkeypatch.setenv(setting, given)

    with pytest.raises(IntegrationError) as caught:
        recorder.check_retention()

    assert str(caught.value) == f"the setting {setting} is {given!r}: allowed is a whole number of days, 1 or more"


@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_setting_removes_nothing(folder, tmp_path, monkeypatch, given):
    run_start.start_run("campus", "old", {}, NOW - timedelta(days=4000))
    for setting in SETTINGS:
        monkeypatch.setenv(setting, given)

    for remove in (
        lambda: retention.remove_outdated("campus", NOW),
        lambda: run_history.remove_outdated("campus", NOW),
        lambda: recorder.remove_outdated("campus", NOW),
    ):
        with pytest.raises(IntegrationError):
            remove()

    assert len(list((tmp_path / "campus").iterdir())) == 2
    with recorder.ledger().reading() as connection:
        assert connection.exec_driver_sql("select count(*) from runs").scalar_one() == 2


@pytest.mark.parametrize(
    ("given", "days"), [("", 5), ("  ", 5), ("1", 1), ("007", 7), (" 90 ", 90), ("9" * 30, 36_500)]
)
def test_any_number_of_days_is_kept(monkeypatch, given, days):
    monkeypatch.setenv("HECTOR_SALTO_RUN_DAYS", given)

    assert folders.days_kept("run_days", 5) == days
    assert folders.retention_start(NOW) < NOW


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_setting_turns_the_cleanup_red_before_it_begins(folder, monkeypatch, setting):
    monkeypatch.setenv(setting, "abc")
    salto = Mock()
    monkeypatch.setattr(planning, "SaltoHook", salto)

    with pytest.raises(AirflowFailException), record_step(folder, "plan"):
        planning.plan_cleanup(INTEGRATION, folder)

    salto.assert_not_called()
    with pytest.raises(RunError, match=f"^plan: the setting {setting} is 'abc': allowed is a whole number of days"):
        reporting.report(folder, ReportSpec(INTEGRATION, ("plan", "apply"), None))
    assert f"the setting {setting} is 'abc'" in str(folder.read_json("causes"))
