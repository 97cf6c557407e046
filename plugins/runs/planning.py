"""Compares the desired with Salto's current state, through clients that cannot write."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector.hook import HectorHook
from include.access import schemas
from include.access.current import Current, Groups
from include.access.order import rows
from include.access.plan import Plan, expired_plan, make_plan
from include.access.problems import all_problems, problems
from include.access.seen import Seen, seen, seen_groups
from include.integrations.integration import load_all, sharing_a_site
from include.report.words import decision_lines, plan_lines, problem_lines
from runs import bookkeeping, history
from runs.bookkeeping import Book
from runs.extraction import asked_from, desired_of, hector_of
from runs.failures import StalePlanError
from runs.opening import as_of
from salto.hook import SaltoHook
from salto.reading import current_groups, current_state

if TYPE_CHECKING:
    from collections.abc import Collection

    from include.integrations.integration import Integration
    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
CLEANUP_LOOKS = ("groups", "members", "doors", "schedules", "locks")
_CURRENT = {
    "users": schemas.SALTO_USERS,
    "tags": schemas.SALTO_TAGS,
    "locks": schemas.SALTO_LOCKS,
    "groups": schemas.SALTO_GROUPS,
    "group_users": schemas.SALTO_GROUP_USERS,
    "group_locks": schemas.SALTO_GROUP_LOCKS,
    "schedules": schemas.SALTO_SCHEDULES,
}
_FACTS = ("site_name", "site_zone", "seats", "seats_used", "own_platform_user_id", "owner_platform_user_id")


@dataclass(frozen=True)
class Look:
    """A fresh read of Salto, and what a plan made from it would still change (OPERATIONS)."""

    current: Current
    remaining: pd.DataFrame
    matches: pd.DataFrame
    read_at: datetime  # when the read began


def plan(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> dict[str, int | str]:
    """Compare with Salto's current state, through a client that cannot write.

    Raises:
        RestError: when a read of Salto is not complete, or the account may not act: nothing is written then.
        StalePlanError: when the run has sent its plan already.
    """
    Book.of(folder).refuse_another_plan()
    read_at = datetime.now(UTC)
    made, current = _compare(integration, folder, references=references, approve=approve)
    token = folder.read("token", schemas.PROBLEMS)
    made = replace(made, problems=all_problems([made.problems, _shared(integration), token]))
    _keep_plan(folder, made)
    keep_current(folder, current, made.matches)
    _record(integration, folder, made, current, read_at)
    for line in decision_lines(made.decisions):
        LOG.info(line)
    for line in plan_lines(rows(made.operations)):
        LOG.info(line)
    invited = int(made.operations["kind"].isin(["user_create", "user_email"]).sum())
    if invited:
        LOG.info("Salto will send up to %d invitations: it invites every email it is given", invited)
    for hold in made.holds:
        LOG.warning("held by the guard %s: %s; approve with %s", hold.guard, hold.why, made.digest)
    if made.approved:
        LOG.info("let through by approval: %d removals%s", len(made.approved), _approver(folder, approve))
    for line in problem_lines(made.problems):
        LOG.warning(line)
    return _counts(made)


def _compare(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> tuple[Plan, Current]:
    hook = SaltoHook(integration.salto_conn_id)
    fingerprint = HectorHook(integration.hector_conn_id).fingerprint
    check = (folder.read_json("fingerprint") or {}).get("check")
    if check != fingerprint(integration.hector_conn_id):
        raise StalePlanError("Hector's token changed while the run was under way; start a new run")
    current = current_state(hook.reader(integration.site_id), fingerprint)
    moment = as_of(folder).to_pydatetime()
    book = Book.of(folder)
    made = make_plan(
        desired_of(folder),
        current,
        integration.rules(),
        as_of=as_of(folder),
        references=references,
        approve=approve,
        history=history.recalled(history.name_of(folder), moment),
        previous=book.previous(moment),
    )
    return made, current


def _record(integration: Integration, folder: RunFolder, made: Plan, current: Current, read_at: datetime) -> None:
    """The plan and what it was made from, into the ledger."""
    people, _, loaners = hector_of(folder)
    bookkeeping.record_plan(
        folder,
        made,
        users_read=len(people.users),
        reservations_read=len(loaners.reservations),
        **_site_facts(current),
    )
    moment = asked_from(integration, folder).to_pydatetime()
    Book.of(folder).observe(looked_at(folder, current, made.matches), read_at=read_at, still_read=moment)


def _site_facts(current: Current) -> dict[str, object]:
    """What the ledger keeps of the site with each run."""
    return {
        "site_name": current.site_name or None,
        "site_zone": current.site_zone,
        "seats": current.seats,
        "seats_used": current.seats_used,
    }


def looked_at(folder: RunFolder, current: Current, matches: pd.DataFrame) -> Seen:
    """Hector as the run read it, with Salto as it is now."""
    people, places, loaners = hector_of(folder)
    decisions = folder.read("decisions", schemas.DECISIONS)
    return seen(people, places, loaners, current, decisions=decisions, matches=matches)


def _approver(folder: RunFolder, approve: str | None) -> str:
    given = history.approved_by(history.name_of(folder), approve)
    return f", given by {given['by']} at {given['at']}" if given else ", given as a run parameter"


def _shared(integration: Integration) -> pd.DataFrame:
    beside = {name: one for name, one in load_all()[0].items() if one.salto_conn_id == integration.salto_conn_id}
    shared = [row for row in sharing_a_site(beside) if row["site_id"] == integration.site_id.casefold()]
    return problems("site_shared", pd.DataFrame(shared))


def plan_cleanup(integration: Integration, folder: RunFolder) -> dict[str, int | str]:
    """Outdated groups of ours; Hector is not asked.

    Raises:
        StalePlanError: when the run has sent its plan already.
        RetentionError: when a setting of what the cleanup removes at its end is wrong.
    """
    bookkeeping.check_retention()
    Book.of(folder).refuse_another_plan()
    hook = SaltoHook(integration.salto_conn_id)
    read_at = datetime.now(UTC)
    current = current_groups(hook.reader(integration.site_id))
    made = expired_plan(current, as_of=as_of(folder))
    _keep_plan(folder, made)
    keep_current(folder, current, made.matches)
    bookkeeping.record_plan(folder, made, **_site_facts(current))
    Book.of(folder).observe(seen_groups(current), read_at=read_at, names=CLEANUP_LOOKS)
    for line in (*plan_lines(rows(made.operations)), *problem_lines(made.problems)):
        LOG.info(line)
    return _counts(made)


def _keep_plan(folder: RunFolder, made: Plan) -> None:
    folder.write("operations", made.operations)
    folder.write("left", made.left)
    folder.write("problems", made.problems)
    folder.write("decisions", made.decisions)
    folder.write("members", made.members)
    folder.write("timetable", made.timetable)
    folder.write_json(
        "plan",
        {
            "fingerprint": made.fingerprint,
            "digest": made.digest,
            "holds": [asdict(hold) for hold in made.holds],
            "seats_short": made.seats_short,
            "approved": sorted(made.approved),
            "approved_set": made.approved_set,
        },
    )


def keep_current(folder: RunFolder, current: Current, matches: pd.DataFrame) -> None:
    """Salto as it was read: part of the run's tables, and what the report needs when nothing had to be sent."""
    tables = {
        "users": current.users,
        "tags": current.tags,
        "locks": current.locks,
        "groups": current.groups.groups,
        "group_users": current.groups.users,
        "group_locks": current.groups.locks,
        "schedules": current.groups.schedules,
    }
    for name, table in tables.items():
        folder.write(f"current_{name}", table)
    folder.write("current_matches", matches)
    folder.write_json("current", {name: getattr(current, name) for name in _FACTS})


