"""The first view: what it says of today, and to whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.ledger.ledger import RunStart
from tests.ui.conftest import LINES, look, removal, trouble

pytestmark = pytest.mark.airflow


@pytest.fixture
def known(monkeypatch):
    from hector_salto.ui import dag_runs, today

    monkeypatch.setattr(today, "schedules", lambda names: dict.fromkeys(names, dag_runs.DagTimes(known=True)))


def sync(kept, now, seen, *, problems=None, causes=(), begin=None):
    run = kept.begin_run(RunStart("campus", "sync", f"r{now}", f"r{now}", begin or now))
    kept.plan(
        run, removal().iloc[:0], trouble().iloc[:0] if problems is None else problems, planned_at=now, site_zone="UTC"
    )
    kept.observe(run, "campus", seen.tables(), now, read_at=now)
    kept.end_run(run, ended_at=now, causes=list(causes))
    return run


def suspended(now):
    """Ana has a reservation now, and no seat."""
    seen = look(now)
    people = seen.people.assign(subscription_state="suspended").astype(seen.people.dtypes.to_dict())
    return replace(seen, people=people)


def test_a_door_that_stays_shut_names_user_door_time_and_cause(campus, visit, known, now):
    sync(campus, now, suspended(now))
    text = visit("user").get("/today").text

    assert "1 door stays shut today, 1 time to a user with a reservation" in text
    assert "Ana Roy <small>ana@x.example</small> cannot open Studio" in text
    assert "Salto admin" in text
    assert 'href="/doors/why?integration=campus&amp;kind=reservation' in text
    assert text.count("<form") == 1


def test_the_first_view_and_why_and_the_next_day_s_check_agree(campus, now):
    """One definition of who can open: the broken link is the same in all three."""
    from hector_salto.access.upcoming_failures import risks
    from hector_salto.reports.questions import Question, answer_question
    from hector_salto.reports.shut_doors import list_shut_doors

    run = sync(campus, now, suspended(now))
    (shut,) = list_shut_doors(campus, "campus", now, now + timedelta(hours=6), run_id=run)
    (way,) = answer_question(campus, "campus", Question(reference="<b>1</b>"), now).ways
    found = risks(campus.read_snapshot("campus"), as_of=pd.Timestamp(now))

    assert (shut.detail, shut.next_step) == (way.first_fault, way.next_step)
    assert [shut.who] == list(found["who"])


def test_what_is_held_red_and_left_open_is_counted(campus, visit, known, now):
    row = {
        "code": "door_held_open", "who": "salto_admin", "subject": "lock Attic", "reference": None, "red": False,
        "message": "the door Attic stands open in office mode", "next_step": "lock it",
    }  # fmt: skip
    sync(campus, now, replace(look(now), reservations=look(now).reservations.iloc[:0]),
         problems=schemas.frame(schemas.PROBLEMS, [row]), causes=["credentials were refused"])  # fmt: skip
    text = visit("viewer").get("/today").text

    assert "The door Attic stands open in office mode" in text
    assert '<a href="#unwell"><b>1</b> red or late</a>' in text
    assert "<form" not in text


def test_a_held_set_waits_for_its_answer(campus, visit, known):
    text = visit("viewer").get("/today").text

    assert "1 operation of campus" in text
    assert 'href="/doors/runs/1?integration=campus#held"' in text


def test_all_green_says_so_and_since_when(campus, visit, known, now):
    empty = replace(look(now), reservations=look(now).reservations.iloc[:0])
    sync(campus, now, empty)
    text = visit("viewer").get("/today").text

    assert "Every door of today opens to every user who has booked it." in text
    assert f"Last verified {now:%a %d %b %Y %H:%M} (UTC)" in text


def test_other_integrations_are_not_shown(campus, visit, integrations, monkeypatch, now):
    from hector_salto.ui.permissions import Visitor

    integrations("secret", LINES.format(name="secret"))
    sync(campus, now, suspended(now))
    monkeypatch.setattr(Visitor, "may_read", lambda self, dag_id: dag_id.endswith("secret"))
    text = visit("viewer").get("/today").text

    assert "Ana" not in text
    assert "campus" not in text


@pytest.mark.parametrize("late", [True, False])
def test_a_sync_that_has_not_succeeded_for_long_is_late(campus, visit, integrations, known, now, late):
    integrations("campus", LINES.format(name="campus") + "schedule: '0 21 * * *'\n")
    begin = now - timedelta(days=5 if late else 0)
    sync(campus, now, look(now), begin=begin)
    with campus.transaction() as connection:
        from sqlalchemy import update

        from hector_salto.ledger.tables import Run

        connection.execute(update(Run).where(Run.id == 1).values(began_at=begin))
    assert ("no sync has succeeded for" in visit("viewer").get("/today").text) is late
