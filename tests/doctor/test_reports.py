"""`make doctor` of a Hector that is known by its reports."""

from __future__ import annotations

import datetime as dt
import json

from hector_salto.doctor.examination import examine
from hector_salto.report_fields import ReportFields
from sandbox.report_files import BLOCK, write_reports
from tests.doctor.conftest import DIFFERS, HOLDS

CONNECTION = {"conn_type": "hector_reports", "extra": {"fingerprint_key": "0123456789abcdef"}}


def examined(school, folder, monkeypatch):
    columns = {name: heading for name, heading in BLOCK["users"]["columns"].items() if name != "department"}
    block = BLOCK | {"users": BLOCK["users"] | {"columns": columns}}
    monkeypatch.setenv("AIRFLOW_CONN_HECTOR_REPORTS", json.dumps(CONNECTION | {"host": folder.as_uri()}))
    reports = ReportFields.model_validate(block)
    integration = school.integration().model_copy(
        update={"hector_conn_id": "hector_reports", "hector_reports": reports}
    )
    examination, _ = examine("campus", integration, now=dt.datetime.now(dt.UTC))
    return {one.assumption: one for one in examination.findings}


def test_columns_that_are_not_mapped_are_named(school, tmp_path, monkeypatch):
    write_reports(school.sandbox.hector, tmp_path / "reports")
    found = examined(school, tmp_path / "reports", monkeypatch)

    assert found["hector-reached"].verdict is HOLDS
    assert "columns of Users.xlsx that are not mapped: Department" in found["hector-lists"].seen


def test_a_folder_without_reports_is_the_first_thing_that_differs(school, tmp_path, monkeypatch):
    (tmp_path / "reports").mkdir()
    found = examined(school, tmp_path / "reports", monkeypatch)

    assert found["hector-reached"].verdict is DIFFERS
    assert "Users*.xlsx is not in file://" in found["hector-reached"].seen
    assert "check the report's subscription" in found["hector-reached"].step
