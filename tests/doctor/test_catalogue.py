"""The list of assumptions: written down once, probed, switched and tested."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

from hector_salto.doctor.assumptions import ASSUMPTIONS, Probe, ids_of
from hector_salto.doctor.document import assumptions_page
from hector_salto.doctor.examination import STAGES
from sandbox.behaviour import Behaviour

ROOT = Path(__file__).resolve().parents[2]
BOTH_WAYS = frozenset(
    {"bare_arrays", "bare_arrays_cut", "list_count", "next_link_host", "filter_case", "search", "tag_cleared_by"}
    | {"repeated_changes", "group_names", "seat_without_tag", "expired_schedules", "schedule_dates"}
)


def test_the_page_is_the_one_that_the_list_makes():
    made = "python -m hector_salto.doctor.document > docs/assumptions.md makes it anew"
    assert (ROOT / "docs" / "assumptions.md").read_text(encoding="utf-8") == assumptions_page(), made


def test_every_switch_is_one_of_the_sandbox_and_every_assumption_that_falls_both_ways_has_one():
    switches = {one.switch for one in ASSUMPTIONS.values() if one.switch}

    assert switches <= {field.name for field in dataclasses.fields(Behaviour)}
    assert switches >= BOTH_WAYS


def test_every_assumption_names_a_test_that_exists():
    tests = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    missing = [
        one.id for one in ASSUMPTIONS.values() if not one.test or not any(name.startswith(one.test) for name in tests)
    ]

    assert missing == []


def test_every_assumption_that_a_read_answers_is_asked_about_once():
    asked = [name for _, ids in STAGES for name in ids]

    assert sorted(asked) == sorted(ids_of(Probe.READ))
