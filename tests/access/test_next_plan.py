"""Planning survives every outcome of every operation of the run before (promise 2)."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from hector_salto.access import plan as planning
from hector_salto.access import schemas
from hector_salto.access.dependencies import without_malformed
from hector_salto.access.operations import KINDS, MALFORMED, TAKE_AWAY, as_json, operations
from hector_salto.access.plan import LastState, members_by_group
from hector_salto.access.results import DONE, FAILED, HELD, NOT_SENT, UNKNOWN
from hector_salto.ledger.ledger import Ledger, RunStart
from tests.access.tables import FITTING, LATER, NOW, group, ours, schedule
from tests.access.test_plan import BUSY_GROUPS as GROUPS
from tests.access.test_plan import BUSY_RULES, busy

KILLED = None  # no outcome was written
OUTCOMES = (DONE, FAILED, UNKNOWN, NOT_SENT, HELD, KILLED)
TWICE = [
    *(one for one in GROUPS if one["name"] != "Hector_3"),
    ours("g1b", "Hector_1", **FITTING),  # a lost reply made it
    group("g4", "Hector_4"),  # a run died before its schedule
    group("g3", "Hector_3", ["p4"], ["k1"], [schedule("g3", "a", **FITTING), schedule("g3", "b", **LATER)]),
]
RULES = {
    "all": BUSY_RULES,
    "with_reservations": replace(BUSY_RULES, provision_users="with_reservations", delete_users=False),
}


def site(rules, **options):
    """A plan of every kind of operation: several groups of one name, one without and one with two schedules."""
    return busy(rules=rules, groups=TWICE, **options)


@functools.cache
def planned(name):
    return site(RULES[name])


@pytest.fixture
def ledger(ledger_url):
    return Ledger.open(ledger_url)


def next_previous(ledger, made, outcome_of):
    """What the ledger knows of drift after a run whose operations ended so."""
    run = ledger.begin_run(RunStart("campus", "sync", "run", "folder", NOW.to_pydatetime()))
    ledger.plan(run, made.operations, made.problems, made.left, planned_at=NOW.to_pydatetime())
    for key, number in ledger.operation_ids(run).items():
        outcome = outcome_of(key.partition(":")[0])
        if outcome is not None:
            ledger.settle(number, NOW.to_pydatetime(), outcome, "")
    return LastState(left=ledger.left("campus", NOW.to_pydatetime() + timedelta(minutes=1)))


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("provision", RULES)
def test_no_outcome_of_any_kind_becomes_drift(ledger, outcome, provision):
    """What an earlier run left undone is planned again, whatever became of it, also with drift: report."""
    previous = next_previous(ledger, planned(provision), lambda kind: outcome)

    assert previous == LastState()


def test_each_kind_failing_alone(ledger):
    """One kind fails, all others are done."""
    made = planned("all")
    for one in sorted(set(made.operations["kind"])):
        previous = next_previous(ledger, made, lambda kind, one=one: FAILED if kind == one else DONE)
        assert previous == LastState(), one


def test_every_kind_is_tried():
    """Else the property would prove less than it says."""
    found = {kind for name in RULES for kind in planned(name).operations["kind"]}

    assert set(KINDS) - found == set()


@pytest.mark.parametrize("drift", ["repair", "report"])
def test_real_drift_of_every_kind_that_was_not_repaired(ledger, drift):
    """It stays drift in the next plan, which is made also where no sentence describes such drift."""
    first = planned("all")
    drifted = first.operations.assign(cause="drift")
    for outcome in OUTCOMES:
        previous = next_previous(ledger, replace(first, operations=drifted), lambda kind, it=outcome: it)
        assert bool(previous.left) is (outcome != DONE)
    again = site(replace(BUSY_RULES, drift=drift), previous=previous)

    assert set(again.operations["key"]) | set(again.left["key"]) == set(first.operations["key"])
    assert bool(len(again.left)) is (drift == "report")
    assert again.operations["reason"].ne("").all()


# --- a malformed operation --------------------------------------------------------------------------------------------


def rows_of(*people):
    return pd.DataFrame({"group_id": ["g1"] * len(people), "group_name": "Hector_1", "platform_user_id": people})


def test_a_row_without_a_value_is_malformed_alone():
    """Its neighbors are as they were."""
    reasons = pd.Series(["because", None])
    found = operations("member_add", rows_of("p1", "p2"), cause="new", unit="reservation 1", reason=reasons)

    assert found["state"].tolist() == ["ready", MALFORMED]
    assert found["reason"].tolist() == ["because", "no value for reason"]


def test_a_row_listed_twice_is_one():
    """Salto may list a member twice while its pages shift."""
    found = operations("member_remove", rows_of("p1", "p1"), cause="moved", unit="reservation 1", reason="because")

    assert found["platform_user_id"].tolist() == ["p1"]


def test_two_changes_of_one_key_are_malformed():
    """Which of them is meant is unknown, so neither is sent."""
    after = pd.Series([as_json({"alias": "a"}), as_json({"alias": "b"})])
    rows = pd.DataFrame({"site_user_id": ["s_1"] * 2, "user_id": "u_1"}).assign(after=after)
    found = operations("user_adopt", rows, cause="new", unit="person u_1", reason="because")

    assert found["state"].tolist() == [MALFORMED] * 2
    assert found["key"].is_unique


def test_a_malformed_operation_is_a_red_problem(monkeypatch):
    """It names the operation; every other reservation and user is planned as before."""
    real = planning.in_order

    def spoilt(tables):
        joined = pd.concat(tables, ignore_index=True)
        return real([joined.assign(reason=joined["reason"].mask(joined["key"].eq("group_delete:g6:::::")))])

    whole = planned("all")
    with monkeypatch.context() as patch:
        patch.setattr(planning, "in_order_of_kinds", spoilt)
        made = site(BUSY_RULES)

    (found,) = made.problems[made.problems["code"].eq("operation_malformed")].to_dict("records")
    assert found["red"]
    assert "group_delete:g6" in found["message"]
    missing = set(whole.operations["key"]) - set(made.operations["key"])
    assert missing == {"group_delete:g6:::::", "tag_on:s_1:p1::t_1:"}, "the tag would also open the group that remains"


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_a_malformed_operation_stops_only_what_builds_on_it(kind):
    """Removals go on; nothing of its own unit is given, and nothing that it blocks."""
    made = next(one for one in map(planned, RULES) if kind in set(one.operations["kind"]))
    first = made.operations[made.operations["kind"].eq(kind)].iloc[0]
    state = made.operations["state"].mask(made.operations["key"].eq(first["key"]), MALFORMED)
    kept, bad = without_malformed(made.operations.assign(state=state), lambda: members_by_group(made.members))
    missing = made.operations[~made.operations["key"].isin([*kept["key"], first["key"]])]

    assert bad["key"].tolist() == [first["key"]]
    assert (missing["phase"] != TAKE_AWAY).all()
    assert kept.loc[kept["unit"].eq(first["unit"]), "phase"].eq(TAKE_AWAY).all()
    assert len(kept)


def test_without_malformed_operations_nothing_changes():
    """The usual plan pays nothing."""
    made = planned("all")

    assert without_malformed(made.operations, lambda: 1 / 0)[0] is made.operations


def test_a_broken_schema_names_the_row():
    """By its id, never by another value."""
    row = {"site_user_id": "s_1", "platform_user_id": "p1", "email": "ana@school.example"}
    with pytest.raises(schemas.SchemaError, match=r"role_codes: .*\(row 's_1'\)") as error:
        schemas.validate(
            schemas.SALTO_USERS,
            pd.DataFrame([dict.fromkeys(schemas.SALTO_USERS.columns) | row | FLAGS]),
        )
    assert "ana@" not in str(error.value)


FLAGS = dict.fromkeys(
    ("has_profile", "managed_here", "opens_without_tag", "above_site_user", "pod_or_guest", "office_mode", "blocked"),
    False,
)
