"""A run in one page: what changed for whom and why, what is held, what somebody must mend, seats, and what it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.access.drift import DRIFT, REASONS
from include.access.operations import HELD
from include.access.order import rows
from include.access.outcomes import DONE
from include.report.words import WHO, before_after, many, told, window

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from include.access.order import Operation

GREEN, RED = "green", "red"
PLANNED, LEFT, REPAIRED = "planned", "left", "repaired"
NOT_SHOWN = "Hector no longer shows the reservation: it was deleted, or moved out of the horizon"
# What people or places must have for a reservation to open doors; these problems say why one does not.
EXPLAINING = frozenset(
    {
        "email_missing",
        "email_twice",
        "user_not_active",
        "user_status_unknown",
        "user_unknown",
        "salto_user_twice",
        "lock_unknown",
        "lock_ambiguous",
        "place_unknown",
        "zones_differ",
        "zone_unknown",
    }
)
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
    seconds, requests: in all steps, by service; promise: what a green run has brought about; unchecked: why tomorrow's
    doors were not checked, None: they were.
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


@dataclass(frozen=True)
class Tables:
    """A run's tables; None where it never came so far. OPERATIONS, OUTCOMES, PROBLEMS, SEATS; left: OPERATIONS that would
    repair what was changed by hand, and were left out; hector: what it showed of the reservations; before: our groups.
    """

    operations: pd.DataFrame | None = None
    outcomes: pd.DataFrame | None = None
    problems: pd.DataFrame | None = None
    seats: pd.DataFrame | None = None
    seats_now: dict[str, int | None] = field(default_factory=dict)
    left: pd.DataFrame | None = None
    hector: Hector | None = None
    before: Before | None = None


@dataclass(frozen=True)
class Hector:
    """decisions: DECISIONS; reservations: RESERVATIONS; people: RESERVATION_PEOPLE; places: RESERVATION_PLACES."""

    decisions: pd.DataFrame
    reservations: pd.DataFrame
    people: pd.DataFrame
    places: pd.DataFrame


@dataclass(frozen=True)
class Before:
    """Our groups before the run: members: group_id, platform_user_id; doors: group_id, lock_id; matches: platform_user_id,
    user_id; locks: lock_id, name.
    """

    members: pd.DataFrame
    doors: pd.DataFrame
    matches: pd.DataFrame
    locks: pd.DataFrame


def summary(facts: Facts, tables: Tables) -> dict[str, Any]:
    """The run as plain values: what report.json holds and report.html shows."""
    about = _About(tables)
    changes = [_change(row, about) for row in _rows(tables.operations)]
    by_hand = [_by_hand(row, about) for row in _rows(tables.operations) if _is_by_hand(row)]
    by_hand += [_by_hand(row, about, LEFT) for row in _rows(tables.left)]
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
        "by_hand": by_hand,
        "doors": {"checked": facts.unchecked is None, "why": facts.unchecked or ""},
        "held": {"guards": facts.holds, "approve": facts.digest},
        "problems": _problems(tables.problems),
        "seats": {
            "now": tables.seats_now,
            "says": seats_told(tables.seats_now) if tables.seats_now else "",
            "forecast": _records(tables.seats),
        },
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


def _rows(operations: pd.DataFrame | None) -> list[Operation]:
    return [] if operations is None else rows(operations)


class _About:
    """What the operations themselves do not say: what became of them, whom and which doors they concern, and why."""

    def __init__(self, tables: Tables) -> None:
        outcomes = tables.outcomes
        self._outcomes = {} if outcomes is None else outcomes.set_index("key")[["state", "message"]].T.to_dict()
        self._people: dict[str, list[str]] = {}
        self._doors: dict[str, list[str]] = {}
        self._groups: dict[str, list[str]] = {}
        self._locks: dict[str, str] = {}
        if tables.before is not None:
            self._remember(tables.before)
        self._why = None if tables.hector is None else _Why(tables.hector, tables.problems)

    def _remember(self, before: Before) -> None:
        names: dict[str, str] = dict(before.matches[["platform_user_id", "user_id"]].itertuples(index=False))
        self._locks = dict(before.locks[["lock_id", "name"]].itertuples(index=False))
        for group, person in before.members[["group_id", "platform_user_id"]].itertuples(index=False):
            self._people.setdefault(group, []).append(_person(names.get(person), person))
            self._groups.setdefault(person, []).append(group)
        for group, lock in before.doors[["group_id", "lock_id"]].itertuples(index=False):
            self._doors.setdefault(group, []).append(self._locks.get(lock, lock))

    def outcome(self, row: Operation) -> tuple[str, str]:
        """State and message."""
        planned = HELD if row["state"] == HELD else PLANNED
        found = self._outcomes.get(row["key"], {"state": planned, "message": ""})
        return str(found["state"]), str(found["message"])

    def door(self, row: Operation) -> str | None:
        """An operation that takes a door out names only the lock's id."""
        named = row["lock_name"] or self._locks.get(str(row["lock_id"])) or row["lock_id"]
        return None if named is None else str(named)

    def people(self, row: Operation) -> list[str]:
        """Whom the operation concerns, by id."""
        if row["user_id"] is not None or row["platform_user_id"] is not None:
            return [_person(row["user_id"], row["platform_user_id"])]
        return sorted(self._people.get(str(row["group_id"]), ()))

    def doors(self, row: Operation) -> list[str]:
        """Which doors the operation concerns: those of its group, or of all groups of its person."""
        if (door := self.door(row)) is not None:
            return [door]
        own = row["group_id"] is None and row["group_name"] is None
        groups = self._groups.get(str(row["platform_user_id"]), ()) if own else (str(row["group_id"]),)
        return sorted({door for group in groups for door in self._doors.get(group, ())})

    def why(self, row: Operation) -> str:
        """The reason in Hector for what is withdrawn, else the plan's own."""
        found = self._why.of(row, self.people(row)[:1]) if self._why is not None else None
        if found is None:
            return str(row["reason"])
        return f"{found}; {row['reason']}" if row["state"] == HELD else found


