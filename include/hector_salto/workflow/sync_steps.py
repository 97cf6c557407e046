"""The steps of a sync, each in its own task; or of a few reservations all in one, while a person waits at the door."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hector_salto.workflow import extraction, plan_application, planning, release, run_start
from hector_salto.workflow.failures import record_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hector_salto.integration import Integration
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
FEW = 25  # reservations that one task brings in step at once; more take the tasks, whose logs and retries are their own


@dataclass(frozen=True)
class SyncScope:
    """What a sync was asked for.

    Attributes:
        references: the only reservations to bring in step; empty: all of the horizon.
        approve: digest of a held set to let through; null: none.
        plan_only: nothing is sent but reads.
        verify: every access group is read in detail.
    """

    references: Sequence[str] = ()
    approve: str | None = None
    plan_only: bool = False
    verify: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> SyncScope:
        """Return the scope that run parameters name."""
        return cls(
            tuple(params["references"] or ()), params["approve"], bool(params["plan_only"]), bool(params["verify"])
        )

    @property
    def only(self) -> Sequence[str] | None:
        """The only references; null: all."""
        return self.references or None

    @property
    def at_once(self) -> bool:
        """Whether one task takes all steps: a few reservations are brought in step, and nothing else is asked for."""
        return 0 < len(self.references) <= FEW and not (self.approve or self.plan_only or self.verify)


def extract(integration: Integration, folder: RunFolder) -> None:
    """Read Hector's users, places and reservations of the horizon."""
    with record_step(folder, "extract_users"):
        extraction.extract_people(integration, folder)
    with record_step(folder, "extract_places"):
        extraction.extract_places(integration, folder)
    with record_step(folder, "extract_loaners"):
        extraction.extract_loaners(integration, folder)


def plan(integration: Integration, folder: RunFolder, scope: SyncScope) -> dict[str, int | str]:
    """Decide what should exist in Salto, read Salto, and plan what must change."""
    with record_step(folder, "plan"):
        run_start.refuse_outdated(folder, datetime.now(UTC))
        extraction.build_desired(integration, folder)
        return planning.plan(integration, folder, references=scope.only, approve=scope.approve, verify=scope.verify)


def apply(
    integration: Integration, folder: RunFolder, planned: Mapping[str, Any], *, with_hector: bool = True
) -> dict[str, int]:
    """Send a plan, once; return how many operations ended how."""
    with record_step(folder, "apply"):
        now, fingerprint = datetime.now(UTC), str(planned["fingerprint"])
        return plan_application.apply(integration, folder, now, fingerprint, fingerprinted=with_hector)


def sync_at_once(integration: Integration, folder: RunFolder, scope: SyncScope) -> bool:
    """Take the steps of a sync of few reservations one after another; return whether they are done.

    What fails before anything is sent is left to the tasks that follow: they try again, and end red where they always do.
    """
    try:
        extract(integration, folder)
        planned = plan(integration, folder, scope)
    except Exception as error:  # noqa: BLE001 - whatever it is, the tasks that follow meet it again
        LOG.warning("steps at once not taken (%s): left to the tasks that follow", type(error).__name__)
        return False
    if not release.plans_only(folder):
        apply(integration, folder, planned)
    return True
