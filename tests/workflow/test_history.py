"""What runs remember of each other, also when a process dies in between."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import fsspec
import pandas as pd
import pytest
from airflow.sdk.io import attach

from hector_salto.access import schemas
from hector_salto.access.guard_history import NOTHING_YET, ReadCounts
from hector_salto.access.operations import operations
from hector_salto.workflow import run_history, run_start
from hector_salto.workflow.failures import HistoryError

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """A run of the integration campus that began at NOW or so many hours after it; with a plan."""
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())

    def begun(hours=0.0, *, approved=(), approved_set=None):
        folder = run_start.start_run("campus", f"run{hours}", {}, NOW + timedelta(hours=hours))
        folder.write_json("plan", {"approved": list(approved), "approved_set": approved_set})
        return folder

    return begun


def removals(*groups, kind="group_delete", cause="withdrawn", **columns):
    table = pd.DataFrame({"group_id": groups, "group_name": [f"Hector_{group}" for group in groups]})
    return operations(kind, table, cause=cause, reason="because", unit="unit").assign(**columns)


def outcomes(table, *states):
    rows = [{"key": key, "state": state, "message": ""} for key, state in zip(table["key"], states, strict=True)]
    return schemas.frame(schemas.OUTCOMES, rows)


def removed(hours=0.0):
    return {key.split(":")[1] for key in run_history.load_guard_history("campus", NOW + timedelta(hours=hours)).removed}


def test_before_the_first_run_nothing_is_remembered(begin):
    assert run_history.load_guard_history("campus", NOW) == NOTHING_YET


def test_removals_count_from_before_they_are_sent(begin):
    """The process may die at any moment after."""
    run_history.note_removals(begin(), removals("g1", "g2"))

    assert removed() == {"g1", "g2"}


def test_after_the_run_only_what_went_or_may_have_gone_counts(begin):
    folder, table = begin(), removals("g1", "g2", "g3", "g4")
    run_history.note_removals(folder, table)
    run_history.settle_removals(folder, table, outcomes(table, "done", "unknown", "failed", "not_sent"))

    assert removed() == {"g1", "g2"}


@pytest.mark.parametrize(("hours", "counts"), [(0, True), (24, True), (24.001, False), (48, False)])
def test_removals_count_for_24_hours(begin, hours, counts):
    run_history.note_removals(begin(), removals("g1"))

    assert bool(removed(hours)) is counts


def test_expired_ended_held_and_giving_operations_do_not_count(begin):
    run_history.note_removals(
        begin(),
        pd.concat(
            [
                removals("g1", cause="expired"),
                removals("g5", cause="ended"),
                removals("g2", state="held"),
                removals("g3", kind="schedule_create"),
                removals("g4"),
            ]
        ),
    )

    assert removed() == {"g4"}


def test_another_integration_remembers_nothing_of_it(begin):
    run_history.note_removals(begin(), removals("g1"))

    assert run_history.load_guard_history("other", NOW) == NOTHING_YET


def test_what_was_approved_does_not_count_and_the_approval_is_used_up(begin):
    table = removals("g1", "g2", "g3")
    folder = begin(approved=table["key"][:2], approved_set="abc")
    run_history.note_removals(folder, table)
    assert run_history.load_guard_history("campus", NOW).approvals == {}
    run_history.settle_removals(folder, table, outcomes(table, "done", "done", "done"))

    assert removed() == {"g3"}
    assert run_history.load_guard_history("campus", NOW).approvals == {"abc": 1}


def test_an_approval_whose_removals_did_not_all_go_is_not_used_up(begin):
    table = removals("g1", "g2")
    folder = begin(approved=table["key"], approved_set="abc")
    run_history.note_removals(folder, table)
    run_history.settle_removals(folder, table, outcomes(table, "done", "failed"))

    assert run_history.load_guard_history("campus", NOW).approvals == {}


def test_the_last_good_run_is_remembered_and_a_plan_is_no_run(begin):
    planned, good = begin(), begin(1)
    for folder, users in ((planned, 7), (good, 60)):
        folder.write("desired_read", pd.DataFrame([{"users": users, "reservations": 76}]))
    good.write("outcomes", schemas.frame(schemas.OUTCOMES, []))
    for folder in (good, planned):
        run_history.remember_good(folder)

    assert run_history.load_guard_history("campus", NOW).read == ReadCounts(60, 76)


def ended(folder, users, reservations):
    folder.write("desired_read", pd.DataFrame([{"users": users, "reservations": reservations}]))
    folder.write("outcomes", schemas.frame(schemas.OUTCOMES, []))
    return folder


def test_a_reload_moves_no_baseline(begin):
    """It is green whatever Hector lost elsewhere."""
    run_history.remember_good(ended(begin(), 60, 76))
    reload = ended(run_start.start_run("campus", "reload", {"references": ["1"]}, NOW + timedelta(hours=1)), 60, 6)
    run_history.remember_good(reload)

    assert run_history.load_guard_history("campus", NOW).read == ReadCounts(60, 76)
    assert run_history.read_file("campus", run_history.GOOD)["all_as_of"] == NOW.isoformat()


@pytest.mark.parametrize(
    ("guards", "states", "level"),
    [
        (["shrink"], ("done", "done"), 30),
        (["withdrawals"], ("done", "done"), 76),
        (["shrink"], ("done", "failed"), 76),
    ],
)
def test_an_approved_level_is_the_baseline(begin, guards, states, level):
    """Also while something else keeps the run red; the watch still begins at the last green sync."""
    run_history.remember_good(ended(begin(), 60, 76))
    table = removals("g1", "g2")
    run = ended(begin(1, approved=table["key"], approved_set="abc"), 60, 30)
    run.write_json("plan", (run.read_json("plan") or {}) | {"approved_guards": guards})
    run_history.settle_removals(run, table, outcomes(table, *states))

    assert run_history.load_guard_history("campus", NOW).read == ReadCounts(60, level)
    assert run_history.read_file("campus", run_history.GOOD)["all_as_of"] == NOW.isoformat()


def test_retention_takes_removals_and_questions_and_leaves_approvals(begin, tmp_path):
    used = begin(-24 * 40, approved=["k"], approved_set="abc")
    table = removals("g1").assign(key="k")
    run_history.settle_removals(used, table, outcomes(table, "done"))
    run_history.note_removals(begin(-24 * 31), removals("g2"))
    run_history.note_removals(begin(-24 * 29), removals("g3"))
    run_history.note_asked("campus", "a0", NOW - timedelta(days=31))
    run_history.note_asked("campus", "b0", NOW - timedelta(days=29))
    run_history.note_approved("campus", "a0", "desk", "then")
    run_history.remove_outdated("campus", NOW)

    kept = {path.name.partition("_")[0].removesuffix(".json") for path in (tmp_path / "campus" / "history").iterdir()}
    assert kept == {"20251205T150000Z", "20251216T150000Z", "b0.asked", "a0.approved"}
    assert run_history.load_guard_history("campus", NOW).approvals == {"abc": 1}


def test_a_file_that_cannot_be_read_stops_the_run_and_says_what_to_do(begin, tmp_path):
    run_history.note_removals(begin(), removals("g1"))
    (path,) = (tmp_path / "campus" / "history").iterdir()
    path.write_text('{"as_of"')

    with pytest.raises(
        HistoryError, match=r"removals\.json is cut off or damaged .*: remove the file, then start a new run"
    ):
        run_history.load_guard_history("campus", NOW)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.removals.json", '{"as_of": "soon"}'),
        ("x.removals.json", "{}"),
        ("good.json", '{"users": 5}'),
        ("good.json", '{"users": null, "reservations": 5}'),
    ],
)
def test_a_file_without_its_fields_is_named(begin, tmp_path, name, text):
    """It is JSON, and says nothing: the run stops with the file's name."""
    run_history.note_removals(begin(), removals("g1"))
    (tmp_path / "campus" / "history" / name).write_text(text)

    with pytest.raises(HistoryError, match=rf"{name} is damaged .*: remove the file, then start a new run"):
        run_history.load_guard_history("campus", NOW)


