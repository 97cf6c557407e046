"""Breaking any one rule on purpose turns a test red: the list of tests/slow/breakages.py, tried."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import EFFORT
from tests.slow.breakages import BREAKAGES

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("include", "plugins", "dags", "commands", "tests")
SAMPLE = ("at the limit passes, one more is held", "take away before giving")


def test_every_rule_is_broken_in_code_that_is_there_and_caught_by_a_test_that_is_there():
    for breakage in BREAKAGES:
        text = (ROOT / breakage.path).read_text(encoding="utf-8")
        edits = [(breakage.old, breakage.new), *([breakage.also] if breakage.also else [])]
        for old, new in edits:
            assert text.count(old) == 1, f"{breakage.rule}: {breakage.path} has changed"
            assert old != new
        path, _, name = breakage.caught_by.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), breakage.caught_by


def test_the_published_list_is_this_list():
    published = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| (.+?) \| `(.+?)` \| `(.+?)` \|$", published, flags=re.MULTILINE) == [
        (breakage.rule, breakage.path, breakage.caught_by) for breakage in BREAKAGES
    ]


@pytest.mark.parametrize(
    "breakage",
    [breakage for breakage in BREAKAGES if EFFORT > 1 or breakage.rule in SAMPLE],
    ids=lambda breakage: breakage.rule,
)
def test_a_broken_rule_turns_its_test_red(breakage, tmp_path):
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / breakage.path
    text = path.read_text(encoding="utf-8").replace(breakage.old, breakage.new)
    path.write_text(text.replace(*breakage.also) if breakage.also else text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", breakage.caught_by]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert f"FAILED {breakage.caught_by}" in ran.stdout
