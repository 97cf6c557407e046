"""What each task of a run does: gather, call the rules, hand on through the run's folder.

A step decides nothing about access. Each takes the integration and the run's folder; what it read or found goes into
the folder as tables (schemas) under the names below, and into the log in words.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector.hook import HectorHook
from include.access import schemas
from include.access.bookings import HectorLoaners
from include.access.desired import Desired, desired_state
from include.access.operations import HELD
from include.access.order import rows
from include.access.outcomes import DONE
from include.access.people import HectorPeople
from include.access.plan import Plan, expired_plan, make_plan, members_by_group
from include.access.problems import all_problems, problems
from include.integrations.integration import load_all, sharing_a_site
from include.report.words import decision_lines, failure_lines, outcome_counts, plan_lines, problem_lines
from runs.failures import RunError, StalePlanError, kept
from runs.folder import RunFolder, outdated, remove
from salto.apply import Application, Site
from salto.hook import SaltoHook
from salto.reading import current_groups, current_state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from include.integrations.integration import Integration

LOG = logging.getLogger(__name__)
OLDEST_PLAN = timedelta(minutes=15)
SETTLING = (0.0, 3.0, 10.0)  # seconds: Salto shows what was written "within a few seconds" (contract, 5.3)
RUN_OPTIONS = frozenset({"plan_only", "references", "approve"})
_HECTOR = {
    "hector_users": schemas.HECTOR_USERS,
    "hector_user_groups": schemas.HECTOR_USER_GROUPS,
    "hector_groups": schemas.HECTOR_GROUPS,
    "hector_departments": schemas.HECTOR_DEPARTMENTS,
    "hector_places": schemas.HECTOR_PLACES,
    "reservations": schemas.RESERVATIONS,
    "reservation_people": schemas.RESERVATION_PEOPLE,
    "reservation_places": schemas.RESERVATION_PLACES,
}
_DESIRED = {
    "people": schemas.DESIRED_PEOPLE,
    "bookings": schemas.DESIRED_BOOKINGS,
    "members": schemas.DESIRED_MEMBERS,
    "rooms": schemas.DESIRED_PLACES,
    "places": schemas.HECTOR_PLACES,
    "decisions": schemas.DECISIONS,
    "problems": schemas.PROBLEMS,
}


# --- Hector -----------------------------------------------------------------------------------------------------------


def begin(name: str, run_id: str, conf: dict[str, Any], now: datetime) -> RunFolder:
    """Make the run's folder. ``as_of`` is the moment the run starts reading, never the logical date.

    Raises:
        ValueError: for a run parameter that nothing reads.
    """
    unknown = sorted(set(conf) - RUN_OPTIONS)
    if unknown:
        raise ValueError(f"unknown run parameter {unknown[0]!r}; allowed are {', '.join(sorted(RUN_OPTIONS))}")
    folder = RunFolder.create(name, run_id, now)
    folder.write_json(
        "run", {"integration": name, "run_id": run_id, "as_of": now.astimezone(UTC).isoformat(), "conf": conf}
    )
    LOG.info("run folder: %s", folder)
    return folder


def begun(folder: str | None) -> RunFolder:
    """The folder of a run that got as far as having one.

    Raises:
        RunError: when it did not.
    """
    if folder is None:
        raise RunError("the run did not begin, and nothing was written; see the log of the task begin")
    return RunFolder(folder)


def as_of(folder: RunFolder) -> pd.Timestamp:
    run = folder.read_json("run") or {}
    return pd.Timestamp(run["as_of"])


def extract_people(integration: Integration, folder: RunFolder) -> None:
    """All Hector users with groups and departments, complete or an error."""
    hook = HectorHook(integration.hector_conn_id)
    people = hook.reader.users(hook.fingerprint)
    folder.write("hector_users", people.users)
    folder.write("hector_user_groups", people.user_groups)
    folder.write("hector_groups", people.groups)
    folder.write("hector_departments", people.departments)
    folder.write_json("fingerprint", {"check": hook.fingerprint(integration.hector_conn_id)})
    LOG.info(
        "Hector shows %d users, %d groups, %d departments", *map(len, (people.users, people.groups, people.departments))
    )


def extract_places(integration: Integration, folder: RunFolder) -> None:
    """All places with the attribute that names their lock."""
    reader = HectorHook(integration.hector_conn_id).reader
    active = reader.has_lock_attribute()
    if not active:
        LOG.warning("the place attribute Salto Lock Id does not exist in Hector yet; applying a plan makes it")
    places = reader.places()
    folder.write("hector_places", places)
    folder.write_json("activation", {"attribute_exists": active})
    LOG.info("Hector shows %d places, %d of them name a lock", len(places), places["lock_name"].notna().sum())


def extract_loaners(integration: Integration, folder: RunFolder) -> None:
    """Every reservation whose window can touch the horizon, any status."""
    rules, now = integration.rules(), as_of(folder)
    begin_, end = now - rules.grace_after, now + rules.horizon + rules.grace_before + pd.Timedelta(minutes=1)
    loaners = HectorHook(integration.hector_conn_id).reader.loaners(begin_.to_pydatetime(), end.to_pydatetime())
    folder.write("reservations", loaners.reservations)
    folder.write("reservation_people", loaners.people)
    folder.write("reservation_places", loaners.places)
    LOG.info("Hector shows %d reservations between %s and %s", len(loaners.reservations), begin_, end)


def build_desired(integration: Integration, folder: RunFolder) -> None:
    """What should exist, from what Hector showed."""
    read = {name: folder.read(name, schema) for name, schema in _HECTOR.items()}
    people = HectorPeople(
        read["hector_users"], read["hector_user_groups"], read["hector_groups"], read["hector_departments"]
    )
    loaners = HectorLoaners(read["reservations"], read["reservation_people"], read["reservation_places"])
    desired = desired_state(people, read["hector_places"], loaners, integration.rules(), as_of=as_of(folder))
    for name, table in desired.tables().items():
        folder.write(f"desired_{name}", table)
    LOG.info(
        "desired: %d people, %d access groups, %d memberships",
        *map(len, (desired.people, desired.bookings, desired.members)),
    )


def _desired(folder: RunFolder) -> Desired:
    names = [field.name for field in fields(Desired)]
    return Desired(**{name: folder.read(f"desired_{name}", _DESIRED.get(name)) for name in names})


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> dict[str, int]:
    """Compare with Salto's current state, through a client that cannot write.

    Raises:
        RestError: when a read of Salto is not complete, or the account may not act: nothing is written then.
    """
    made = _compare(integration, folder, references=references, approve=approve)
    made = replace(made, problems=all_problems([made.problems, _shared(integration)]))
    _keep_plan(folder, made)
    for line in decision_lines(made.decisions):
        LOG.info(line)
    for line in plan_lines(rows(made.operations)):
        LOG.info(line)
    invited = int(made.operations["kind"].isin(["user_create", "user_email"]).sum())
    if invited:
        LOG.info("Salto will send up to %d invitations: it invites every email it is given", invited)
    for hold in made.holds:
        LOG.warning("held by the guard %s: %s; approve with %s", hold.guard, hold.why, made.digest)
    for line in problem_lines(made.problems):
        LOG.warning(line)
    return _counts(made)


def _compare(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> Plan:
    hook = SaltoHook(integration.salto_conn_id)
    fingerprint = HectorHook(integration.hector_conn_id).fingerprint
    check = (folder.read_json("fingerprint") or {}).get("check")
    if check != fingerprint(integration.hector_conn_id):
        raise StalePlanError("Hector's token changed while the run was under way; start a new run")
    current = current_state(hook.reader(integration.site_id), fingerprint)
    return make_plan(
        _desired(folder),
        current,
        integration.rules(),
        as_of=as_of(folder),
        references=references,
        approve=approve,
    )


def _shared(integration: Integration) -> pd.DataFrame:
    shared = [row for row in sharing_a_site(load_all()[0]) if row["site_id"] == integration.site_id.casefold()]
    return problems("site_shared", pd.DataFrame(shared))


def plan_cleanup(integration: Integration, folder: RunFolder) -> dict[str, int]:
    """Outdated groups of ours; Hector is not asked."""
    hook = SaltoHook(integration.salto_conn_id)
    made = expired_plan(current_groups(hook.reader(integration.site_id)), as_of=as_of(folder))
    _keep_plan(folder, made)
    for line in (*plan_lines(rows(made.operations)), *problem_lines(made.problems)):
        LOG.info(line)
    return _counts(made)


def _keep_plan(folder: RunFolder, made: Plan) -> None:
    folder.write("operations", made.operations)
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
        },
    )


def _counts(made: Plan) -> dict[str, int]:
    return {
        "operations": len(made.operations),
        "held": len(made.held),
        "problems": len(made.problems),
    }


# --- apply ------------------------------------------------------------------------------------------------------------


def apply(integration: Integration, folder: RunFolder, now: datetime, *, fingerprinted: bool = True) -> dict[str, int]:
    """Send the plan's operations; one outcome each is kept even when the run has to stop.

    Raises:
        StalePlanError: when the run started reading more than 15 minutes ago.
        StopError: when nothing can work any more.
    """
    age = now - as_of(folder)
    if age > OLDEST_PLAN:
        raise StalePlanError(
            f"the plan is {int(age.total_seconds() // 60)} minutes old, the limit is 15; start a new run"
        )
    _activate(integration, folder)
    operations = folder.read("operations", schemas.OPERATIONS)
    if operations.empty:
        folder.write("outcomes", schemas.frame(schemas.OUTCOMES, []))
        return {}
    hook = SaltoHook(integration.salto_conn_id)
    fingerprint = HectorHook(integration.hector_conn_id).fingerprint if fingerprinted else _no_fingerprint
    site = Site(hook.reader(integration.site_id), hook.writer(integration.site_id), fingerprint)
    members = members_by_group(folder.read("members", schemas.SALTO_GROUP_USERS))
    short = bool((folder.read_json("plan") or {}).get("seats_short"))
    application = Application(site, operations, members, seats_short=short)
    try:
        application.run()
    finally:
        folder.write("outcomes", application.outcomes)
    LOG.info("applied: %s", outcome_counts(application.outcomes))
    return {str(state): int(count) for state, count in application.outcomes["state"].value_counts().items()}


def _activate(integration: Integration, folder: RunFolder) -> None:
    """Activating the integration makes the place attribute, once (guide, "Users & Locks"). All reads were complete."""
    if (folder.read_json("activation") or {"attribute_exists": True})["attribute_exists"]:
        return
    HectorHook(integration.hector_conn_id).writer.create_lock_attribute()
    LOG.info("made the place attribute Salto Lock Id in Hector: fill it with the names of the locks")


def _no_fingerprint(number: str | None) -> str | None:  # noqa: ARG001 - the cleanup compares no tags
    return None


# --- report -----------------------------------------------------------------------------------------------------------


def report(folder: RunFolder, steps: tuple[str, ...], remaining: Callable[[], pd.DataFrame] | None) -> None:
    """End the run: green when all of the plan holds in Salto, problems or not; red otherwise, naming each cause.

    Args:
        folder: the run's.
        steps: the steps whose failure ends the run red.
        remaining: reads Salto again and gives the operations that are still missing; None: nothing was sent.

    Raises:
        RunError: with every cause, when the run is red.
    """
    causes = kept(folder, steps)
    if folder.has("operations"):
        causes += _unfinished(folder)
        if folder.has("outcomes") and not causes and remaining is not None:
            causes += _not_in_place(remaining)
    elif not causes:
        causes = ["the run ended before a plan was made, and nothing was written to Salto; see the failed task's log"]
    if causes:
        for cause in causes:
            LOG.error(cause)
        raise RunError("; ".join(causes[:10]) + (f"; and {len(causes) - 10} more" if len(causes) > 10 else ""))  # noqa: PLR2004 - a sentence, not a list
    waiting = 0 if folder.has("outcomes") else len(folder.read("operations", schemas.OPERATIONS))
    LOG.info(
        "green: %s", f"plan only, {waiting} operations were not sent" if waiting else "Salto holds what Hector says"
    )


def _unfinished(folder: RunFolder) -> list[str]:
    operations, found = folder.read("operations", schemas.OPERATIONS), folder.read("problems", schemas.PROBLEMS)
    for line in problem_lines(found):
        LOG.warning(line)
    red = [f"{row.message}. Next step: {row.next_step}" for row in found[found["red"]].itertuples()]
    held = operations[operations["state"].eq(HELD)]
    plan_ = folder.read_json("plan") or {}
    if len(held):
        why = "; ".join(hold["why"] for hold in plan_["holds"])
        red.append(
            f"{len(held)} operations are held ({why}); if they are meant, run again with approve: {plan_['digest']}"
        )
    if folder.has("outcomes"):
        outcomes = folder.read("outcomes", schemas.OUTCOMES)
        LOG.info("applied: %s", outcome_counts(outcomes))
        red += list(failure_lines(operations[operations["state"].ne(HELD)], outcomes))
    return red


def _not_in_place(remaining: Callable[[], pd.DataFrame]) -> list[str]:
    for wait in SETTLING:
        time.sleep(wait)
        left = remaining()
        if left.empty:
            return []
    return [f"not in place after the run: {line}" for line in plan_lines(rows(left))]


def still_missing(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> pd.DataFrame:
    """Operations a fresh comparison would still make (the same desired state and ``as_of``)."""
    return _compare(integration, folder, references=references, approve=approve).operations


def still_outdated(integration: Integration, folder: RunFolder) -> pd.DataFrame:
    hook = SaltoHook(integration.salto_conn_id)
    return expired_plan(current_groups(hook.reader(integration.site_id)), as_of=as_of(folder)).operations


def sent_anything(folder: RunFolder) -> bool:
    """Whether there is anything new to read back."""
    return folder.has("outcomes") and bool(folder.read("outcomes", schemas.OUTCOMES)["state"].eq(DONE).any())


def remove_outdated_folders(name: str, folder: RunFolder) -> int:
    """Folders of runs past retention."""
    paths = list(outdated(name, as_of=as_of(folder).to_pydatetime()))
    for path in paths:
        remove(path)
    return len(paths)
