"""A run in one page: what changed for whom and why, what is held, what a person must fix, seats, and what it took."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.drift import DRIFT, REASONS
from hector_salto.access.operations import HELD, describe_operation, reason_held
from hector_salto.access.release import describe_starter
from hector_salto.access.results import DONE
from hector_salto.access.texts import few
from hector_salto.access.windows import is_known_zone
from hector_salto.reports.change_details import ChangeDetails, rows_of
from hector_salto.reports.clock import wall
from hector_salto.reports.people import NOBODY_KNOWN, People, Person
from hector_salto.reports.text import WHO, before_after, many, window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hector_salto.access.dependencies import Operation
    from hector_salto.access.release import Gate
    from hector_salto.reports.change_details import Before, Hector
    from hector_salto.reports.held import HeldBack, Loss

GREEN, RED = "green", "red"
INVITING = frozenset({"user_create", "user_email"})
LEFT, REPAIRED = "left", "repaired"
TOLD_IN_LOG = 50  # lines of one sort
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
    """What describes a run, besides its tables.

    integration, site_id, kind: whose run; run_id: Airflow's; began: ISO 8601, UTC; by: who triggered it, None: its
    schedule; plan_only; references: None: all; causes: why it is red; holds: guard and why; digest: what approves them;
    seconds, requests: in all steps, by service; promise: what a green run has brought about; unchecked: why tomorrow's
    doors were not checked, None: they were; plan_only_because: why a run that was not asked to plan only does so;
    trigger: what started it; zone: the site's, None: not read.
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
    unchecked: str | None = None
    plan_only_because: Gate | None = None
    trigger: str | None = None
    zone: str | None = None


@dataclass(frozen=True)
class Tables:
    """A run's tables; None where it never came so far. OPERATIONS, OUTCOMES, PROBLEMS, SEATS; left: OPERATIONS that would
    repair what was changed by hand, and were left out; hector: what it showed of the reservations; before: our groups;
    people: users by name; held: what is held back, and why Hector says so.
    """

    operations: pd.DataFrame | None = None
    outcomes: pd.DataFrame | None = None
    problems: pd.DataFrame | None = None
    seats: pd.DataFrame | None = None
    seats_now: dict[str, int | None] = field(default_factory=dict)
    left: pd.DataFrame | None = None
    hector: Hector | None = None
    before: Before | None = None
    people: People = NOBODY_KNOWN
    held: HeldBack | None = None


def summary(facts: Facts, tables: Tables) -> dict[str, Any]:
    """The run as plain values: what report.json holds and report.html shows."""
    about = ChangeDetails(tables, facts.zone)
    changes = [_change(row, about) for row in rows_of(tables.operations)]
    by_hand = [_by_hand(row, about) for row in rows_of(tables.operations) if _is_by_hand(row)]
    by_hand += [_by_hand(row, about, LEFT) for row in rows_of(tables.left)]
    return {
        "integration": facts.integration,
        "site_id": facts.site_id,
        "kind": facts.kind,
        "run_id": facts.run_id,
        "began": facts.began,
        "began_local": _on_site(facts),
        "triggered_by": facts.by,
        "started_by": describe_starter(facts.trigger, facts.by),
        "plan_only": facts.plan_only,
        "plan_only_because": facts.plan_only_because,
        "references": facts.references,
        "state": RED if facts.causes else GREEN,
        "says": "; ".join(facts.causes) if facts.causes else facts.promise,
        "causes": facts.causes,
        "counts": _counts(changes, tables),
        "changes": changes,
        "by_hand": by_hand,
        "doors": {"checked": facts.unchecked is None, "why": facts.unchecked or ""},
        "held": {"guards": facts.holds, "approve": facts.digest} | held_table(tables.held),
        "invitations": [_person(one) for one in list_invitations(rows_of(tables.operations), tables.people)],
        "problems": _problems(tables.problems, tables.people),
        "seats": {
            "now": tables.seats_now,
            "says": seats_told(tables.seats_now) if tables.seats_now else "",
            "forecast": _records(tables.seats),
        },
        "took": {"seconds": round(facts.seconds, 1), "requests": dict(sorted(facts.requests.items()))},
    }


def _on_site(facts: Facts) -> str:
    """Return when the run began, on the site's wall clock."""
    zone = facts.zone if facts.zone and is_known_zone(facts.zone) else "UTC"
    return wall(datetime.fromisoformat(facts.began), ZoneInfo(zone))


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


def _change(row: Operation, about: ChangeDetails) -> dict[str, Any]:
    """One operation: whom, what, when, why, and what became of it."""
    state, message = about.outcome(row)
    before, after = (about.windows(words, row) for words in before_after(row))
    people, doors = about.people(row), about.doors(row)
    if row["kind"] == "group_delete":
        before = f"access group of {', '.join(people) or 'nobody'} at {', '.join(doors) or 'no door'}"
    return {
        "for": row["unit"],
        "did": DID[str(row["kind"])],
        "what": describe_operation(row),
        "reference": row["reference"],
        "user_id": row["user_id"],
        "door": about.door(row),
        "people": people,
        "users": [_person(about.named(one)) for one in people],
        "doors": doors,
        "window": window(row),
        "before": before,
        "after": after,
        "cause": row["cause"],
        "removal": bool(row["removal"]),
        "why": about.why(row),
        "outcome": state,
        "message": message,
    }


def _is_by_hand(row: Operation) -> bool:
    """Return whether an operation repairs what was changed manually."""
    return row["cause"] == DRIFT