def current_of(folder: RunFolder) -> tuple[Current, pd.DataFrame]:
    """What ``keep_current`` kept."""
    read = {name: folder.read(f"current_{name}", schema) for name, schema in _CURRENT.items()}
    facts: dict[str, Any] = folder.read_json("current") or {}
    groups = Groups(read["groups"], read["group_users"], read["group_locks"], read["schedules"])
    current = Current(users=read["users"], tags=read["tags"], locks=read["locks"], groups=groups, **facts)
    return current, folder.read("current_matches")


def _counts(made: Plan) -> dict[str, int | str]:
    """What goes through Airflow's own store: counts, and what ``apply`` checks the folder's plan against."""
    return {
        "fingerprint": made.fingerprint,
        "operations": len(made.operations),
        "held": len(made.held),
        "problems": len(made.problems),
    }


def look_again(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> Look:
    """Salto now, and the operations a fresh comparison would still make (the same desired state and ``as_of``)."""
    read_at = datetime.now(UTC)
    made, current = _compare(integration, folder, references=references, approve=approve)
    return Look(current, made.operations, made.matches, read_at)


def look_for_outdated(integration: Integration, folder: RunFolder) -> Look:
    hook = SaltoHook(integration.salto_conn_id)
    read_at = datetime.now(UTC)
    current = current_groups(hook.reader(integration.site_id))
    made = expired_plan(current, as_of=as_of(folder))
    return Look(current, made.operations, made.matches, read_at)