def test_half_a_file_is_never_left_and_others_cannot_look(begin, tmp_path, monkeypatch):
    run_history.note_removals(begin(), removals("g1"))
    folder = tmp_path / "campus" / "history"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", dies)
    with pytest.raises(KeyboardInterrupt):
        run_history.note_removals(begin(), removals("g2"))
    assert removed() == {"g1"}


def test_an_object_store_remembers_as_well(monkeypatch):
    memory = fsspec.filesystem("memory")
    attach("memory", fs=memory)
    monkeypatch.setenv("HECTOR_SALTO_RUNS", "memory://runs")
    assert run_history.load_guard_history("campus", NOW) == NOTHING_YET
    folder = run_start.start_run("campus", "run", {}, NOW)
    folder.write_json("plan", {"approved": [], "approved_set": None})
    run_history.note_removals(folder, removals("g1"))
    run_history.note_asked("campus", "a0", NOW)

    assert removed() == {"g1"}
    assert run_history.when_asked("campus", "a0") == NOW
    run_history.remove_outdated("campus", NOW + timedelta(days=31))
    assert run_history.load_guard_history("campus", NOW) == NOTHING_YET


@pytest.mark.parametrize("digest", ["", "../x", "zz", "a/b"])
def test_only_a_digest_becomes_part_of_a_files_name(begin, digest):
    with pytest.raises(ValueError, match="no digest"):
        run_history.note_asked("campus", digest, NOW)
    assert run_history.approval_of("campus", digest) is None
