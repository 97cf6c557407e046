"""Compares the desired with Salto's current state, through clients that cannot write."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pandas as pd

from hector.hook import HectorHook
from include.access.order import rows
from include.access.plan import Plan, expired_plan, make_plan
from include.access.problems import all_problems, problems
from include.integrations.integration import load_all, sharing_a_site
from include.report.words import decision_lines, plan_lines, problem_lines
from runs import history
from runs.extraction import desired_of
from runs.failures import StalePlanError
from runs.opening import as_of
from salto.hook import SaltoHook
from salto.reading import current_groups, current_state

if TYPE_CHECKING:
    from collections.abc import Collection

    from include.integrations.integration import Integration
    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)


def plan(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> dict[str, int | str]:
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
    if made.approved:
        LOG.info("let through by approval: %d removals%s", len(made.approved), _approver(folder, approve))
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
        desired_of(folder),
        current,
        integration.rules(),
        as_of=as_of(folder),
        references=references,
        approve=approve,
        history=history.recalled(history.name_of(folder), as_of(folder).to_pydatetime()),
    )


def _approver(folder: RunFolder, approve: str | None) -> str:
    given = history.approved_by(history.name_of(folder), approve)
    return f", given by {given['by']} at {given['at']}" if given else ", given as a run parameter"


def _shared(integration: Integration) -> pd.DataFrame:
    beside = {name: one for name, one in load_all()[0].items() if one.salto_conn_id == integration.salto_conn_id}
    shared = [row for row in sharing_a_site(beside) if row["site_id"] == integration.site_id.casefold()]
    return problems("site_shared", pd.DataFrame(shared))


def plan_cleanup(integration: Integration, folder: RunFolder) -> dict[str, int | str]:
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
            "approved": sorted(made.approved),
            "approved_set": made.approved_set,
        },
    )


def _counts(made: Plan) -> dict[str, int | str]:
    """What goes through Airflow's own store: counts, and what ``apply`` checks the folder's plan against."""
    return {
        "fingerprint": made.fingerprint,
        "operations": len(made.operations),
        "held": len(made.held),
        "problems": len(made.problems),
    }


def still_missing(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> pd.DataFrame:
    """Operations a fresh comparison would still make (the same desired state and ``as_of``)."""
    return _compare(integration, folder, references=references, approve=approve).operations


def still_outdated(integration: Integration, folder: RunFolder) -> pd.DataFrame:
    hook = SaltoHook(integration.salto_conn_id)
    return expired_plan(current_groups(hook.reader(integration.site_id)), as_of=as_of(folder)).operations
