"""What the terminal says of a finished run."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from commands.tables import show_report

LONG = "a-person-with-a-very-long-name.and-another@department-of-music.campus.example"


def change(number, did, cause, *, removal, outcome="planned", people=()):
    return {
        "for": f"reservation {number}", "did": did, "cause": cause, "removal": removal, "people": list(people),
        "doors": ["Studio 204"], "why": "its status grants no access", "outcome": outcome, "message": "",
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
    assert lines[1].startswith(f"  reservation 1: access group removed: {LONG} at Studio 204: its status grants")
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
