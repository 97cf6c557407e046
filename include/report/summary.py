"""A run in one page: what changed for whom and why, what is held, what somebody must mend, seats, and what it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.access.order import rows
from include.access.outcomes import DONE
from include.report.words import WHO, told, window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GREEN, RED = "green", "red"
NAMING = frozenset({"user_create", "user_email"})  # what they write holds names and emails
DID = {
    "group_delete": "access group removed",
    "member_remove": "taken out of the access group",
    "lock_remove": "door taken out",
    "schedule_delete": "extra window removed",
    "tag_off": "tag taken off",
    "office_off": "office mode off",
    "user_suspend": "suspended",
    "user_delete": "user deleted",
    "schedule_change": "window changed",
    "schedule_create": "window set",
    "group_create": "access group made",
    "user_adopt": "user marked as ours",
    "user_email": "email changed",
    "user_subscribe": "given a seat",
    "user_create": "user made",
    "tag_on": "tag assigned",
    "office_on": "office mode on",
    "lock_add": "door added",
    "member_add": "put into the access group",
}


@dataclass(frozen=True)
class Facts:
    """What a run is told by, besides its tables.

    integration, site_id, kind: whose run; run_id: Airflow's; began: ISO 8601, UTC; by: who triggered it, None: its
    schedule; plan_only; references: None: all; causes: why it is red; holds: guard and why; digest: what approves them;
    seconds, requests: in all steps, by service; promise: what a green run has brought about.
    """

    integration: str
    site_id: str
    kind: str
    run_id: str
    began: str
    by: str | None
    plan_only: bool
    references: list[str] | None
    causes: list[str]
    holds: list[dict[str, Any]]
    digest: str | None
    seconds: float
    requests: Mapping[str, int]
    promise: str


@dataclass(frozen=True)
class Tables:
    """A run's tables; None where it never came so far. OPERATIONS, OUTCOMES, PROBLEMS, SEATS."""

    operations: pd.DataFrame | None = None
    outcomes: pd.DataFrame | None = None
    problems: pd.DataFrame | None = None
    seats: pd.DataFrame | None = None
    seats_now: dict[str, int | None] = field(default_factory=dict)


def summary(facts: Facts, tables: Tables) -> dict[str, Any]:
    """The run as plain values: what report.json holds and report.html shows."""
    changes = list(_changes(tables))
    return {
        "integration": facts.integration,
        "site_id": facts.site_id,
        "kind": facts.kind,
        "run_id": facts.run_id,
        "began": facts.began,
        "triggered_by": facts.by,
        "plan_only": facts.plan_only,
        "references": facts.references,
        "state": RED if facts.causes else GREEN,
        "says": "; ".join(facts.causes) if facts.causes else facts.promise,
        "causes": facts.causes,
        "counts": _counts(changes, tables),
        "changes": changes,
        "held": {"guards": facts.holds, "approve": facts.digest},
        "problems": _problems(tables.problems),
        "seats": {"now": tables.seats_now, "forecast": _records(tables.seats)},
        "took": {"seconds": round(facts.seconds, 1), "requests": dict(sorted(facts.requests.items()))},
    }


def _records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    plain = table.astype("object").where(table.notna(), None)
    return [
        {
            str(name): value if value is None or isinstance(value, str | bool) else int(value)
            for name, value in row.items()
        }
        for row in plain.to_dict("records")
    ]


def _changes(tables: Tables) -> Iterator[dict[str, Any]]:
    """One entry an operation: whom, what, when, why, and what became of it."""
    if tables.operations is None:
        return
    outcomes = {} if tables.outcomes is None else tables.outcomes.set_index("key")[["state", "message"]].T.to_dict()
    for row in rows(tables.operations):
        outcome = outcomes.get(row["key"], {"state": "planned", "message": ""})
        yield {
            "for": row["unit"],
            "did": DID[str(row["kind"])],
            "what": told(row),
            "reference": row["reference"],
            "user_id": row["user_id"],
            "door": row["lock_name"],
            "window": window(row),
            **(
                {"before": None, "after": None}
                if row["kind"] in NAMING
                else {"before": row["before"], "after": row["after"]}
            ),
            "cause": row["cause"],
            "why": row["reason"],
            "outcome": outcome["state"],
            "message": outcome["message"],
        }


def _counts(changes: list[dict[str, Any]], tables: Tables) -> dict[str, int]:
    counted = pd.Series([change["outcome"] for change in changes], dtype="str").value_counts()
    by_cause = pd.Series([change["cause"] for change in changes], dtype="str").value_counts()
    return {
        "operations": len(changes),
        **{str(name): int(count) for name, count in counted.sort_index().items()},
        **{f"cause_{name}": int(count) for name, count in by_cause.sort_index().items()},
        "problems": 0 if tables.problems is None else len(tables.problems),
    }


def _problems(problems: pd.DataFrame | None) -> dict[str, list[dict[str, Any]]]:
    """Grouped by who must act."""
    if problems is None:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in problems.sort_values(["who", "code", "subject"]).to_dict("records"):
        told_ = {name: row[name] for name in ("code", "subject", "message", "next_step", "red")}
        found.setdefault(WHO[row["who"]], []).append(told_ | {"red": bool(row["red"])})
    return found


def summary_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The summary for a task's log: short; the page has the rest."""
    counts, took = report["counts"], report["took"]
    done = counts.get(DONE, 0)
    others = [f"{count} {name}" for name, count in counts.items() if name not in {"operations", DONE, "problems"}]
    others = [one for one in others if not one.split()[1].startswith("cause_")]
    asked = ", ".join(f"{count} to {service}" for service, count in took["requests"].items()) or "none"
    yield f"summary: {done} of {counts['operations']} operations done{''.join(', ' + one for one in others)}"
    for change in report["changes"]:
        if change["cause"] == "drift":
            yield f"changed by hand: {change['for']}: {change['why']} ({change['outcome']})"
    for who, found in report["problems"].items():
        yield f"summary: {len(found)} problems for the {who}"
    now = report["seats"]["now"]
    if now:
        limit = "no limit" if now["allowed"] is None else f"{now['allowed']} allowed"
        peak = max((day["needed"] for day in report["seats"]["forecast"]), default=None)
        ahead = "" if peak is None else f", at most {peak} needed on a day of the horizon"
        used = "an unknown number" if now["used"] is None else now["used"]
        yield f"summary: seats: {used} used, {limit}{ahead}"
    yield f"summary: {took['seconds']:.0f} s in tasks; requests: {asked}"
