"""Integration files come from a folder, an object store or an Airflow Variable; settings from the environment or airflow.cfg."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import ObjectStoragePath, Variable

from hector_salto.integration import IntegrationError
from hector_salto.integration_files import FOLDER_SETTING, load_all, load_integration, names_of_files
from hector_salto.settings import setting

FIELDS = {"hector_conn_id": "h", "salto_conn_id": "s", "site_id": "DE1"}
TEXT = "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE1\n"


@pytest.fixture
def variable(monkeypatch):
    """An Airflow Variable that holds what a test gives it."""
    values: dict[str, str] = {}
    monkeypatch.setattr(Variable, "get", lambda key, default=None: values.get(key, default))
    monkeypatch.setenv(FOLDER_SETTING, "variable://our_sites")

    def hold(value: object) -> None:
        values["our_sites"] = value if isinstance(value, str) else json.dumps(value)

    return hold


def test_a_variable_holds_the_fields_of_each_integration(variable):
    variable({"north": FIELDS, "south": TEXT})

    found, errors = load_all()
    assert sorted(found) == ["north", "south"]
    assert errors == []
    assert found["north"] == found["south"] == load_integration("north")
    assert names_of_files() == {"north", "south"}


def test_an_entry_that_cannot_be_used_names_the_variable_and_leaves_the_others(variable):
    variable({"north": FIELDS, "south": FIELDS | {"site": 5}})

    found, errors = load_all()
    assert list(found) == ["north"]
    assert "variable/our_sites/south.yaml: site: unknown key" in str(errors[0])


@pytest.mark.parametrize(("value", "said"), [("{", "is not JSON"), ("[]", "must hold")])
def test_a_variable_that_holds_something_else_is_one_error(variable, value, said):
    variable(value)

    found, errors = load_all()
    assert found == {}
    assert said in str(errors[0])


def test_a_variable_that_is_missing_is_one_error(variable):
    assert "is no Variable of this Airflow" in str(load_all()[1][0])


def test_an_object_store_is_read_like_a_folder(monkeypatch, tmp_path):
    """By its address: every Airflow has the store file://."""
    folder = ObjectStoragePath(f"file://{tmp_path}")
    (folder / "north.yaml").write_text(TEXT)
    (folder / "south.yaml").write_text("site_id: [")
    monkeypatch.setenv(FOLDER_SETTING, f"file://{tmp_path}")

    found, errors = load_all()
    assert list(found) == ["north"]
    assert "south.yaml: not readable as YAML" in str(errors[0])
    with pytest.raises(IntegrationError):
        load_integration("south")


def test_a_setting_is_an_environment_variable_or_an_option_of_airflow(monkeypatch):
    monkeypatch.delenv("HECTOR_SALTO_LEDGER", raising=False)
    assert setting("ledger") == ""
    monkeypatch.setenv("AIRFLOW__HECTOR_SALTO__LEDGER", "from_airflow_cfg")
    assert setting("ledger") == "from_airflow_cfg"
    monkeypatch.setenv("HECTOR_SALTO_LEDGER", " from_the_environment ")
    assert setting("ledger") == "from_the_environment"
