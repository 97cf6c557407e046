"""Asks a person about removals that a run holds back, and keeps who approved them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hector_salto.access.texts import few, one_line
from hector_salto.ledger.ledger import RESTART
from hector_salto.ledger.run_queries import RunSummary, operations_of, run_holding
from hector_salto.reports.held import TABLES as HELD_TABLES
from hector_salto.reports.held import HeldBack, Reason, list_held
from hector_salto.workflow import run_history
from hector_salto.workflow.recorder import ledger
from hector_salto.workflow.storage import StorageError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hector_salto.integration import Integration
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
ANSWER_WITHIN = timedelta(hours=22)  # less than a day: a daily run that still holds the same set asks again
SHOWN = 100


class UnknownDigestError(ValueError):
    """A digest that no run of the integration holds: there is nothing to ask about or to approve."""


def holds(folder: RunFolder) -> bool:
    """Whether a run holds removals back; also when that cannot be read: then the task that asks says why."""
    try:
        return (folder.read_json("plan") or {}).get("digest") is not None
    except UnreadableFileError:
        return True


def question(folder: RunFolder, now: datetime) -> dict[str, Any] | None:
    """The run parameters of an approval run: about what this run holds, unless that question is open already.

    None: nothing is held, or nothing was applied beside it, or the question is open.
    """
    plan = folder.read_json("plan") or {}
    digest = plan.get("digest")
    if digest is None or not folder.has("outcomes"):
        return None
    name = run_history.name_of(folder)
    asked = run_history.when_asked(name, digest)
    if asked is not None and now - asked < ANSWER_WITHIN:
        LOG.info("somebody has been asked about %s since %s", digest, asked.isoformat())
        return None
    try:
        run_history.note_asked(name, digest, now)
    except StorageError as error:
        LOG.error("question about %s not noted, so the next run asks again: %s", digest, error)  # noqa: TRY400 - the sentence says all
    return {"digest": digest}


def find_held_run(name: str, digest: str) -> RunSummary:
    """The newest sync that holds the set with this digest, as the ledger has it; no address comes from a conf.

    Raises:
        UnknownDigestError: when no sync of the integration holds it.
    """
    found = run_holding(ledger(RESTART), name, digest) if digest else None
    if found is None:
        raise UnknownDigestError(
            f"no sync of {name} holds a set with the digest {digest!r}, so there is nothing to approve; a sync that holds "
            "removals back starts this DAG by itself"
        )
    return found


def text(integration: Integration, name: str, digest: str) -> dict[str, str]:
    """Subject and body (Markdown) of the question: what is held, by which guard, against which limit; who loses which door when, and why
    Hector says so. It has names and emails, so it never goes into a log.

    Raises:
        UnknownDigestError: when no sync of the integration holds the digest.
    """
    run = find_held_run(name, digest)
    book = ledger(RESTART)
    held = list_held(
        operations_of(book, run.id),
        book.read_snapshot(name, run.observed_at, names=HELD_TABLES),
        datetime.now(UTC),
        run.site_zone,
    )
    guards = [f"- **{guard}**: {_plain(why)}" for guard, _, why in (hold.partition(": ") for hold in run.holds)]
    then = f"; {held.waiting} operations that wait for it follow" if held.waiting else ""
    only = f" (a reload of {_plain(few(run.chosen_references))})" if run.chosen_references else ""
    when = f"{run.began_at:%Y-%m-%d %H:%M} UTC{only}"
    body = [
        f"The sync of site {integration.site_id} of {when} holds {held.removals} removals back, because they look like a mistake:",
        "",
        *guards,
        "",
        _inside(held),
        "",
        f"**Approve** starts the sync again and lets exactly this set (`{digest}`) through, once{then}.",
        "If the set has changed by then, nothing of it goes and you are asked anew.",
        "**Reject** leaves everything as it is; so does no answer.",
        *(line for reason in held.reasons for line in _reason(reason)),
    ]
    return {"subject": f"{held.removals} removals at {integration.site_id} wait for approval", "body": "\n".join(body)}


def _inside(held: HeldBack) -> str:
    if not held.inside:
        return "Nobody is inside a window of these doors right now."
    named = few([_plain(one.label_text) for one in held.inside], between="; ")
    return f"**Inside the window of a door right now, and would lose it: {len(held.inside)}** ({named})"


def _reason(reason: Reason) -> Iterator[str]:
    """Return the part of the question about removals of which Hector says the same."""
    yield from ("", f"### {reason.title} ({len(reason.losses)})", "")
    yield from ("| for | what | who loses access | door | when (doors' wall clock) |", "|---|---|---|---|---|")
    for loss in reason.losses[:SHOWN]:
        users = few([f"{_plain(one.label_text)} ({_plain(one.label)})" for one in loss.users], between="; ") or "nobody"
        yield f"| {_plain(loss.unit)} | {loss.did} | {users} | {_plain(', '.join(loss.doors))} | {_plain(loss.when)} |"
    if len(reason.losses) > SHOWN:
        yield f"\n… and {len(reason.losses) - SHOWN} more, on the run's page under Salto doors."


def approval_conf(name: str, digest: str) -> dict[str, Any]:
    """The run parameters of the sync that lets a held set through: with the references of the run that holds it.

    Raises:
        UnknownDigestError: when no sync of the integration holds the digest.
    """
    return {"approve": digest, "references": find_held_run(name, digest).chosen_references or []}


def keep(name: str, digest: str, answer: Mapping[str, Any] | None, now: datetime) -> str:
    """Write down who approved, and when; their name.

    Args:
        answer: of Airflow's approval; None: the task was marked as done instead, and Airflow does not say by whom.
    """
    given = answer or {}
    user = given.get("responded_by_user") or {}
    by = str(user.get("name") or user.get("id") or "somebody whom Airflow does not name")
    note(name, digest, by, now, str(given.get("responded_at") or now.isoformat()))
    LOG.info("%s approved %s", by, digest)
    return by


def note(name: str, digest: str, by: str, now: datetime, at: str | None = None) -> None:
    """Keep who approved a held set, for the run that lets it through and for the one that holds it."""
    run_history.note_approved(name, digest, by, at or now.isoformat())
    ledger(RESTART).approve(name, digest, by, now)


def _plain(words: str) -> str:
    """Names come from people's keyboards: nothing of theirs may become markup, or a line of its own."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>()#+!|~&" else sign for sign in one_line(words))
