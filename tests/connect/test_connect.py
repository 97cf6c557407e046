"""`make connect`: each wrong answer is said at its own question, and what is written is what was answered."""

from __future__ import annotations

import json
import stat

import pytest

from commands.connect import AnswerError, AnswersFile
from commands.env_file import write_private
from hector_salto.connect.conversation import converse
from hector_salto.connect.draft import Draft
from hector_salto.connect.question import Kind
from hector_salto.connect.questions import QUESTIONS
from hector_salto.integration import load
from tests.connect.school import answered, answers, running_school


@pytest.fixture
def school():
    with running_school() as sandbox:
        yield sandbox


def test_a_file_of_answers_makes_an_integration_file_and_two_connections(school, tmp_path):
    draft = answered(tmp_path, answers(school))
    path = tmp_path / "school.yaml"
    path.write_text(draft.yaml(), encoding="utf-8")
    found = load(path)

    assert (found.site_id, found.timezone, found.schedule) == ("DE4520000000", "America/Toronto", "0 21 * * *")
    assert found.office_mode.groups == ["Teachers"]
    hector, salto = draft.connections()["hector_school"], draft.connections()["salto_school"]
    assert (hector["conn_type"], hector["password"]) == ("hector", school.credentials.hector_token)
    assert salto["extra"]["user_password"] == school.credentials.user_password
    assert len(school.writes) == 0


WRONG = [
    ({"name": "My School"}, "name: .*a-z, 0-9 and _"),
    ({"hector_token": "x"}, r"hector_token: .*refuses the token \(401\)"),
    ({"hector_url": "http://127.0.0.1:9/api"}, "hector_url: .*refuses connections"),
    ({"client_secret": "x"}, "client_id: .*client secret"),
    ({"user_password": "x"}, "username: .*user_password"),
    ({"site_id": "DE999"}, r"site_id: .*only Rehearsal House \(DE4520000000\)"),
    ({"office_groups": ["Techers"]}, "office_groups: Hector has no group Techers"),
    ({"office_departments": ["Musik"]}, "office_departments: Hector has no department Musik"),
    ({"grace_before": 2000}, "grace_before: .*1440"),
    ({"grace_after": "soon"}, "grace_after: .*whole minutes"),
    ({"timezone": "Mars/One"}, "timezone: .*IANA"),
    ({"schedule": "61 * * * *"}, "schedule: .*cron"),
    ({"client_id": None}, "client_id has no answer"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_a_wrong_answer_is_said_at_its_question(school, tmp_path, wrong, said):
    with pytest.raises(AnswerError, match=said):
        answered(tmp_path, answers(school, **wrong))


def test_an_account_that_is_no_site_admin_is_said_at_the_site(school, tmp_path):
    school.change(acting_site_admin=False)

    with pytest.raises(AnswerError, match=r"site_id: .*Site Admin"):
        answered(tmp_path, answers(school))


def test_a_wrong_client_type_is_said_with_whom_to_ask(school, tmp_path):
    school.change(token_error="unauthorized_client")

    with pytest.raises(AnswerError, match=r"client_id: .*ask Salto for a client of type backend server"):
        answered(tmp_path, answers(school))


class Person:
    """Answers from a list, the wrong ones first; keeps what was refused."""

    def __init__(self, given, wrong):
        self.given, self.wrong, self.refused, self.offered = given, dict(wrong), [], {}

    def answer(self, prompt):
        key, choices = prompt.question.key, prompt.choices
        self.offered[key] = [one.shown for one in choices]
        proposed = prompt.default or (choices[0].value if choices else prompt.default)
        return self.wrong.pop(key, self.given.get(key, proposed))

    def refuse(self, fault):
        self.refused.append(fault.key)


def test_a_person_is_asked_again_where_the_answer_was_wrong_and_chooses_from_what_there_is(school):
    person = Person(answers(school, office_departments=["Music"]), {"hector_token": "x", "user_password": "x"})
    kept = []
    draft = converse(Draft(), person, kept.append)

    assert person.refused == ["hector_token", "username"]
    assert person.offered["site_id"] == ["Rehearsal House (DE4520000000)"]
    assert person.offered["office_groups"] == ["Teachers (1 active users)"]
    assert person.offered["office_departments"] == ["Music (1 active users)"]
    assert person.offered["timezone"][0] == "America/Toronto"
    assert draft.get("site_id") == "DE4520000000"
    assert kept[-1].answers == draft.answers


def test_an_integration_is_edited_with_what_it_has(school, tmp_path):
    path = tmp_path / "school.yaml"
    path.write_text(
        "hector_conn_id: hector_school\nsalto_conn_id: salto_school\nsite_id: DE4520000000\nhorizon_days: 14\n"
        "timezone: America/Toronto\ngrace_period: {before: 5}\n",
        encoding="utf-8",
    )
    draft = answered(tmp_path, answers(school, grace_after=30), Draft.of("school", load(path)))
    path.write_text(draft.yaml(), encoding="utf-8")
    found = load(path)

    assert (found.grace_period.before, found.grace_period.after, found.horizon_days) == (5, 30, 14)


def test_secrets_are_never_shown_and_what_is_kept_is_for_its_owner(school, tmp_path):
    assert {one.key for one in QUESTIONS if one.kind is Kind.SECRET} == {
        "hector_token",
        "client_secret",
        "mailbox_password",
        "user_password",
    }
    draft = answered(tmp_path, answers(school))
    assert school.credentials.client_secret not in repr(draft)
    kept = tmp_path / "kept.json"
    write_private(kept, json.dumps(dict(draft.answers)))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_file_that_holds_no_answers_is_one_error(tmp_path):
    path = tmp_path / "answers.yaml"
    for text, said in (("- a", "must hold answers"), ("a: [", "cannot be read as YAML")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AnswerError, match=said):
            AnswersFile(path)
