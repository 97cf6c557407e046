from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from hector_salto.access import schemas
from hector_salto.access.current import Current, Groups
from hector_salto.access.operations import operations
from hector_salto.access.plan import fingerprint_of
from hector_salto.integration import Integration
from hector_salto.ledger.ledger import Ledger, LedgerError
from hector_salto.reports.text import problem_lines
from hector_salto.workflow import plan_application, reporting, run_history, run_start, site_cache
from hector_salto.workflow.failures import ChangedPlanError, RunError, StalePlanError
from hector_salto.workflow.planning import Verification
from hector_salto.workflow.recorder import Book
from hector_salto.workflow.reporting import ReportSpec
from salto.created_ids import CreatedIds

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
INTEGRATION = Integration(hector_conn_id="h", salto_conn_id="s", site_id="DE1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    return run_start.start_run("campus", "manual__2026-01-14T15:00:00+00:00", {}, NOW)


def planned(folder, kinds: tuple[str, ...] = ("group_delete",), problems=()) -> None:
    rows = [{"group_id": str(n), "group_name": f"Hector_{n}"} for n, _ in enumerate(kinds)]
    tables = [
        operations(kind, schemas.pd.DataFrame([row]), cause="withdrawn", reason="gone", unit="reservation 1")
        for kind, row in zip(kinds, rows, strict=True)
    ]
    folder.write("operations", schemas.pd.concat([schemas.frame(schemas.OPERATIONS, []), *tables]))
    folder.write("problems", schemas.frame(schemas.PROBLEMS, problems))
    folder.write_json("plan", {"holds": [], "digest": None, "seats_short": False})
    book = Book.of(folder)
    empty = schemas.frame(schemas.PROBLEMS, [])
    book.ledger.plan(book.run_id, folder.read("operations"), empty, site_id="s1", site_applied=0)


def end(folder, steps, look_again):
    reporting.report(folder, ReportSpec(INTEGRATION, steps, look_again))


def look(folder, remaining):
    """Salto as it was read after the run, in which this is left to do."""
    empty = {name: schemas.frame(schema, []) for name, schema in site_cache._CURRENT.items()}
    groups = Groups(empty["groups"], empty["group_users"], empty["group_locks"], empty["schedules"])
    current = Current("UTC", None, None, "me", None, empty["users"], empty["tags"], empty["locks"], groups)
    matches = schemas.pd.DataFrame(columns=["platform_user_id", "user_id"]).astype("str")
    return Verification(current, remaining, matches, NOW, NOW)


def made(folder):
    """What the task that made the plan told Airflow."""
    return fingerprint_of(folder.read("operations"))


def outcomes(folder, state: str, message: str = "") -> None:
    keys = folder.read("operations")["key"]
    rows = [{"key": key, "state": state, "message": message} for key in keys]
    folder.write("outcomes", schemas.frame(schemas.OUTCOMES, rows))


def test_a_plan_of_15_minutes_is_applied_and_an_older_one_is_refused(folder):
    planned(folder, ())

    assert plan_application.apply(INTEGRATION, folder, NOW + timedelta(minutes=15), made(folder)) == {}
    with pytest.raises(StalePlanError, match="16 minutes old, the limit is 15; start a new run"):
        plan_application.apply(INTEGRATION, folder, NOW + timedelta(minutes=16), made(folder))


def test_a_plan_that_somebody_changed_on_its_way_is_not_applied(folder):
    """Whoever can write to the folder of runs must not open a door by it."""
    planned(folder, ("member_remove",))
    known = made(folder)
    folder.write("operations", folder.read("operations").assign(platform_user_id="somebody else"))

    with pytest.raises(ChangedPlanError, match=r"is not the one that was made.*find out who can write to"):
        plan_application.apply(INTEGRATION, folder, NOW, known)


def test_what_is_about_to_go_is_written_down_before_the_first_request(folder, monkeypatch):
    """A process that is killed writes nothing down afterwards."""
    planned(folder, ("group_delete",))
    folder.write("members", schemas.frame(schemas.SALTO_GROUP_USERS, []))
    for name in ("SaltoHook", "SiteClients"):
        monkeypatch.setattr(plan_application, name, Mock())
    monkeypatch.setattr(plan_application, "hector_hook", Mock())
    known = []

    def run():
        known.extend(run_history.load_guard_history("campus", NOW).removed)

    monkeypatch.setattr(
        plan_application,
        "PlanExecutor",
        Mock(return_value=Mock(run=run, created_ids=CreatedIds(), outcomes=schemas.frame(schemas.OUTCOMES, []))),
    )
    plan_application.apply(INTEGRATION, folder, NOW, made(folder))

    assert known == ["group_delete:0:::::"]
    assert run_history.load_guard_history("campus", NOW).removed == frozenset()  # nothing went


def test_as_of_is_the_moment_the_run_started_reading(folder):
    assert run_start.as_of(folder) == NOW


def test_the_folder_is_for_its_owner_only(folder, tmp_path):
    (path,) = (tmp_path / "campus").iterdir()

    assert path.stat().st_mode & 0o777 == 0o700
    assert re.fullmatch(r"20260114T150000Z_[0-9a-f]{8}_manual__2026-01-14T15_00_00_00_00", path.name)


def test_same_second_two_folders(folder):
    """A sync and a cleanup that begin in one second, with one run id, share nothing."""
    other = run_start.start_run("campus", "manual__2026-01-14T15:00:00+00:00", {}, NOW, kind="cleanup")

    assert other.path != folder.path
    assert [one.read_json("run")["kind"] for one in (folder, other)] == ["sync", "cleanup"]
    assert Book.of(other).run_id != Book.of(folder).run_id


def test_folders_past_retention_are_removed_and_no_others(folder, tmp_path):
    run_start.start_run("campus", "old", {}, NOW - timedelta(days=31))
    run_start.start_run("other", "old", {}, NOW - timedelta(days=31))
    run_start.start_run("campus", "young", {}, NOW - timedelta(days=29))

    assert run_start.remove_outdated_folders("campus", NOW) == 1
    assert len(list((tmp_path / "campus").iterdir())) == 2
    assert len(list((tmp_path / "other").iterdir())) == 1


def test_a_run_that_did_everything_is_green(folder):
    planned(folder)
    outcomes(folder, "done")

    end(folder, ("plan", "apply"), lambda: look(folder, schemas.frame(schemas.OPERATIONS, [])))


def test_problems_alone_leave_the_run_green(folder, caplog):
    problem = {
        "code": "tag_unknown",
        "who": "salto_admin",
        "subject": "user u_1",
        "reference": None,
        "message": "the unique code of user u_1 is no tag of this site",
        "next_step": "create it",
        "red": False,
    }
    planned(folder, (), [problem])
    outcomes(folder, "done")

    end(folder, ("plan", "apply"), None)

    assert "the unique code of user u_1 is no tag of this site. Next step: create it" in caplog.text
    assert len(list(problem_lines(folder.read("problems")))) == 1


@pytest.mark.parametrize("state", ["failed", "unknown", "not_sent", "no_seat"])
def test_an_operation_that_is_not_done_turns_the_run_red_and_is_named(folder, state):
    planned(folder)
    outcomes(folder, state, "Salto said no")

    with pytest.raises(RunError, match=f"{state}: group_delete Hector_0: Salto said no"):
        end(folder, ("plan", "apply"), None)


def test_held_removals_turn_the_run_red_and_say_how_to_approve_them(folder):
    planned(folder)
    table = folder.read("operations").assign(state="held")
    folder.write("operations", table)
    folder.write_json(
        "plan", {"holds": [{"guard": "withdrawals", "why": "11 removals"}], "digest": "abc123", "seats_short": False}
    )

    with pytest.raises(RunError, match=r"1 operation is held; if it is meant, run again with approve: abc123"):
        end(folder, ("plan", "apply"), None)


def test_what_does_not_read_back_turns_the_run_red(folder, monkeypatch):
    monkeypatch.setattr(reporting, "SETTLING", (0.0, 0.0))
    planned(folder)
    outcomes(folder, "done")

    with pytest.raises(RunError, match="not in place after the run"):
        end(folder, ("plan", "apply"), lambda: look(folder, folder.read("operations")))


def test_a_failed_step_is_repeated_in_one_sentence(folder):
    folder.write_json(
        "failure_plan", {"step": "plan", "sentence": "the token is refused: put a valid one in", "remedy": "x"}
    )

    with pytest.raises(RunError, match=r"^plan: the token is refused: put a valid one in$"):
        end(folder, ("plan", "apply"), None)


def test_one_remedy_is_told_once_however_many_steps_it_mends(folder):
    for step in ("extract_users", "extract_places"):
        failure = {"step": step, "sentence": f"{step} is refused: make a new token", "remedy": "make a new token"}
        folder.write_json(f"failure_{step}", failure)

    with pytest.raises(RunError, match=r"^extract_users: extract_users is refused: make a new token$"):
        end(folder, ("extract_users", "extract_places"), None)


def away(*arguments, **words):
    raise LedgerError("the ledger at postgresql://x cannot be used (connection refused)")


def told_in(folder):
    return json.loads((folder.path / "report.json").read_text())


@pytest.mark.parametrize("method", ["observe", "end_run"])
def test_a_ledger_that_is_away_at_the_end_costs_neither_the_report_nor_a_cause(folder, monkeypatch, method):
    planned(folder)
    outcomes(folder, "failed", "Salto said no")
    monkeypatch.setattr(Ledger, method, away)

    with pytest.raises(RunError, match=r"Salto said no; the end of the run could not be written down.*refused"):
        end(folder, ("plan", "apply"), lambda: look(folder, schemas.frame(schemas.OPERATIONS, [])))

    causes = told_in(folder)["causes"]
    assert len(causes) == 2
    assert folder.read_json("causes") == {"causes": causes}
    page = (folder.path / "report.html").read_text()
    assert "Salto said no" in page
    assert "connection refused" in page


def test_a_ledger_that_is_away_at_the_end_turns_a_green_run_red(folder, monkeypatch):
    planned(folder, ())
    outcomes(folder, "done")
    monkeypatch.setattr(reporting.Book, "of", away)

    with pytest.raises(RunError, match="could not be written down"):
        end(folder, ("plan", "apply"), None)

    assert told_in(folder)["state"] == "red"


def test_a_ledger_that_is_away_when_salto_is_read_back_is_a_cause(folder):
    planned(folder)
    outcomes(folder, "done")

    with pytest.raises(RunError, match=r"what was sent could not be read back: the ledger at"):
        end(folder, ("plan", "apply"), away)


def test_a_report_that_goes_wrong_itself_is_still_written(folder):
    planned(folder)
    outcomes(folder, "failed", "Salto said no")

    def broken():
        raise KeyError("x")

    with pytest.raises(RunError, match=r"Salto said no; report: failed in a way nobody foresaw \(KeyError\)"):
        end(folder, ("plan", "apply"), broken)

    assert len(told_in(folder)["causes"]) == 2


def test_an_apply_that_was_killed_is_no_green_run(folder):
    """It leaves no outcomes and no failure: a worker that is lost writes nothing."""
    planned(folder)

    with pytest.raises(RunError, match="apply: ended without a word"):
        end(folder, ("plan", "apply"), None)


def test_a_plan_only_says_how_much_was_not_sent(folder, caplog):
    run = folder.read_json("run")
    folder.write_json("run", run | {"conf": {"plan_only": True}})
    planned(folder)
    caplog.set_level("INFO")

    end(folder, ("plan", "apply"), None)

    assert "green: plan only, 1 operation was not sent" in caplog.text
    assert told_in(folder)["says"] == "plan only, 1 operation was not sent"


@pytest.mark.parametrize(("left", "words"), [(1, "1 change by hand that is"), (2, "2 changes by hand that are")])
def test_a_green_run_says_what_it_left_as_somebody_made_it(folder, left, words):
    planned(folder, ("member_remove",) * left)
    folder.write("left", folder.read("operations"))
    planned(folder, ())
    outcomes(folder, "done")

    end(folder, ("plan", "apply"), None)

    assert told_in(folder)["says"] == f"Salto holds what Hector says, but for {words} only reported"
