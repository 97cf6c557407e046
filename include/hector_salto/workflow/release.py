"""Decides whether a run applies its plan, and keeps who let an integration loose."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hector.hook import hector_hook
from hector_salto.access.release import Gate, ReleaseDecision, Target, Trigger, gate, is_release
from hector_salto.http_client.errors import ConfigurationError
from hector_salto.reports.text import plan_only_sentence
from hector_salto.workflow.recorder import Book

if TYPE_CHECKING:
    from hector_salto.integration import Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
FILE = "gate"


def decide(integration: Integration, folder: RunFolder, site_id: str) -> Gate:
    """Decide whether a run may apply its plan, once the site and Hector are read; keep the decision in its folder."""
    run = folder.read_json("run") or {}
    book = Book.of(folder)
    target = _target(integration, folder, site_id)
    asked_at = datetime.fromisoformat(run["asked_at"]) if run.get("asked_at") else None
    decided = gate(book.ledger.last_release(book.integration), target, Trigger(run["trigger"]), asked_at)
    folder.write_json(FILE, {"gate": decided.value})
    if decided is not Gate.OPEN:
        LOG.warning(plan_only_sentence(decided, book.integration))
    elif is_release(Trigger(run["trigger"]), whole=_is_whole_sync(folder)):
        _release(book, target, run)
    return decided


def plan_only_because(folder: RunFolder) -> Gate | None:
    """Return why a run that was not asked to plan only does so; None: it applies its plan, or was asked to."""
    found = Gate((folder.read_json(FILE) or {}).get("gate", Gate.OPEN))
    return None if found is Gate.OPEN or _is_asked(folder) else found


def plans_only(folder: RunFolder) -> bool:
    """Return whether a run sends nothing: it was asked to, or its integration is not released yet."""
    return _is_asked(folder) or plan_only_because(folder) is not None


def withdraw(ledger: Ledger, name: str, by: str, now: datetime) -> None:
    """Keep that a person asked for plans only, when the integration was let loose before."""
    last = ledger.last_release(name)
    if last is not None and not last.withdrawn:
        ledger.add_release(name, ReleaseDecision(last.target, by, now, withdrawn=True))


def _release(book: Book, target: Target, run: dict[str, str | None]) -> None:
    """Keep who let an integration loose; a later press on the same site and Hector adds nothing."""
    last = book.ledger.last_release(book.integration)
    if last is not None and not last.withdrawn and last.target == target:
        return
    by = run["triggered_by"] or "a person Airflow does not name"
    book.ledger.add_release(book.integration, ReleaseDecision(target, by, datetime.now(UTC)), run["run_id"])
    LOG.info("integration %s released by %s: scheduled runs apply their plans from now on", book.integration, by)


def _target(integration: Integration, folder: RunFolder, site_id: str) -> Target:
    read = folder.read_json("hector")
    if read is not None:
        return Target(site_id, read["base_url"], read["instance_id"])
    try:  # the cleanup does not ask Hector, and works without its connection
        return Target(site_id, hector_hook(integration).base_url)
    except ConfigurationError:
        return Target(site_id)


def _is_asked(folder: RunFolder) -> bool:
    return bool(((folder.read_json("run") or {}).get("conf") or {}).get("plan_only"))


def _is_whole_sync(folder: RunFolder) -> bool:
    run = folder.read_json("run") or {}
    return run["kind"] == "sync" and not _is_asked(folder) and not (run.get("conf") or {}).get("references")
