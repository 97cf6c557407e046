"""Runs whose folders are in a bucket: by an Airflow connection, and by the AWS variables alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from airflow.sdk.io import store

from hector_salto.access import schemas
from hector_salto.access.guard_history import NOTHING_YET
from hector_salto.access.operations import operations
from hector_salto.workflow import run_folder as folders
from hector_salto.workflow import run_history, run_start
from hector_salto.workflow.run_folder import RunFolder
from hector_salto.workflow.storage import StorageError
from tests.workflow import bucket as s3

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
DIGEST = "abc123"


@pytest.fixture(scope="module")
def server():
    with s3.bucket() as found:
        yield found


@pytest.fixture(params=["connection", "variables"])
def bucket(request, server, monkeypatch):
    """The same bucket, empty, reached in one of the two ways."""
    for key in server.names():
        server.delete(key)
    store._STORE_CACHE.clear()  # each process that runs a task has its own
    if request.param == "connection":
        monkeypatch.setenv("AIRFLOW_CONN_RUNS", server.connection)
        monkeypatch.setenv("HECTOR_SALTO_RUNS", f"s3://runs@{s3.NAME}/hector")
    else:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HECTOR_SALTO_RUNS", f"s3://{s3.NAME}/hector")
    yield server
    store._STORE_CACHE.clear()


def begin(hours=0.0):
    return run_start.start_run("campus", f"run{hours}", {}, NOW + timedelta(hours=hours))


def test_what_one_task_writes_the_next_one_reads(bucket):
    folder = begin()
    folder.write("users", pd.DataFrame({"email": ["ana@campus.example"]}))
    folder.write_json("plan", {"approved": []})
    folder.write_text("report.html", "é")

    again = RunFolder(str(folder))
    assert again.read("users")["email"].tolist() == ["ana@campus.example"]
    assert again.read_json("plan") == {"approved": []}
    assert again.read_json("run")["integration"] == "campus"
    assert (again.has("users"), again.has("tags"), again.read_json("causes")) == (True, False, None)
    assert bucket.names() == [
        *(
            f"hector/campus/{folder.path.name}/{name}"
            for name in ("plan.json", "report.html", "run.json", "users.parquet")
        ),
        "hector/instance.json",
    ]
    again.forget("plan")
    again.forget("plan")
    assert folder.read_json("plan") is None


def test_what_other_machines_do_is_seen_at_once_also_after_a_list_was_read(bucket):
    folder = begin()
    inside = f"hector/campus/{folder.path.name}"
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]

    bucket.put(f"{inside}/causes.json", '{"causes": []}')
    assert folder.read_json("causes") == {"causes": []}
    assert [path.name for path in folder.path.iterdir()] == ["causes.json", "run.json"]
    bucket.put(f"{inside}/causes.json", '{"causes": ["a much longer one than before"]}')
    assert folder.read_json("causes") == {"causes": ["a much longer one than before"]}
    bucket.delete(f"{inside}/causes.json")
    assert folder.read_json("causes") is None
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_removals_and_questions_are_remembered_and_end_with_retention(bucket):
    assert run_history.load_guard_history("campus", NOW) == NOTHING_YET
    folder = begin()
    folder.write_json("plan", {"approved": [], "approved_set": None})
    gone = pd.DataFrame({"group_id": ["g1"], "group_name": ["Hector_1"]})
    table = operations("group_delete", gone, cause="withdrawn", reason="because", unit="unit")
    run_history.note_removals(folder, table)
    run_history.note_asked("campus", DIGEST, NOW)
    run_history.note_approved("campus", DIGEST, "desk", NOW.isoformat())

    assert run_history.load_guard_history("campus", NOW).removed == frozenset(table["key"])
    assert run_history.when_asked("campus", DIGEST) == NOW
    assert run_history.approval_of("campus", DIGEST)["by"] == "desk"
    rows = [{"key": table["key"].iloc[0], "state": "failed", "message": ""}]
    run_history.settle_removals(folder, table, schemas.frame(schemas.OUTCOMES, rows))
    assert run_history.load_guard_history("campus", NOW).removed == frozenset()

    run_history.remove_outdated("campus", NOW + timedelta(days=40))
    left = [key for key in bucket.names() if "/history/" in key]
    assert left == [f"hector/campus/history/{DIGEST}.approved.json"]


def test_old_folders_go_and_the_others_stay(bucket):
    old, new = begin(), begin(hours=24 * 40)
    old.write("users", pd.DataFrame({"email": ["ana@campus.example"]}))
    run_history.note_approved("campus", DIGEST, "desk", NOW.isoformat())
    assert [path.name for path in folders.list_outdated("campus", as_of=NOW + timedelta(days=40))] == [old.path.name]

    run_start.remove_outdated_folders("campus", run_start.as_of(new).to_pydatetime())
    assert {key.split("/")[2] for key in bucket.names() if "/campus/" in key} == {new.path.name, "history"}
    assert list(folders.list_outdated("campus", as_of=NOW + timedelta(days=40))) == []
    assert list(folders.list_outdated("another", as_of=NOW)) == []


def test_a_bucket_that_is_not_there_is_told_and_not_made(bucket, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", os.environ["HECTOR_SALTO_RUNS"].replace(s3.NAME, "mistyped"))
    with pytest.raises(
        StorageError, match=r"s3://.*mistyped/.* cannot be written \(The specified bucket does not exist\)"
    ):
        begin()
    assert [one["Name"] for one in bucket.others.list_buckets()["Buckets"]] == [s3.NAME]


def test_a_store_that_is_away_is_no_empty_store(bucket, monkeypatch):
    """A guard that finds no history because nobody answered would let too much through."""
    folder = begin()
    monkeypatch.setattr("s3fs.core.S3FileSystem._call_s3", _refused)
    for look in (
        lambda: run_history.load_guard_history("campus", NOW),
        lambda: run_history.approval_of("campus", DIGEST),
        lambda: folder.has("outcomes"),
        lambda: folder.read_json("plan"),
        lambda: list(folders.list_outdated("campus", as_of=NOW)),
    ):
        with pytest.raises(PermissionError):
            look()


async def _refused(*_arguments, **_named):
    raise PermissionError("Forbidden")
