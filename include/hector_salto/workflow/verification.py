"""Looks at Hector and Salto now, outside any run: reads only, and keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hector.hook import hector_hook
from hector_salto.access.desired import build_desired_state
from hector_salto.access.plan import make_plan
from hector_salto.access.snapshot import Snapshot, take_snapshot
from salto.hook import SaltoHook
from salto.site_state import read_current

if TYPE_CHECKING:
    from datetime import datetime

    from hector_salto.integration import Integration


def read_live(integration: Integration, now: datetime) -> tuple[Snapshot, pd.DataFrame]:
    """What both services show now, and the problems (PROBLEMS) a sync would report.

    Raises:
        RestError: when a read is not complete.
    """
    hector, rules, as_of = hector_hook(integration), integration.rules(), pd.Timestamp(now)
    people, places = hector.reader.users(hector.fingerprint), hector.reader.places()
    begin, end = as_of - rules.grace_after, as_of + rules.horizon + rules.grace_before + pd.Timedelta(minutes=1)
    loaners = hector.reader.loaners(begin.to_pydatetime(), end.to_pydatetime())
    current = read_current(SaltoHook(integration.salto_conn_id).reader(integration.site_id), hector.fingerprint)
    desired = build_desired_state(people, places, loaners, rules, as_of=as_of)
    made = make_plan(desired, current, rules, as_of=as_of)
    looked = take_snapshot(people, places, loaners, current, decisions=made.decisions, matches=made.matches)
    return looked, made.problems
