"""Who is examined: an integration, its clients, and what was read of them, each list once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hector_salto.access.places import place_locks

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from hector.hook import HectorHook
    from hector.reports_hook import HectorReportsHook
    from hector_salto.access.people import HectorPeople
    from hector_salto.integration import Integration
    from salto.client import SaltoReader
    from salto.hook import SaltoHook
    from salto.probe import SaltoProbe


@dataclass
class Subject:
    """One integration under examination.

    :param now: aware; what the examination takes for now.
    """

    integration: Integration
    hector: HectorHook | HectorReportsHook
    salto: SaltoHook
    now: datetime

    @cached_property
    def reader(self) -> SaltoReader:
        return self.salto.reader(self.integration.site_id)

    @cached_property
    def probe(self) -> SaltoProbe:
        return self.salto.probe(self.reader.site_id)

    @cached_property
    def people(self) -> HectorPeople:
        return self.hector.reader.users(self.hector.fingerprint)

    @cached_property
    def places(self) -> pd.DataFrame:
        return self.hector.reader.places()

    @cached_property
    def tags(self) -> pd.DataFrame:
        return self.reader.tags(self.hector.fingerprint)

    @cached_property
    def locks(self) -> pd.DataFrame:
        return self.reader.locks(self.reader.site.zone)

    @cached_property
    def users(self) -> pd.DataFrame:
        return self.reader.users(self.hector.fingerprint)

    @cached_property
    def bookable(self) -> pd.DataFrame:
        """The locks (SALTO_LOCKS) that some active place names."""
        named = place_locks(self.places[self.places["active"]], self.locks)[0]
        return self.locks[self.locks["lock_id"].isin(named["lock_id"])]
