"""What the terminal says of a finished run."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from rich.console import Console

from commands import __main__ as entry
from commands.terminal_report import show_report
from commands.why import CLOSED

LONG = "a-person-with-a-very-long-name.and-another@department-of-music.campus.example"


def change(number, did, cause, *, removal, outcome="planned", people=()):
    return {
        "for": f"reservation {number}", "did": did, "cause": cause, "removal": removal,
        "users": [{"name": "Ana Roy", "email": one, "id": "user u_1"} for one in people], "doors": ["Studio 204"], "why": "its status grants no access", "outcome": outcome, "message": "",
    }  # fmt: skip


def shown(changes, problems=None):
    console = Console(width=80, file=StringIO(), record=True)
    show_report({"changes": changes, "problems": problems or {}}, console)
    return console.export_text().splitlines()


def test_removals_in_full_and_additions_counted():
    gone = [change(number, "access group removed", "withdrawn", removal=True, people=[LONG]) for number in (1, 2)]
    over = [change(number, "access group removed", "expired", removal=True) for number in range(3, 8)]
    new = [change(number, "access group made", "new", removal=False) for number in range(10, 250)]
    lines = shown([*over, *new, *gone])

    assert lines[0] == "Removals (2):"
    assert lines[1].startswith(
        f"  reservation 1: access group removed: Ana Roy, {LONG} (user u_1) at Studio 204: its status grants"
    )
    assert lines[4:6] == [
        "  5 access group removed (window over), 240 access group made",
        "Problems: none",
    ]


def test_what_is_not_done_is_named():
    lines = shown([change(1, "door added", "new", removal=False, outcome="failed")])

    assert "Not done (1):" in lines
    assert lines[3].endswith("its status grants no access (failed)")


def test_one_step_is_told_once():
    problem = {"message": "no tag", "next_step": "create it"}
    lines = shown([], {"Salto admin": [problem, problem | {"message": "no tag either"}]})

    assert lines == [
        "Nothing has to change.",
        "Problems: 2",
        "  for the Salto admin (2):",
        "    no tag",
        "    no tag either",
        "      next step: create it",
    ]


@pytest.mark.parametrize(("answered", "status"), [(True, 0), (False, 1)])
def test_why_ends_well_for_every_answer_where_that_is_asked(monkeypatch, capsys, answered, status):
    """As `make why` asks, which would say "make: Error 1" otherwise."""
    monkeypatch.setattr(entry, "why", lambda *arguments, **options: CLOSED)
    monkeypatch.setattr(sys, "argv", ["commands", "why", "--reference", "1", *["--answered"] * answered])

    assert entry.main() == status