def _person(user_id: object, platform_user_id: object) -> str:
    return f"user {user_id}" if isinstance(user_id, str) else f"Salto user {platform_user_id}"


class _Why:
    """What Hector says about reservations whose access, or part of it, is withdrawn."""

    def __init__(self, hector: Hector, problems: pd.DataFrame | None) -> None:
        statuses = hector.reservations.set_index("reservation_id")["status"]
        decided = hector.decisions.assign(status=hector.decisions["reservation_id"].map(statuses))
        self._decided = decided.drop_duplicates("reference").set_index("reference")[["reason", "status"]].T.to_dict()
        references = hector.decisions.set_index("reservation_id")["reference"]
        self._people = _lists(hector.people, references, "person_id", "user ")
        self._places = _lists(hector.places, references, "place_id", "place ")
        explaining = [] if problems is None else problems[problems["code"].isin(EXPLAINING)].to_dict("records")
        self._problems: dict[str | None, list[tuple[str, str]]] = {}
        for row in explaining:
            reference = row["reference"] if isinstance(row["reference"], str) else None
            self._problems.setdefault(reference, []).append((row["subject"], row["message"]))

    def of(self, row: Operation, whom: Iterable[str]) -> str | None:
        """None: the operation's own reason says it."""
        kind, reference = row["kind"], str(row["reference"])
        if (kind, row["cause"]) == ("group_delete", "withdrawn"):
            return self._reservation(reference)
        if (kind, row["cause"]) == ("member_remove", "moved"):
            return self._member(reference, *whom)
        if (kind, row["cause"]) == ("lock_remove", "moved"):
            messages = self._messages(reference, self._places.get(reference, ()))
            return _because("none of the reservation's places names this door any more", messages)
        return None

    def _reservation(self, reference: str) -> str:
        decided = self._decided.get(reference)
        if decided is None:
            return NOT_SHOWN
        subjects = {*self._people.get(reference, ()), *self._places.get(reference, ())}
        said = f"Hector shows the reservation with status {decided['status']}: {decided['reason']}"
        own = [message for _, message in self._problems.get(reference, ())]
        return _because(said, [*own, *self._messages(reference, subjects)])

    def _member(self, reference: str, whom: str) -> str | None:
        if whom not in self._people.get(reference, ()):
            return f"Hector does not name {whom} in the reservation"
        messages = self._messages(reference, [whom])
        return _because("named in the reservation, but not to be given access", messages) if messages else None

    def _messages(self, reference: str, subjects: Collection[str]) -> list[str]:
        """What is wrong with these people and places, as far as it hurts this reservation."""
        known = [*self._problems.get(reference, ()), *self._problems.get(None, ())]
        return [message for subject, message in known if subject in subjects]


