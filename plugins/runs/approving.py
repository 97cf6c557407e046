"""Asks a person about removals that a run holds back, and keeps who approved them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.access import schemas
from include.access.operations import HELD
from include.access.order import rows
from include.report.words import told
from runs import history

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from include.integrations.integration import Integration
    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
ANSWER_WITHIN = timedelta(hours=22)  # less than a day: a daily run that still holds the same set asks again
SHOWN = 100


def question(folder: RunFolder, now: datetime) -> dict[str, Any] | None:
    """The run parameters of an approval run: about what this run holds, unless somebody is being asked about it already.

    None: nothing is held, or nothing was applied beside it, or the question is open.
    """
    plan = folder.read_json("plan") or {}
    digest = plan.get("digest")
    if digest is None or not folder.has("outcomes"):
        return None
    name = history.name_of(folder)
    asked = history.asked_at(name, digest)
    if asked is not None and now - asked < ANSWER_WITHIN:
        LOG.info("somebody has been asked about %s since %s", digest, asked.isoformat())
        return None
    history.note_asked(name, digest, now)
    run = folder.read_json("run") or {}
    references = (run.get("conf") or {}).get("references") or []
    return {"folder": str(folder), "digest": digest, "references": references, "held_by": run.get("run_id")}


def text(integration: Integration, folder: RunFolder, digest: str) -> dict[str, str]:
    """Subject and body (Markdown) of the question: what is held, by which guard, against which limit. No email."""
    operations = folder.read("operations", schemas.OPERATIONS)
    held = rows(operations[operations["state"].eq(HELD) & operations["removal"]])
    waiting = int((operations["state"].eq(HELD) & ~operations["removal"]).sum())
    plan = folder.read_json("plan") or {}
    guards = [f"- **{hold['guard']}**: {_plain(hold['why'])}" for hold in plan["holds"]]
    listed = [f"| {_plain(told(row))} | {_plain(str(row['cause']))} |" for row in held[:SHOWN]]
    more = [f"\n… and {len(held) - SHOWN} more, in `operations.parquet` of the run's folder."] * (len(held) > SHOWN)
    then = f"; {waiting} operations that wait for it follow" if waiting else ""
    body = [
        f"The sync of site {integration.site_id} holds {len(held)} removals back, because they look like a mistake:",
        "",
        *guards,
        "",
        f"**Approve** starts the sync again and lets exactly this set (`{digest}`) through, once{then}.",
        "If the set has changed by then, nothing of it goes and you are asked anew.",
        "**Reject** leaves everything as it is; so does no answer.",
        "",
        "| removal | cause |",
        "|---|---|",
        *listed,
        *more,
    ]
    return {"subject": f"{len(held)} removals at {integration.site_id} wait for approval", "body": "\n".join(body)}


def keep(name: str, digest: str, answer: Mapping[str, Any] | None, now: datetime) -> str:
    """Write down who approved, and when; their name.

    Args:
        answer: of Airflow's approval; None: somebody marked the task as done instead, and Airflow does not say who.
    """
    given = answer or {}
    user = given.get("responded_by_user") or {}
    by = str(user.get("name") or user.get("id") or "somebody whom Airflow does not name")
    history.note_approved(name, digest, by, str(given.get("responded_at") or now.isoformat()))
    LOG.info("%s approved %s", by, digest)
    return by


def _plain(words: str) -> str:
    """Names come from people's keyboards: nothing of theirs may become markup."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>()#+!|~&" else sign for sign in words)
