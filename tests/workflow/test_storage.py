"""A full disk and damaged files: nothing half-written is believed, the cause is named, an alert goes out all the same."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pandas as pd
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from hector_salto.access import schemas
from hector_salto.integration import Integration
from hector_salto.workflow import alerting, naming, plan_application, reporting, run_history, run_start, storage
from hector_salto.workflow.alerting import Channel, Ended
from hector_salto.workflow.failures import RunError, record_step
from hector_salto.workflow.recorder import ledger
from hector_salto.workflow.reporting import ReportSpec
from hector_salto.workflow.storage import StorageError, UnreadableFileError
from salto.created_ids import CreatedIds
from tests.workflow.test_steps import made, outcomes, planned

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
INTEGRATION = Integration(hector_conn_id="h", salto_conn_id="s", site_id="DE1")
STEPS = ("plan", "apply")
TABLE = pd.DataFrame({"email": ["ana@campus.example"]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    return run_start.start_run("campus", "manual__2026-01-14T15:00:00+00:00", {}, NOW)


@pytest.fixture
def full(monkeypatch):
    """From the call on, a disk that has room for half of each file, or for none of those that ``chosen`` picks."""

    def fill(chosen=lambda name: True, code=errno.ENOSPC):
        def write(path, content):
            if not chosen(path.name):
                path.write_bytes(content)
                return
            path.write_bytes(content[: len(content) // 2])
            raise OSError(code, "No space left on device")

        monkeypatch.setattr(storage, "_write", write)

    return fill


WRITES = {
    "table": lambda folder: folder.write("users", TABLE),
    "note": lambda folder: folder.write_json("plan", {"digest": "a"}),
    "text": lambda folder: folder.write_text("report.html", "<p>"),
    "history": lambda folder: run_history.keep(run_history.name_of(folder), "watched.json", {"mark": {}}),
}


def files(folder):
    """Whatever lies in the run's folder and in the history beside it."""
    found = [*folder.path.iterdir(), *(folder.path.parent / "history").glob("*")]
    return {path.name: path.read_bytes() for path in found}


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence(folder, full, kind, code):
    """And what was there before is there still, with nothing beside it."""
    WRITES[kind](folder)
    before = files(folder)
    full(code=code)

    with pytest.raises(
        StorageError, match=f"^no space left in {folder.path.parent.path}: free some, then start a new run$"
    ):
        WRITES[kind](folder)

    assert files(folder) == before


def test_a_folder_that_cannot_be_written_is_no_full_disk(folder, full):
    """A disk that is mounted read-only, for instance."""
    full(code=errno.EROFS)

    with pytest.raises(StorageError, match=r"campus cannot be written \(No space left on device\): make it writable"):
        folder.write("users", TABLE)


def test_a_run_that_finds_no_room_ends_in_the_ledger(tmp_path, monkeypatch, full):
    """It does not stay under way for ever."""
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    full(lambda name: "run.json" in name)

    with pytest.raises(StorageError, match="no space left"):
        run_start.start_run("campus", "manual", {}, NOW)

    with ledger().reading() as connection:
        state, causes = connection.exec_driver_sql("select state, causes from runs").one()
    assert state == "red"
    assert "start_run: no space left in" in causes


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_cut_off_note_is_a_sentence(folder, content):
    """Not "Expecting value: line 1 column 1"."""
    (folder.path / "fingerprint.json").write_bytes(content)

    sentence = r"fingerprint\.json is (cut off or )?damaged .*: start a new run$"
    with pytest.raises(AirflowFailException, match=sentence), record_step(folder, "plan"):
        folder.read_json("fingerprint")

    with pytest.raises(RunError, match=r"^plan: .*fingerprint\.json is"):
        reporting.report(folder, ReportSpec(INTEGRATION, STEPS, None))


@pytest.mark.parametrize("content", [None, b"", b"PAR1"])
def test_a_cut_off_table_is_a_sentence(folder, content):
    """Missing, empty, or without its end."""
    if content is not None:
        (folder.path / "users.parquet").write_bytes(content)

    with pytest.raises(
        UnreadableFileError, match=r"users\.parquet is (missing|cut off or damaged.*): start a new run$"
    ):
        folder.read("users")


@pytest.fixture
def told(monkeypatch):
    """What an alert's only channel is given."""
    sent = []
    channel = Channel("mail", "smtp", "smtp", lambda _connection, message: sent.append(message.plain))
    monkeypatch.setattr(alerting, "_channels", lambda _fields: [channel])
    monkeypatch.setattr(alerting, "_connection", lambda _channel: None)
    return sent


def ended_red(folder, cause):
    """The report of a run with a plan and outcomes: red, for this cause."""
    with pytest.raises(RunError, match=cause):
        reporting.report(folder, ReportSpec(INTEGRATION, STEPS, None))


