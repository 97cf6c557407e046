"""A run's plan is made once; a look at Salto is dated by when it began."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import Mock

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.current import Current, Groups
from hector_salto.integration import Integration
from hector_salto.ledger.ledger import READ_BY_CLEANUP, RunStart
from hector_salto.workflow import planning, reporting, run_start, site_cache
from hector_salto.workflow.failures import StalePlanError
from hector_salto.workflow.planning import Verification
from hector_salto.workflow.recorder import RESTART, Book, ledger
from tests.ledger.test_ledger import NOTHING, adding

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
INTEGRATION = Integration(hector_conn_id="h", salto_conn_id="s", site_id="DE1")
REQUEST = ("Salto KS", "PATCH", "/x")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    return run_start.start_run("campus", "manual__2026-01-14T15:00:00+00:00", {}, NOW, kind="cleanup")


def salto(*people):
    """Salto with one group, in which are these."""
    tables = {name: schemas.frame(schema, []) for name, schema in site_cache._CURRENT.items()}
    group = {"group_id": "g", "name": "Hector_1", "user_count": len(people), "lock_count": 0}
    tables["groups"] = schemas.frame(schemas.SALTO_GROUPS, [group])
    members = [{"group_id": "g", "platform_user_id": one} for one in people]
    groups = Groups(
        tables["groups"],
        schemas.frame(schemas.SALTO_GROUP_USERS, members),
        tables["group_locks"],
        tables["schedules"],
    )
    return Current("UTC", None, None, "me", None, tables["users"], tables["tags"], tables["locks"], groups)


def test_a_run_is_patient_with_the_ledgers_database_and_the_page_is_not(monkeypatch):
    asked = []

    class Opened:
        def begin_run(self, _begun):
            return 1

    def opened(_url, patience=0.0, **_):
        asked.append(patience)
        return Opened()

    monkeypatch.setattr("hector_salto.workflow.recorder.Ledger.open", opened)
    Book.begin(RunStart("campus", "sync", "r", "f", NOW))
    ledger()

    assert asked == [RESTART, RESTART, 0.0]


def sends_and_looks(who):
    """Another run of the site, that is faster."""
    begun = RunStart("campus", "sync", "fast", "fast", NOW)
    book = Book.begin(begun)
    book.ledger.plan(book.run_id, adding("ana"), NOTHING)
    call = book.ledger.send(book.run_id, book.ledger.operation_ids(book.run_id).values(), REQUEST, datetime.now(UTC))
    book.ledger.answer(call, datetime.now(UTC), 204, None)
    book.observe(planning.snapshot_of_groups(salto(who)), read_at=datetime.now(UTC), names=READ_BY_CLEANUP)


class Overtaken:
    """Reading Salto takes so long that another run changes it meanwhile."""

    def __init__(self, *_given):
        pass

    def refresh_groups(self):
        found = salto()
        sends_and_looks("ana")
        return found

    def refresh_for_plan(self, _made):
        return None


@pytest.fixture
def overtaken(monkeypatch):
    monkeypatch.setattr(planning, "SaltoHook", Mock())
    monkeypatch.setattr(planning, "LiveSiteState", Overtaken)
    monkeypatch.setattr(planning, "require_same_time", Mock())
    monkeypatch.setattr(planning, "read_after", lambda *_: Overtaken().refresh_groups())
    monkeypatch.setattr(planning, "read_applied", Mock())


def inside():
    return set(ledger().read_snapshot("campus").members["platform_user_id"])


def test_the_cleanup_does_not_take_back_what_a_faster_sync_saw(folder, overtaken):
    planning.plan_cleanup(INTEGRATION, folder)

    assert inside() == {"ana"}


def kept(folder):
    """The folder of a run that has read Salto; when it began to."""
    read_at = datetime.now(UTC)
    site_cache.keep_current(folder, salto(), pd.DataFrame({"platform_user_id": [], "user_id": []}), read_at)
    return read_at


def test_nor_does_its_look_at_the_end(folder, overtaken):
    kept(folder)
    look = planning.look_for_outdated(INTEGRATION, folder)
    reporting._observe(folder, Book.of(folder), look)

    assert inside() == {"ana"}


def test_nor_does_a_look_at_the_end_whose_plan_another_run_has_overtaken(folder, monkeypatch):
    """Only what the run has sent is read again: the rest is as old as the plan."""
    monkeypatch.setattr(planning, "SaltoHook", Mock())
    monkeypatch.setattr(planning, "read_applied", Mock())
    monkeypatch.setattr(planning, "read_after", lambda _reader, _fingerprint, before, _sent: before)
    kept(folder)
    sends_and_looks("ana")

    reporting._observe(folder, Book.of(folder), planning.look_for_outdated(INTEGRATION, folder))

    assert inside() == {"ana"}


def test_a_syncs_look_is_dated_by_when_its_reading_began(folder, monkeypatch):
    moments = []

    class Reading:
        def __init__(self, _integration, _folder, read_at, _references, *, verify):  # noqa: ARG002 - as the real one is called
            moments.append(read_at)

        def plan_until_read(self, _compare):
            moments.append(datetime.now(UTC))
            return Mock(), salto()

    class HereItEndsError(Exception):
        pass

    def recording(*given):
        moments.append(given[-1])
        raise HereItEndsError

    monkeypatch.setattr(Reading, "reader", Mock(), raising=False)
    for name in (
        "require_same_time",
        "hector_clock",
        "_comparison",
        "_shared_site_problem",
        "all_problems",
        "replace",
        "_keep_plan",
        "keep_current",
        "release",
        "_record",
    ):
        monkeypatch.setattr(planning, name, Mock())
    monkeypatch.setattr(planning, "_Reading", Reading)
    monkeypatch.setattr(planning, "hector_of", lambda _folder: (None, None, None))
    monkeypatch.setattr(planning, "unconfirmed_lists", lambda *_: frozenset())
    monkeypatch.setattr(planning, "_observe", recording)
    folder.write("token", schemas.frame(schemas.PROBLEMS, []))
    with pytest.raises(HereItEndsError):
        planning.plan(INTEGRATION, folder, references=None, approve=None)

    assert moments[0] == moments[2] <= moments[1]


def test_its_look_at_the_end_is_dated_by_the_plans_reading_and_by_its_own(folder, monkeypatch):
    read_at = kept(folder)
    for name in ("SaltoHook", "read_applied", "_comparison"):
        monkeypatch.setattr(planning, name, Mock())
    monkeypatch.setattr(planning, "_tag_fingerprints", lambda *_: (None, ""))
    moments = []

    def reading(_reader, _fingerprint, before, _sent):
        moments.append(datetime.now(UTC))
        return before

    monkeypatch.setattr(planning, "read_after", reading)
    look = planning.verify_sync(INTEGRATION, folder, references=None, approve=None)

    assert isinstance(look, Verification)
    assert look.read_at == read_at < look.again_at <= moments[0]


@pytest.mark.parametrize(
    "again",
    [
        lambda folder: planning.plan(INTEGRATION, folder, references=None, approve=None),
        lambda folder: planning.plan_cleanup(INTEGRATION, folder),
    ],
)
def test_a_run_that_has_sent_its_plan_makes_no_other(folder, again):
    book = Book.of(folder)
    book.ledger.plan(book.run_id, adding("ana"), NOTHING)
    book.ledger.send(book.run_id, book.ledger.operation_ids(book.run_id).values(), REQUEST, NOW)

    with pytest.raises(StalePlanError, match="this run has sent its plan already; start a new run"):
        again(folder)

    assert len(book.ledger.operation_ids(book.run_id)) == 1
    assert not folder.has("operations")
