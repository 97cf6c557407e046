"""What other hands made in Salto is byte-equal after any sequence of runs; what is foreign is said here once more, by itself."""

from __future__ import annotations

import datetime as dt
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hector_salto.access.settings import AccessRules, Limits, OfficeMode
from tests.effort import EFFORT
from tests.scenarios.world import hour, world

HECTOR_PEOPLE = ("ana", "ben", "cleo")
ABOVE = ("site_admin", "site_super_user", "site_owner")
APART = ("site_guest", "site_pod_member")
ROLES = st.sampled_from([
    ["site_user"], ["site_user", "site_mobile_user"], ["site_user", "site_remote_office_mode_user"],
    *([code] for code in ABOVE), *([code] for code in APART), ["site_user", "site_admin"],
])  # fmt: skip
EMAILS = st.sampled_from([*HECTOR_PEOPLE, *HECTOR_PEOPLE, None, "stranger"])
ALIASES = st.sampled_from(
    [None, "", "cleaning", "Hector: of Troy", "member-1042", "hector", "=1+1", "'; --", "héctor:u_1"]
)
MEMBERS = st.lists(
    st.fixed_dictionaries(
        {
            "email": EMAILS,
            "roles": ROLES,
            "alias": ALIASES,
            "tag": st.booleans(),
            "blocked": st.sampled_from([False, False, True]),
            "has_profile": st.booleans(),
            "manual_office_mode": st.booleans(),
            "subscription_state": st.sampled_from(["subscribed", "suspended"]),
        }
    ),
    min_size=4,
    max_size=8,
)
OPEN, ENDS = (None, None), ("2026-01-01T00:00:00", "2027-01-31T23:59:59")
DATES = st.sampled_from([OPEN, ("2026-01-01", None), ("2026-01-01T00:00:00Z", None), (None, "2026-06-30"), ENDS])
NAMES = st.sampled_from(
    [
        "Cleaning",
        "hector_1",
        "HECTOR_1",
        "Hector-1",
        " Hector_1",
        "Hector",
        "Hector_Staff",
        "Hector_",
        "Hector_1",
        "Hector_77",
    ]
)
GROUPS = st.lists(st.tuples(NAMES, st.lists(DATES, max_size=3), st.booleans()), min_size=4, max_size=8)
RULES = st.builds(
    AccessRules,
    delete_users=st.booleans(),
    provision_users=st.sampled_from(["all", "with_reservations"]),
    office_mode=st.sampled_from([OfficeMode(), OfficeMode(groups=("Teachers",))]),
    protected_emails=st.sampled_from([frozenset(), frozenset({"Ana@School.example "})]),
    limits=st.just(Limits(hold_above=1000)),
)
MORE_RUNS = st.lists(st.tuples(st.sampled_from(["sync", "plan", "cleanup", "references"]), RULES), max_size=3)
RUNS = st.tuples(RULES, MORE_RUNS).map(lambda drawn: [("sync", drawn[0]), *drawn[1]])
CHANGES = st.lists(st.sampled_from(["cancel", "move", "leave", "code", "nothing"]), min_size=4, max_size=4)


def furnish(h, members, groups):
    """Three people in Hector, two bookings, and whatever others have made in Salto."""
    h.room("r1", "r2").person(*HECTOR_PEOPLE)
    h.book("1", "ana", "r1", 1, 2).book("2", "ben", ["r1", "r2"], 3, 4, others=["cleo"])
    salto, taken = h.salto, set()
    for number, made in enumerate(members):
        name = made["email"]
        if name in taken:
            continue
        taken |= {name} & set(HECTOR_PEOPLE)
        email = {None: None, "stranger": f"s{number}@elsewhere.example"}.get(name, f"{name}@school.example")
        rest = {key: value for key, value in made.items() if key not in {"email", "tag"}}
        salto.add_member(email, tag=f"x{number}" if made["tag"] else None, **rest)
    people = [member.person_id for member in salto.members.values()]
    for name, dates, filled in groups:
        group = salto.add_group(name, users=people if filled else (), locks=list(salto.locks) if filled else ())
        for first, last in dates:
            salto.add_schedule(group, "07:00", "19:00", start_date=first, end_date=last)
    salto.enrol_tag("free")
    salto.enrol_tag("blocked", blocked=True)


