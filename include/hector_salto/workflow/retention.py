"""Removes what is past retention: run folders, notes of the history, ledger rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hector_salto.workflow import recorder, run_history, run_start

if TYPE_CHECKING:
    from datetime import datetime

LOG = logging.getLogger(__name__)


def remove_outdated(name: str, now: datetime) -> None:
    """Remove what an integration keeps past retention; folders first, because they may be what fills the disk.

    Raises:
        RetentionError: when a setting is no number of days; nothing is removed then.
        LedgerError: when the ledger cannot be used.
    """
    recorder.check_retention()
    removed = run_start.remove_outdated_folders(name, now)
    LOG.info("%d run folders past retention removed", removed)
    run_history.remove_outdated(name, now)
    recorder.remove_outdated(name, now)