def test_a_full_disk_at_the_end_is_told(folder, full, told):
    """In the ledger and by alert, although the report has no room."""
    planned(folder, ())
    outcomes(folder, "done")
    full()

    ended_red(folder, "the report could not be written: no space left in")
    alerting.after_sync("campus", INTEGRATION, Ended(folder, STEPS, reported=False))

    assert "no space left in" in told[0]
    with ledger().reading() as connection:
        assert "no space left in" in connection.exec_driver_sql("select causes from runs").scalar_one()


def test_a_full_disk_at_the_beginning_is_told(folder, full, told):
    """There is no folder whose causes could be read."""
    full()
    alerting.after_cleanup("campus", INTEGRATION, Ended(None, STEPS, reported=False))

    assert "the cleanup ended red: no space left in" in told[0]


@pytest.mark.parametrize(
    "name",
    ["run.json", "gate.json", "plan.json", "causes.json", "current.json", "failure_plan.json", "spent_plan.json"]
    + [f"{table}.parquet" for table in ("operations", "outcomes", "problems", "left")],
)
@pytest.mark.parametrize("content", [b"", b'{"a": 1'])
def test_report_and_alert_survive_any_damaged_file(folder, told, name, content):
    """What counts is a cause; what is only a figure is left out."""
    planned(folder, ())
    folder.write("left", folder.read("operations"))
    outcomes(folder, "done")
    (folder.path / name).write_bytes(content)

    if name in {"causes.json", "spent_plan.json"}:
        reporting.report(folder, ReportSpec(INTEGRATION, STEPS, None))
        assert (folder.path / "report.html").exists()
        return
    ended_red(folder, f"{name} is cut off or damaged")
    assert (folder.path / "report.html").exists()
    alerting.after_sync("campus", INTEGRATION, Ended(folder, STEPS, reported=False))
    assert name in told[0]


def test_damaged_causes_keep_no_alert_back(folder, told):
    """The run is told as red without them."""
    (folder.path / "causes.json").write_bytes(b"{")

    alerting.after_sync("campus", INTEGRATION, Ended(folder, STEPS, reported=False))

    assert "the report was not finished" in told[0]


def test_what_was_sent_is_remembered_although_outcomes_find_no_room(folder, full, monkeypatch):
    """Each of the three files is tried for itself."""
    planned(folder, ("group_delete",))
    folder.write("members", schemas.frame(schemas.SALTO_GROUP_USERS, []))
    for name in ("SaltoHook", "SiteClients", "hector_hook"):
        monkeypatch.setattr(plan_application, name, Mock())
    key = folder.read("operations")["key"].iloc[0]
    done = schemas.frame(schemas.OUTCOMES, [{"key": key, "state": "done", "message": ""}])
    monkeypatch.setattr(
        plan_application, "PlanExecutor", Mock(return_value=Mock(created_ids=CreatedIds(), outcomes=done))
    )
    full(lambda name: "outcomes" in name)

    with pytest.raises(StorageError, match="no space left"):
        plan_application.apply(INTEGRATION, folder, NOW, made(folder))

    assert not folder.has("outcomes")
    assert folder.read_json("made") == {"groups": {}, "users": {}}
    assert run_history.load_guard_history("campus", NOW).removed == {key}


def test_a_failure_without_room_for_its_note_fails_all_the_same(folder, full):
    """The task ends with its own error, not with that of the note."""
    full()

    with pytest.raises(AirflowFailException, match=r"x\.json is missing"), record_step(folder, "plan"):
        folder.require_json("x")


def test_files_that_were_cut_off_go_with_retention(folder):
    """They are no notes, however old."""
    run_history.keep("campus", "watched.json", {})
    left = folder.path.parent / "history" / ".watched.json.7.ab.unfinished"
    left.write_bytes(b"{")

    assert run_history.load_guard_history("campus", NOW).removed == frozenset()
    run_history.remove_outdated("campus", datetime.now(UTC))
    assert left.exists()
    run_history.remove_outdated("campus", datetime.now(UTC) + timedelta(days=31))
    assert not left.exists()


@pytest.mark.parametrize("length", [1, 100, 101, 245, 250])
def test_a_long_run_id_has_a_folder(folder, length):
    """Airflow takes 250 letters, a file system names of 255 bytes, and notes beside the folder carry its name."""
    begun = run_start.start_run("campus", "é" * length, {}, NOW)

    assert len(begun.path.name) <= 140
    assert begun.read_json("run")["run_id"] == "é" * length
    run_history.keep("campus", f"{begun.path.name}.removals.json", {})


def test_long_names_stay_distinct():
    """Two run ids that differ only at their end."""
    first, second = (naming.derived_run_id("held", "x" * 245 + end) for end in "ab")

    assert first != second
    assert len(first) == len(second) == naming.LONGEST_RUN_ID
    assert naming.derived_run_id("held", "manual") == "held__manual"