def never_touched(salto, member, protected):
    """Design section 4, "Never touched", and everybody whom Hector does not know."""
    person = salto.persons[member.person_id]
    email = (person.email or "").strip().casefold()
    return (
        member.id == salto.acting_member_id
        or any(code in (*ABOVE, *APART) for code in member.roles)
        or member.blocked
        or email in protected
        or email not in {f"{name}@school.example" for name in HECTOR_PEOPLE}
    )


def foreign_group(group):
    """Not named like ours, or without an end, or bare although somebody or something is in it."""
    open_ended = any(schedule.end_date is None for schedule in group.schedules)
    bare_and_filled = (
        not group.schedules and (group.users or group.locks) and group.name not in {"Hector_1", "Hector_2"}
    )
    return not group.name.startswith("Hector_") or open_ended or bare_and_filled


def foreign_ids(salto, protected):
    members = [member for member in salto.members.values() if never_touched(salto, member, protected)]
    return {
        "members": {member.id for member in members},
        "persons": {member.person_id for member in members},
        "groups": {group.id for group in salto.groups.values() if foreign_group(group)},
    }


def kept(salto, ids):
    rows = json.loads(salto.to_json())
    chosen = {table: {key: rows[table].get(key) for key in sorted(found)} for table, found in ids.items()}
    whole = {table: rows[table] for table in ("site", "other_sites", "tags", "iqs", "locks")}
    return json.dumps(chosen | whole, sort_keys=True, indent=1)


def change(h, what):
    """Something happens in Hector between two runs."""
    ana = h.hector.users[h.people["ana"]]
    if what == "cancel":
        h.hector.set_status(h.bookings["1"], "cancelled", at=hour(0))
    elif what == "move":
        h.move("2", start=20, finish=22, where="r2")
    elif what == "leave":
        ana["status"] = "archived"
    elif what == "code":
        ana["unique_code"] = "free"


def go(h, kind, rules):
    if kind == "sync":
        h.run(rules)
    elif kind == "plan":
        h.plan(rules)
    elif kind == "cleanup":
        h.clock.now += dt.timedelta(minutes=1)
        h.sync.cleanup(h.clock.now)
    else:
        h.run(rules, references=["2"])


@settings(max_examples=8 * EFFORT, derandomize=EFFORT == 1, deadline=None, suppress_health_check=list(HealthCheck))
@given(members=MEMBERS, groups=GROUPS, runs=RUNS, changes=CHANGES)
def test_what_others_made_is_byte_equal_after_any_sequence_of_runs(members, groups, runs, changes):
    protected = frozenset.intersection(*(rules.protected_emails for _, rules in runs))
    with world() as h:
        furnish(h, members, groups)
        ids = foreign_ids(h.salto, {email.strip().casefold() for email in protected})
        before = kept(h.salto, ids)
        for (kind, rules), what in zip(runs, changes, strict=False):
            go(h, kind, rules)
            change(h, what)

        assert kept(h.salto, ids) == before


@settings(max_examples=8 * EFFORT, derandomize=EFFORT == 1, deadline=None, suppress_health_check=list(HealthCheck))
@given(members=MEMBERS, runs=RUNS, changes=CHANGES)
def test_an_alias_written_by_hand_stays_and_its_user_is_neither_deleted_nor_suspended(members, runs, changes):
    with world() as h:
        furnish(h, members, ())
        by_hand = {member.id: member for member in h.salto.members.values() if (member.alias or "").strip()}
        before = {id_: (member.alias, member.subscription_state) for id_, member in by_hand.items()}
        for (kind, rules), what in zip(runs, changes, strict=False):
            go(h, kind, rules)
            change(h, what)

        after = {id_: h.salto.members.get(id_) for id_ in before}
        assert {id_: (one.alias, one.subscription_state) for id_, one in after.items() if one} == before


def test_a_never_touched_hector_user_becomes_a_member_of_their_groups_and_keeps_their_record():
    with world() as h:
        member = h.salto.add_member("ana@school.example", roles=["site_admin"], tag="hers")
        h.room("r1").person("ana").book("1", "ana", "r1")
        ids = foreign_ids(h.salto, ())
        before = kept(h.salto, ids)
        h.run(AccessRules(delete_users=True))

        assert member in ids["members"]
        assert json.loads(kept(h.salto, ids))["members"] == json.loads(before)["members"]
        assert h.group("1").users == [h.salto.members[member].person_id]