def _lists(lines: pd.DataFrame, references: pd.Series, column: str, label: str) -> dict[str, list[str]]:
    """Of each reference what its reservation names, as subjects of problems."""
    named = lines.assign(reference=lines["reservation_id"].map(references)).dropna(subset="reference")
    return {str(one): [label + name for name in found] for one, found in named.groupby("reference")[column]}


def _because(said: str, messages: list[str]) -> str:
    return f"{said} ({'; '.join(dict.fromkeys(messages))})" if messages else said


def _change(row: Operation, about: _About) -> dict[str, Any]:
    """One operation: whom, what, when, why, and what became of it."""
    state, message = about.outcome(row)
    before, after = before_after(row)
    people, doors = about.people(row), about.doors(row)
    if row["kind"] == "group_delete":
        before = f"access group of {', '.join(people) or 'nobody'} at {', '.join(doors) or 'no door'}"
    return {
        "for": row["unit"],
        "did": DID[str(row["kind"])],
        "what": told(row),
        "reference": row["reference"],
        "user_id": row["user_id"],
        "door": about.door(row),
        "people": people,
        "doors": doors,
        "window": window(row),
        "before": before,
        "after": after,
        "cause": row["cause"],
        "why": about.why(row),
        "outcome": state,
        "message": message,
    }


def _is_by_hand(row: Operation) -> bool:
    """Whether an operation repairs what somebody changed; a run that died half-way also leaves something to mend."""
    kind = str(row["kind"])
    known = row["reason"] == REASONS.get(kind) or (row["state"] == HELD and kind in REASONS)  # held: says by what
    return row["cause"] == DRIFT and known


def _by_hand(row: Operation, about: _About, outcome: str | None = None) -> dict[str, Any]:
    """What somebody changed by hand: ``before`` as it was found, ``after`` as Hector says; and whether it was repaired."""
    change = _change(row, about)
    kept = ("for", "what", "did", "reference", "user_id", "door", "people", "before", "after", "why", "message")
    held = f"; {row['reason']}" if row["state"] == HELD else ""
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
    yield f"summary: {many(counts['operations'], 'operation')}: {', '.join([f'{done} done', *others])}"
    yield from _withdrawn_lines(report["changes"])
    for found in report["by_hand"]:
        whom = ", ".join([*found["people"], *([f"door {found['door']}"] if found["door"] else [])])
        became = DONE if found["outcome"] == REPAIRED else found["outcome"]
        about = f": {whom}" if whom else ""
        yield (
            f"changed by hand: {found['for']}: {found['why']} ({became}){about}: found: {found['before']}; "
            f"Hector says: {found['after']}"
        )
    for who, found in report["problems"].items():
        yield f"summary: {many(len(found), 'problem')} for the {who}"
    if report["kind"] == "sync" and not report["doors"]["checked"]:
        yield f"summary: tomorrow's doors were not checked: {report['doors']['why']}"
    yield from _seat_lines(report["seats"])
    yield f"summary: {took['seconds']:.0f} s in tasks; requests: {asked}"


def _withdrawn_lines(changes: list[dict[str, Any]]) -> Iterator[str]:
    """Who loses which door, and the reason in Hector: what people ask about first."""
    for change in changes:
        if change["cause"] == "withdrawn" and change["people"] and change["doors"]:
            people, doors = ", ".join(change["people"]), ", ".join(change["doors"])
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
