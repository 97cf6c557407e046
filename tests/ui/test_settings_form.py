"""Add integration, Edit settings: tested at each service, saved whole or not at all, and no secret is ever shown."""

from __future__ import annotations

import json
import stat

import pytest

from hector_salto.connect.draft import Draft, as_json
from hector_salto.integration import load
from sandbox.report_files import write_reports
from tests.connect.school import answers, running_school
from tests.ui.form_reader import FormReader


@pytest.fixture
def school():
    with running_school() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def setting(monkeypatch, ledger_url):
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")


@pytest.fixture
def stored(airflow_db):
    """The connections in Airflow, by id; those of a test are gone after it."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    def found():
        with create_session() as session:
            rows = session.scalars(select(Connection).where(Connection.conn_id.like("%school"))).all()
            return {one.conn_id: as_json(one) for one in rows}

    yield found
    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id.like("%school")))


class Tab:
    """A browser's tab with the form."""

    def __init__(self, client, path="/settings"):
        self.client = client
        self.page = client.get(path)
        self.pages = [self.page.text]

    @property
    def form(self):
        return FormReader(self.page.text)

    def send(self, wish="", **typed):
        fields = self.form.fields | {
            name.replace("__", "."): value if isinstance(value, list) else [value] for name, value in typed.items()
        }
        self.page = self.client.post("/settings", data=fields | {"wish": [wish]})
        self.pages.append(self.page.text)
        return self.page.text


def typed(school, *keys):
    given = answers(school)
    return {key: given[key] for key in keys}


def fill(tab, school):
    """What a user does: name, Hector, Salto, each tested; then a site from the list."""
    tab.send("hector", name="school", **typed(school, "hector_url", "hector_token"))
    tab.send(environment="other")  # the list of environments shows two more fields
    rest = ("salto_url", "identity_url", "client_id", "client_secret", "username", "user_password")
    return tab.send("salto", **typed(school, *rest))


def test_an_integration_is_added_from_lists_without_an_editor(school, visit, integrations, stored):
    tab = Tab(visit("admin"))
    text = fill(tab, school)

    assert "Salto answers: the account sees 1 site. Choose one below." in text
    assert tab.form.options["site_id"] == ["", "DE4520000000"]
    assert tab.form.options["office_groups"] == ["Teachers"]
    assert "Teachers (1 active users)" in text
    tab.send(site_id="DE4520000000")
    assert tab.form.fields["timezone"] == ["America/Toronto"]
    text = tab.send("save", office_groups="Teachers", timezone="America/Toronto", grace_before="5")

    assert "school: saved" in text
    found = load(integrations.folder / "school.yaml")
    assert (found.site_id, found.grace_period.before, found.office_mode.groups) == ("DE4520000000", 5, ["Teachers"])
    assert stored()["hector_school"]["password"] == school.credentials.hector_token
    assert stored()["salto_school"]["extra"]["user_password"] == school.credentials.user_password
    assert stat.S_IMODE((integrations.folder / "school.yaml").stat().st_mode) == 0o644
    assert len(school.writes) == 0
    for secret in (school.credentials.hector_token, school.credentials.client_secret, school.credentials.user_password):
        assert all(secret not in page for page in tab.pages)


WRONG = [
    ({"hector_token": "x"}, "hector", "fault-hector_token", "refuses the token"),
    ({"hector_url": ""}, "hector", "fault-hector_url", "an answer is needed"),
    ({"user_password": "x"}, "salto", "fault-username", "user_password"),
    ({"client_secret": "x"}, "salto", "fault-client_id", "client secret"),
]


@pytest.mark.parametrize(("wrong", "section", "place", "said"), WRONG)
def test_a_wrong_answer_is_said_at_its_field_and_nothing_is_saved(
    school, visit, integrations, stored, wrong, section, place, said
):
    tab = Tab(visit("admin"))
    fill(tab, school)
    text = tab.send(section, **wrong)

    assert tab.page.status_code == 422
    assert said in text.split(f'id="{place}"')[1].split("</p>")[0]
    tab.send("save", site_id="DE4520000000")
    assert tab.page.status_code == 422
    assert list(integrations.folder.iterdir()) == []
    assert stored() == {}


def test_what_a_file_may_not_hold_is_said_at_its_field(school, visit, integrations, stored):
    tab = Tab(visit("admin"))
    fill(tab, school)
    tab.send(site_id="DE4520000000")
    for wrong, said in (
        ({"name": "My School"}, "a-z, 0-9 and _"),
        ({"grace_after": "soon"}, "whole minutes"),
        ({"schedule": "61 * * * *"}, "cron"),
        ({"office_groups": ["Techers"]}, "no group Techers"),
    ):
        right = {key: tab.form.fields.get(key, [""]) for key in wrong}
        assert said in tab.send("save", **wrong)
        tab.send(**right)
    assert stored() == {}


