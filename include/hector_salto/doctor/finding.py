"""What was found about one assumption."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Judgement(StrEnum):
    """Whether an assumption holds where it was asked about."""

    HOLDS = "holds"
    DIFFERS = "differs"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the doctor's table.

    Attributes:
        assumption: id in ``assumptions.ASSUMPTIONS``.
        verdict: whether it holds.
        seen: what was seen, in a few words; no tag number, no secret.
        step: what to do; empty: nothing.
        matters: a person must act before doors open as they should; only for what differs.
    """

    assumption: str
    verdict: Judgement
    seen: str
    step: str = ""
    matters: bool = False


def holds(assumption: str, seen: str) -> Finding:
    return Finding(assumption, Judgement.HOLDS, seen)


def differs(assumption: str, seen: str, step: str = "", *, matters: bool = False) -> Finding:
    return Finding(assumption, Judgement.DIFFERS, seen, step, matters)


def unknown(assumption: str, seen: str, step: str = "") -> Finding:
    return Finding(assumption, Judgement.UNKNOWN, seen, step)


def judged(assumption: str, fits: bool, seen: str, step: str = "", *, matters: bool = True) -> Finding:
    """Return that it holds, or that it differs with a step."""
    return holds(assumption, seen) if fits else differs(assumption, seen, step, matters=matters)


def count_of(findings: Iterable[Finding]) -> dict[Judgement, int]:
    """Return how many findings there are of each verdict."""
    counts = dict.fromkeys(Judgement, 0)
    for one in findings:
        counts[one.verdict] += 1
    return counts
