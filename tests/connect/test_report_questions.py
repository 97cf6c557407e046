"""`make connect` with Hector's reports: a sample is read, its columns are proposed, and each wrong answer is said at once."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from commands.connect import AnswerError
from hector.report_files import ReportSample
from hector_salto.connect.draft import Draft
from hector_salto.connect.report_proposal import patterns_of, propose_columns, propose_date_format, propose_file
from hector_salto.integration import load
from sandbox.report_files import BLOCK, write_reports
from tests.connect.school import answered, answers, running_school
from tests.imap_server import LOGIN, PASSWORD, SENDER, imap_server

FRENCH = {
    "Usagers.csv": "Liste des usagers;;;;\nCourriel;Prénom;Nom;Code unique;Statut\nana@school.example;Ana;Roy;0012;Actif\n",
    "Lieux.csv": "Nom;Salto Lock Id\nStudio 1;Studio\n",
    "Prêts 2026-11-26.csv": "Numéro;Statut;Début;Fin;Emprunteur;Courriel;Ressources\n"
    "10452;En cours;27/11/2026 10:00;27/11/2026 12:00;Ana Roy;ana@school.example;Studio 1\n"
    "10453;Bizarre;28/11/2026 10:00;28/11/2026 12:00;Ana Roy;ana@school.example;Studio 1\n",
}


@pytest.fixture
def school():
    with running_school() as sandbox:
        yield sandbox


@pytest.fixture
def folder(school, tmp_path):
    hector, begin = school.hector, dt.datetime(2026, 11, 27, 15, tzinfo=dt.UTC)
    hector.add_attribute("salto_lock_id", "Salto Lock Id")
    hector.add_loaner(
        next(iter(hector.users)), hector.add_place("Studio", "Studio"), begin, begin + dt.timedelta(hours=1)
    )
    write_reports(hector, tmp_path / "reports")
    return tmp_path / "reports"


def of_reports(school, folder, **changes):
    without_api = {"hector_url": None, "hector_token": None, "source": "reports", "reports_host": folder.as_uri()}
    return answers(school, **without_api | changes)


def written(tmp_path, draft):
    path = tmp_path / "school.yaml"
    path.write_text(draft.yaml(), encoding="utf-8")
    return load(path)


def test_a_folder_of_reports_is_mapped_as_proposed(school, folder, tmp_path):
    draft = answered(tmp_path, of_reports(school, folder))
    found = written(tmp_path, draft)

    assert found.hector_reports.model_dump(exclude_unset=True, exclude={"max_age_hours"}) == BLOCK
    assert found.hector_reports.max_age_hours == 26
    hector = draft.connections()["hector_school"]
    assert (hector["conn_type"], hector["host"]) == ("hector_reports", folder.as_uri())
    assert len(hector["extra"]["fingerprint_key"]) >= 16
    assert found.office_mode.groups == ["Teachers"]
    assert len(school.writes) == 0


def write_french(folder, **changes):
    folder.mkdir(exist_ok=True)
    for name, text in FRENCH.items():
        (folder / name).write_text(text, encoding="utf-8")


def test_french_reports_are_mapped_by_their_own_words(school, tmp_path):
    write_french(tmp_path / "french")
    found = written(tmp_path, answered(tmp_path, of_reports(school, tmp_path / "french", office_groups=[])))
    reports = found.hector_reports

    assert (reports.users.file, reports.loaners.file) == ("Usagers*.csv", "Prêts*.csv")
    assert reports.users.columns.unique_code == "Code unique"
    assert reports.loaners.columns.borrower == "Courriel"  # the column of names has no email
    assert reports.date_format == "%d/%m/%Y %H:%M"
    assert reports.statuses == {"Actif": "active", "En cours": "out"}  # one that nobody knows opens no door


WRONG = [
    ({"reports_host": "file:///no/such/folder"}, "reports_host: .*is not there"),
    ({"reports_host": " "}, "reports_host: an answer is needed"),
    ({"users_file": "Nobody*.xlsx"}, r"users_file: .*Nobody\*.xlsx is not in file"),
    ({"users_columns": {"email": "Mail"}}, "users_columns: .*no column named Mail"),
    ({"places_columns": {"lock_name": ""}}, "places_columns: choose a column for lock name"),
    ({"loaners_columns": {"start": "Finish"}}, "loaners_columns: Finish can stand for one thing only"),
    ({"loaners_columns": {"borrower": "Resources", "place": "Borrower email"}}, "loaners_columns: .*without any email"),
    ({"loaners_columns": "Email"}, "loaners_columns must hold names"),
    ({"date_format": "%Y"}, "date_format: .*a format of day and time"),
    ({"max_age_hours": "soon"}, "max_age_hours: give whole hours"),
    ({"max_age_hours": 1000}, "max_age_hours: .*168"),
    ({"reports_timezone": "Mars/One"}, "reports_timezone: .*IANA"),
    ({"source": "letters"}, "source: .*api, reports"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_a_wrong_answer_is_said_at_its_question(school, folder, tmp_path, wrong, said):
    with pytest.raises(AnswerError, match=said):
        answered(tmp_path, of_reports(school, folder, **wrong))


def test_a_file_that_is_no_report_is_said_at_its_question(school, folder, tmp_path):
    (folder / "Users.xlsx").write_bytes(b"<html>log in first</html>")

    with pytest.raises(AnswerError, match=r"users_(file|columns): .*no .xlsx and no text"):
        answered(tmp_path, of_reports(school, folder))


def test_a_folder_without_reports_is_said_with_the_next_step(school, tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(AnswerError, match=r"reports_host: .*no report yet .*have the three reports made"):
        answered(tmp_path, of_reports(school, tmp_path / "empty"))


def test_times_that_two_formats_read_differently_are_asked_for(school, tmp_path):
    write_french(tmp_path / "french")
    text = FRENCH["Prêts 2026-11-26.csv"].replace("27/11", "03/11").replace("28/11", "04/11")
    (tmp_path / "french" / "Prêts 2026-11-26.csv").write_text(text, encoding="utf-8")
    given = of_reports(school, tmp_path / "french", office_groups=[])

    with pytest.raises(AnswerError, match="date_format has no answer in the file"):
        answered(tmp_path, given)
    found = written(tmp_path, answered(tmp_path, given | {"date_format": "%d/%m/%Y %H:%M"}))
    assert found.hector_reports.date_format == "%d/%m/%Y %H:%M"


def test_reports_of_a_mailbox(school, folder, tmp_path):
    with imap_server() as server:
        server.deliver({one.name: one.read_bytes() for one in folder.iterdir()})
        given = of_reports(school, folder, reports_host=server.address, mailbox_login=LOGIN)
        given |= {"mailbox_password": PASSWORD, "mailbox_sender": SENDER}
        draft = answered(tmp_path, given)

        for wrong, said in (
            ({"mailbox_password": "x"}, "mailbox_login: .*refuses login and password"),
            ({"mailbox_sender": "other@hector.example"}, "mailbox_sender: .*no report yet"),
            ({"mailbox_sender": "nobody"}, "reports_host: .*no email address"),
        ):
            with pytest.raises(AnswerError, match=said):
                answered(tmp_path, given | wrong)
    connection = draft.connections()["hector_school"]
    assert (connection["login"], connection["extra"]) == (LOGIN, {"sender": SENDER})
    assert written(tmp_path, draft).hector_reports.loaners.columns.borrower == "Borrower email"


def test_an_integration_of_reports_is_edited_with_what_it_has(school, folder, tmp_path, monkeypatch):
    first = answered(tmp_path, of_reports(school, folder))
    for conn_id, fields in first.connections().items():
        extra = fields["extra"] | {"kept": "as it is"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields | {"extra": extra}))
    path = tmp_path / "school.yaml"
    path.write_text(first.yaml().replace("max_age_hours: 26", "max_age_hours: 30\n  shrink: 60"), encoding="utf-8")

    draft = answered(tmp_path, {"grace_after": 30}, Draft.of("school", load(path)).with_connections())
    found = written(tmp_path, draft)

    assert (found.hector_reports.max_age_hours, found.hector_reports.shrink, found.grace_period.after) == (30, 60, 30)
    again = draft.connections()
    assert again["hector_school"]["extra"] == first.connections()["hector_school"]["extra"] | {"kept": "as it is"}
    assert again["salto_school"]["extra"]["kept"] == "as it is"


# --- proposals --------------------------------------------------------------------------------------------------------


def test_files_are_told_apart_by_what_does_not_change():
    names = ["Users 2026-11-26.xlsx", "Users 2026-11-27.xlsx", "Loaners (3).csv", "Notes.pdf", "Plan[1].csv"]

    assert patterns_of(names) == ["Loaners*.csv", "Plan[[]1]*.csv", "Users*.xlsx"]
    assert propose_file("users", patterns_of(names)) == "Users*.xlsx"
    assert propose_file("places", patterns_of(names)) == ""


@pytest.mark.parametrize(
    ("texts", "proposed"),
    [
        ([], "%Y-%m-%d %H:%M"),
        (["2026-11-27 10:00:00"], "%Y-%m-%d %H:%M"),  # a workbook's own date needs no format
        (["13/11/2026 10:00"], "%d/%m/%Y %H:%M"),
        (["11/13/2026 10:00"], "%m/%d/%Y %H:%M"),
        (["03/11/2026 10:00"], ""),
        (["03/03/2026 10:00"], "%d/%m/%Y %H:%M"),
        (["11/13/2026 1:00 PM"], "%m/%d/%Y %I:%M %p"),
        (["tomorrow"], ""),
    ],
)
def test_a_date_format_is_proposed_when_only_one_can_be_meant(texts, proposed):
    assert propose_date_format(texts) == proposed


def test_a_heading_is_proposed_once():
    sample = ReportSample(("Name", "Salto Lock Id"), {"Name": (), "Salto Lock Id": ()})

    assert propose_columns("places", sample) == {"place": "Name", "lock_name": "Salto Lock Id"}
    assert propose_columns("users", sample) == {}
