"""An old DAG run that is run again reads the world as it is now: its logical date decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from sandbox import openings

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def campus(sandbox):
    """Yesterday's booking, and tomorrow's; the door of each is its own."""
    user = sandbox.hector.add_user(email="ana@campus.example")
    for reference, start in (("yesterday", NOW - DAY), ("tomorrow", NOW + DAY)):
        sandbox.salto.add_lock(reference)
        place = sandbox.hector.add_place(reference, lock=reference)
        sandbox.hector.add_loaner(user, place, start, start + timedelta(hours=1), reference=reference)
    return sandbox


@pytest.fixture
def run_of(run_dag, monkeypatch):
    """Run the DAG as the scheduler does for a logical date of that long ago, also when that run has been before."""

    def run(age, *arguments, **options):
        from airflow.sdk import DAG

        plain = DAG.test
        with monkeypatch.context() as patch:
            patch.setattr(DAG, "test", lambda dag, **more: plain(dag, logical_date=NOW - age, **more))
            return run_dag(*arguments, **options)

    return run


def opened(sandbox):
    found = openings(sandbox.salto, NOW - 9 * DAY, NOW + 9 * DAY, need_tag=False)
    return {one.lock_name for one in found}


def test_a_run_for_the_day_before_yesterday_opens_nothing_that_is_past(campus, run_of):
    ended = run_of(2 * DAY, "sync", "campus", sandbox=campus)

    assert ended.state == "success"
    assert opened(campus) == {"tomorrow"}
    assert [group.name for group in campus.salto.groups.values()] == ["Hector_tomorrow"]


def test_a_run_that_is_cleared_and_run_again_reads_anew(campus, run_of):
    run_of(2 * DAY, "sync", "campus", sandbox=campus)
    campus.hector.loaners.clear()
    user, place = next(iter(campus.hector.users)), next(iter(campus.hector.places))
    campus.hector.add_loaner(user, place, NOW + DAY, NOW + 2 * DAY, reference="later")
    ended = run_of(2 * DAY, "sync", "campus", sandbox=campus)

    assert ended.state == "success"
    assert [group.name for group in campus.salto.groups.values()] == ["Hector_later"]
    assert len(list(ended.folder.parent.glob("2*"))) == 2  # one folder for each time it ran


def test_the_cleanup_for_an_old_date_removes_what_is_over_now(campus, run_of):
    over = (NOW - DAY).replace(tzinfo=None).isoformat(timespec="seconds")
    group = campus.salto.add_group("Hector_1")
    campus.salto.add_schedule(group, "10:00", "12:14", days=(0,), start_date="2026-01-01T10:00:00", end_date=over)

    assert run_of(30 * DAY, "cleanup", "campus", sandbox=campus).state == "success"
    assert campus.salto.groups == {}


def test_the_windows_that_a_run_decides_on_are_those_after_it_began(campus, run_of):
    table = run_of(100 * DAY, "sync", "campus", sandbox=campus, conf={"plan_only": True}).table("decisions")

    assert (table.loc[table["decision"].eq("access"), "window_end"] > pd.Timestamp(NOW)).all()
    assert table["decision"].eq("access").sum() == 1
