"""What an approver reads is what is approved: everything is looked up from the digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.operations import HELD, operations
from hector_salto.integration import Integration
from hector_salto.ledger.ledger import RunStart
from hector_salto.workflow import approval
from hector_salto.workflow.approval import UnknownDigestError
from hector_salto.workflow.recorder import ledger
from hector_salto.workflow.run_folder import RunFolder

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
INTEGRATION = Integration(hector_conn_id="h", salto_conn_id="s", site_id="DE1")
SYNC = RunStart("campus", "sync", "manual", "folder", NOW)


@pytest.fixture
def held():
    """Put a sync that holds the removal of one group into the ledger; return its digest."""

    def hold(digest, group, begun=SYNC):
        table = pd.DataFrame({"group_id": [group], "group_name": [f"Hector_{group}"]})
        plan = operations("group_delete", table, cause="withdrawn", reason="cancelled", unit=f"reservation {group}")
        book = ledger()
        facts = {"holds": ["withdrawals: 11 removals (hold_above 10)"], "digest": digest, "planned_at": NOW}
        book.plan(book.begin_run(begun), plan.assign(state=HELD), schemas.frame(schemas.PROBLEMS, []), **facts)
        return digest

    return hold


def test_a_plan_that_cannot_be_read_is_left_to_the_task_that_asks(tmp_path, monkeypatch):
    """What was sent is sent: the task that applied it does not fail for it."""
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    folder = RunFolder.create("campus", "r", NOW)
    assert not approval.holds(folder)

    (tmp_path / "campus" / folder.path.name / "plan.json").write_text('{"digest": "ab')
    assert approval.holds(folder)


def test_the_question_shows_the_set_of_its_digest(held):
    """Not the newest held set, and none of another integration."""
    held("aaaa", "first")
    held("bbbb", "second", replace(SYNC, began_at=NOW + timedelta(days=1)))
    held("aaaa", "others", replace(SYNC, integration="annex"))

    shown = approval.text(INTEGRATION, "campus", "aaaa")

    assert shown["subject"] == "1 removals at DE1 wait for approval"
    assert "| reservation first | access group removed | nobody |" in shown["body"]
    assert "- **withdrawals**: 11 removals \\(hold\\_above 10\\)" in shown["body"]
    assert "`aaaa`" in shown["body"]
    assert "second" not in shown["body"]
    assert "others" not in shown["body"]


def test_a_name_makes_no_line_of_its_own(held):
    """A reference is opaque text: what it holds must not look like the question's own words."""
    held("aaaa", "x\n\n### Nothing is removed\u2028| y")

    body = approval.text(INTEGRATION, "campus", "aaaa")["body"]

    assert not any(line.startswith("### Nothing") for line in body.splitlines())
    assert sum("\\#\\#\\# Nothing is removed" in line and "nobody" in line for line in body.splitlines()) == 1


@pytest.mark.parametrize("digest", ["", "cccc", "../x"])
def test_a_digest_that_no_run_holds_is_refused(held, digest):
    """It is asked about and approved by nobody."""
    held("aaaa", "first")
    held("cccc", "others", replace(SYNC, integration="annex"))

    for ask in (
        lambda: approval.text(INTEGRATION, "campus", digest),
        lambda: approval.approval_conf("campus", digest),
    ):
        with pytest.raises(UnknownDigestError, match="no sync of campus holds a set with the digest"):
            ask()


@pytest.mark.parametrize("references", [None, ["7", "8"]])
def test_the_approved_sync_has_the_held_runs_scope(held, references):
    """A set held by a reload is approved for that reload."""
    digest = held("aaaa", "first", replace(SYNC, chosen_references=references))

    assert approval.approval_conf("campus", digest) == {"approve": digest, "references": references or []}
