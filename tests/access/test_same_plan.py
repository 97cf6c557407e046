"""The same inputs give the same plan, byte for byte: whatever order they come in, and whatever machine reads them."""

from __future__ import annotations

import contextlib
import hashlib
import locale
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hector_salto.access.settings import Limits
from tests.access.test_plan import BUSY_RULES, busy

ROOT = Path(__file__).resolve().parent.parent.parent
ORDERED = ("operations", "problems", "decisions", "timetable")
STRICT = replace(BUSY_RULES, limits=Limits(0, 0))  # so that something is held, and has a digest
MACHINES = {
    "a server": {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    "ahead of everybody": {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
    "half an hour off": {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
    "a zone nobody knows": {"PYTHONHASHSEED": "random", "TZ": "Mars/Olympus", "LC_ALL": "de_DE.UTF-8"},
    "without anything": {"PYTHONHASHSEED": "4294967295", "PYTHONUTF8": "0"},
}


def digest(shuffled: int | None) -> str:
    """Names all of a busy plan, once as it is and once with much of it held: every table, every hold, every number."""
    found = hashlib.sha256()
    for made in (busy(shuffled), busy(shuffled, rules=STRICT)):
        members = made.members.sort_values(list(made.members.columns))  # a set: who was in which group
        for table in (*(getattr(made, name) for name in ORDERED), members):
            found.update(table.to_csv(index=False).encode())
        found.update(repr((made.holds, made.digest, made.seats_short, made.fingerprint)).encode())
    return found.hexdigest()


def on(machine: dict[str, str], shuffled: int | None) -> str:
    """The digest that a process with this environment, and nothing else of ours, prints."""
    inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    command = [sys.executable, "-c", f"from tests.access.test_same_plan import told; told({shuffled})"]
    environment = (
        inherited
        | {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("", "include", "plugins"))}
        | machine
    )
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def told(shuffled: int | None) -> None:
    """Run by the process: a program that asks for the machine's locale gets it, where the machine has it."""
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    sys.stdout.write(digest(shuffled))


@pytest.fixture(scope="module")
def here():
    return digest(None)


@pytest.mark.parametrize("machine", MACHINES)
def test_another_machine_makes_the_same_plan_of_shuffled_inputs(here, machine):
    assert on(MACHINES[machine], shuffled=list(MACHINES).index(machine) + 1) == here


@pytest.mark.parametrize("seed", range(1, 6))
def test_shuffled_inputs_make_the_same_plan_down_to_what_is_held_and_why(here, seed):
    assert digest(seed) == here


def test_the_digest_knows_a_plan_from_another(here):
    """Else the comparison would prove nothing."""
    assert busy(rules=STRICT).digest is not None
    assert busy().fingerprint != busy(references=["2"]).fingerprint


@pytest.mark.parametrize("name", [*ORDERED, "members", "held_operations"])
def test_no_table_of_the_plan_is_empty_where_it_is_compared(name):
    assert len(getattr(busy(rules=STRICT), name))