def test_reports_of_a_folder_are_mapped_on_the_page(school, visit, integrations, stored, tmp_path):
    school.hector.add_attribute("salto_lock_id", "Salto Lock Id")
    write_reports(school.hector, tmp_path / "reports")
    tab = Tab(visit("admin"))
    tab.send(name="school", source="reports")
    text = tab.send("hector", reports_host=(tmp_path / "reports").as_uri())
    assert "holds 3 files" in text
    assert tab.form.fields["users_file"] == ["Users*.xlsx"]
    assert tab.form.fields["loaners_columns.borrower"] == ["Borrower email"]
    tab.send(environment="other")
    rest = ("salto_url", "identity_url", "client_id", "client_secret", "username", "user_password")
    tab.send("salto", **typed(school, *rest))
    tab.send(site_id="DE4520000000")
    assert "All three reports can be read" in tab.send("reports", reports_timezone="America/Toronto")
    assert "school: saved" in tab.send("save", timezone="America/Toronto")

    found = load(integrations.folder / "school.yaml")
    assert found.hector_reports.loaners.columns.borrower == "Borrower email"
    key = stored()["hector_school"]["extra"]["fingerprint_key"]
    assert len(key) >= 16
    assert all(key not in page for page in tab.pages)


FILE = (
    "# of the office\nhector_conn_id: hector_school\nsalto_conn_id: salto_school\nsite_id: DE4520000000\n"
    "horizon_days: 14\ntimezone: America/Toronto\n"
)


@pytest.fixture
def running(school, integrations, monkeypatch):
    """An integration whose connections the environment has."""
    path = integrations("school", FILE)
    for conn_id, fields in Draft(answers(school)).connections().items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
    return path


def test_settings_are_edited_and_the_rest_of_the_file_stays(school, running, visit, stored):
    tab = Tab(visit("admin"), "/settings?integration=school")
    assert tab.form.fields["site_id"] == ["DE4520000000"]
    assert school.credentials.hector_token not in tab.page.text
    text = tab.send("save", grace_after="30")

    assert "The two connections are as before" in text
    found = load(running)
    assert (found.grace_period.after, found.horizon_days) == (30, 14)
    assert stored() == {}
    assert (running.parent / ".school.yaml.before").read_text(encoding="utf-8") == FILE


def test_a_stored_secret_is_sent_to_no_other_host(school, running, visit, stored):
    asked = len(school.requests) if hasattr(school, "requests") else None
    tab = Tab(visit("admin"), "/settings?integration=school")
    text = tab.send("hector", hector_url=school.hector_url.replace("127.0.0.1", "localhost"))

    assert "an answer is needed" in text.split('id="fault-hector_token"')[1].split("</p>")[0]
    assert asked is None or len(school.requests) == asked
    text = tab.send("salto", environment="production")
    assert "an answer is needed" in text.split('id="fault-client_secret"')[1].split("</p>")[0]


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(running, visit, stored):
    tab = Tab(visit("admin"), "/settings?integration=school")
    running.write_text(FILE + "delete_users: true\n", encoding="utf-8")

    assert "was changed meanwhile" in tab.send("save", grace_after="30")
    assert load(running).delete_users is True


def test_a_folder_that_cannot_be_written_gets_the_text_to_copy(running, visit, stored, monkeypatch):
    from hector_salto.ui import integration_writer

    monkeypatch.setattr(integration_writer.os, "access", lambda path, mode: False)
    text = Tab(visit("admin"), "/settings?integration=school").send("save", grace_after="30")

    assert "one step is left" in text
    assert "after: 30" in text
    assert load(running).grace_period.after == 15


def test_a_name_or_a_connection_that_is_taken_is_not_overwritten(school, running, visit, stored, monkeypatch):
    tab = Tab(visit("admin"))
    assert "there is an integration of this name" in tab.send("save", name="school")
    monkeypatch.setenv("AIRFLOW_CONN_HECTOR_HALL", json.dumps({"conn_type": "hector", "host": "https://x.example"}))
    assert "Airflow has another connection hector_hall already" in tab.send("save", name="hall")
    fill(tab, school)
    text = tab.send("save", name="annex", site_id="de4520000000")
    assert "belongs to the integration school" in text.split('id="fault-site_id"')[1].split("</p>")[0]


def test_without_airflow_s_leave_nothing_is_asked_and_the_file_is_still_checked(
    school, visit, integrations, stored, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Disabled")
    tab = Tab(visit("admin"))
    text = fill(tab, school)
    assert "test_connection is not Enabled" in text
    text = tab.send("save", schedule="61 * * * *", site_id="DE4520000000", timezone="America/Toronto")
    assert "schedule" in text
    assert tab.page.status_code == 422
    assert "school: saved" in tab.send("save", schedule="0 21 * * *")


@pytest.mark.parametrize("role", ["viewer", "user"])
def test_who_may_not_edit_connections_is_refused_and_sees_no_link(running, visit, stored, role):
    client = visit(role)
    for path in ("/settings", "/settings?integration=school"):
        assert client.get(path).status_code == 403
    home = client.get("/").text
    assert "Add integration" not in home.replace("finds <i>Add integration</i>", "")
    assert "Edit settings" not in home
    assert "Edit settings" in visit("admin").get("/").text


def test_a_form_without_its_token_or_sealed_for_another_does_nothing(school, visit, integrations, stored):
    tab = Tab(visit("admin"))
    assert visit("admin").post("/settings", data={"wish": "save"}).status_code == 403
    tab.send("hector", name="school", **typed(school, "hector_url", "hector_token"))
    sealed = tab.form.fields["sealed"]
    other = Tab(visit("op"))
    other.page = other.client.post("/settings", data=other.form.fields | {"sealed": sealed, "wish": ["hector"]})
    assert other.page.status_code == 403


def test_an_integration_that_is_not_there_is_not_found(visit, integrations, stored):
    assert visit("admin").get("/settings?integration=nowhere").status_code in {404, 409}