def _by_hand(row: Operation, about: ChangeDetails, outcome: str | None = None) -> dict[str, Any]:
    """A manual change: ``before`` as it was found, ``after`` as Hector says; and whether it was repaired."""
    change = _change(row, about)
    kept = ("for", "what", "did", "reference", "user_id", "door", "people", "before", "after", "why", "message")
    held = f"; {reason_held(row)}" if row["state"] == HELD else ""
    found = {name: change[name] for name in kept} | {"why": REASONS.get(str(row["kind"]), str(row["reason"])) + held}
    became = outcome or change["outcome"]
    return found | {"outcome": REPAIRED if became == DONE else became}


def _counts(changes: list[dict[str, Any]], tables: Tables) -> dict[str, int]:
    counted = pd.Series([change["outcome"] for change in changes], dtype="str").value_counts()
    by_cause = pd.Series([change["cause"] for change in changes], dtype="str").value_counts()
    return {
        "operations": len(changes),
        **{str(name): int(count) for name, count in counted.sort_index().items()},
        **{f"cause_{name}": int(count) for name, count in by_cause.sort_index().items()},
        "problems": 0 if tables.problems is None else len(tables.problems),
    }


def list_invitations(operations: Iterable[Mapping[Any, Any]], people: People) -> list[Person]:
    """Return whom Salto will invite: it sends an invitation to every email it is given."""
    found = []
    for row in operations:
        if row["kind"] not in INVITING:
            continue
        person, given = people.user(row["user_id"]), json.loads(str(row["after"]))
        own = " ".join(str(given[part]) for part in ("first_name", "last_name") if given.get(part))
        found.append(Person(own or person.name, str(given["email"]), person.label))
    return found


def _person(person: Person) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "id": person.label}


def held_table(held: HeldBack | None) -> dict[str, Any]:
    """Who loses which door when, by what Hector says."""
    if held is None:
        return {"reasons": [], "waiting": 0, "inside": []}
    reasons = [
        {"code": reason.code, "title": reason.title, "losses": [_loss(loss) for loss in reason.losses]}
        for reason in held.reasons
    ]
    return {"reasons": reasons, "waiting": held.waiting, "inside": [_person(one) for one in held.inside]}


def _loss(loss: Loss) -> dict[str, Any]:
    users = [_person(one) | {"inside": one.label in loss.inside} for one in loss.users]
    return {"unit": loss.unit, "did": loss.did, "users": users, "doors": list(loss.doors), "when": loss.when}


def _problems(problems: pd.DataFrame | None, people: People) -> dict[str, list[dict[str, Any]]]:
    """Grouped by who must act."""
    if problems is None:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in problems.sort_values(["who", "code", "subject"]).to_dict("records"):
        told_ = {name: row[name] for name in ("code", "subject", "next_step", "red")}
        told_["message"] = people.replace_ids(str(row["message"]))
        found.setdefault(WHO[row["who"]], []).append(told_ | {"red": bool(row["red"])})
    return found


def summary_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The summary for a task's log: short; the page has the rest."""
    counts, took = report["counts"], report["took"]
    done = counts.get(DONE, 0)
    others = [f"{count} {name}" for name, count in counts.items() if name not in {"operations", DONE, "problems"}]
    others = [one for one in others if not one.split()[1].startswith("cause_")]
    asked = ", ".join(f"{count} to {service}" for service, count in took["requests"].items()) or "none"
    yield f"summary: {many(counts['operations'], 'operation')}: {', '.join([f'{done} done', *others])}"
    yield from _first(_withdrawn_lines(report["changes"]), "withdrawn: ")
    yield from _first(_by_hand_lines(report["by_hand"]), "changed by hand: ")
    for who, found in report["problems"].items():
        yield f"summary: {many(len(found), 'problem')} for the {who}"
    if report["kind"] == "sync" and not report["doors"]["checked"]:
        yield f"summary: tomorrow's doors were not checked: {report['doors']['why']}"
    yield from _seat_lines(report["seats"])
    yield f"summary: {took['seconds']:.0f} s in tasks; requests: {asked}"


def _first(lines: Iterable[str], start: str) -> Iterator[str]:
    """A log is read from its end: thousands of lines there would hide the problems."""
    kept = list(lines)
    yield from kept[:TOLD_IN_LOG]
    if len(kept) > TOLD_IN_LOG:
        yield f"{start}{len(kept) - TOLD_IN_LOG} more, see report.html"


def _by_hand_lines(by_hand: list[dict[str, Any]]) -> Iterator[str]:
    for found in by_hand:
        whom = few([*([f"door {found['door']}"] if found["door"] else []), *found["people"]])
        became = DONE if found["outcome"] == REPAIRED else found["outcome"]
        about = f": {whom}" if whom else ""
        yield (
            f"changed by hand: {found['for']}: {found['why']} ({became}){about}: found: {found['before']}; "
            f"Hector says: {found['after']}"
        )


def _withdrawn_lines(changes: list[dict[str, Any]]) -> Iterator[str]:
    """Who loses which door, and the reason in Hector: what people ask about first."""
    for change in changes:
        if change["cause"] == "withdrawn" and change["people"] and change["doors"]:
            people, doors = few(change["people"]), few(change["doors"])
            yield f"withdrawn: {change['for']}: {people} at {doors}: {change['why']} ({change['outcome']})"


def _seat_lines(seats: Mapping[str, Any]) -> Iterator[str]:
    now = seats["now"]
    if not now:
        return
    peak = max((day["needed"] for day in seats["forecast"]), default=None)
    ahead = "" if peak is None else f", at most {peak} needed on a day of the horizon"
    yield f"summary: seats: {seats_told(now)}{ahead}"


def seats_told(now: Mapping[str, int | None]) -> str:
    """Seats now in words; Salto need not say how many are used."""
    limit = "no limit" if now["allowed"] is None else f"{now['allowed']} allowed"
    return f"{limit}; Salto does not say how many are used" if now["used"] is None else f"{now['used']} used, {limit}"
