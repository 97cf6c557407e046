"""Short ways to write the tables that the rules read: a test names only what matters to it."""

from __future__ import annotations

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.current import Current, Groups
from hector_salto.access.desired import Desired, build_desired_state
from hector_salto.access.people import HectorPeople
from hector_salto.access.plan import Plan, make_plan
from hector_salto.access.reservations import HectorReservations
from hector_salto.access.settings import AccessRules

NOW = pd.Timestamp("2026-01-14T15:00:00Z")
ZONE = "America/Toronto"
RULES = AccessRules()


def at(hours: float) -> pd.Timestamp:
    """An instant so many hours after NOW."""
    return NOW + pd.Timedelta(hours=hours)


def user(user_id, email=..., **changes):
    row = {
        "user_id": user_id,
        "email": f"{user_id}@school.example" if email is ... else email,
        "first_name": "Ana",
        "last_name": "Roy",
        "tag": None,
        "status": "active",
        "department_id": None,
    }
    return row | changes


def place(place_id, lock_name, **changes):
    return {"place_id": place_id, "name": place_id, "kind": "place", "active": True, "lock_name": lock_name} | changes


def hector_people(users=(), memberships=(), groups=(), departments=()):
    """memberships: pairs (user, group); groups: (id, name, alias_of); departments: (id, name)."""
    return HectorPeople(
        users=schemas.frame(schemas.HECTOR_USERS, users),
        user_groups=schemas.frame(schemas.HECTOR_USER_GROUPS, [{"user_id": u, "group_id": g} for u, g in memberships]),
        groups=schemas.frame(
            schemas.HECTOR_GROUPS,
            [{"group_id": g, "name": n, "official": alias is None, "alias_of": alias} for g, n, alias in groups],
        ),
        departments=schemas.frame(
            schemas.HECTOR_DEPARTMENTS, [{"department_id": d, "name": n} for d, n in departments]
        ),
    )


def booking(reference, who="u_1", where="p_1", start=1.0, finish=2.0, **changes):
    """A reservation: instants, or hours after NOW; ``who`` and ``where`` one id or a list; borrower first."""
    people, places = ([value] if isinstance(value, str) else list(value) for value in (who, where))
    row = {
        "reservation_id": f"l_{reference}",
        "reference": reference,
        "status": "new",
        "start": at(start) if isinstance(start, int | float) else pd.Timestamp(start),
        "finish": at(finish) if isinstance(finish, int | float) else pd.Timestamp(finish),
        "blocking": False,
        "people": [("user", person) for person in people],
        "places": places,
    }
    return row | changes


def loaners(bookings=()):
    rows = [{key: row[key] for key in schemas.RESERVATIONS.columns} for row in bookings]
    people = [
        {
            "reservation_id": row["reservation_id"],
            "person_type": kind,
            "person_id": person,
            "part": "participant" if number else "borrower",
        }
        for row in bookings
        for number, (kind, person) in enumerate(row["people"])
    ]
    places = [
        {"reservation_id": row["reservation_id"], "place_id": where} for row in bookings for where in row["places"]
    ]
    return HectorReservations(
        reservations=schemas.frame(schemas.RESERVATIONS, rows),
        people=schemas.frame(schemas.RESERVATION_PEOPLE, people),
        places=schemas.frame(schemas.RESERVATION_PLACES, places),
    )


def salto_user(number, email=..., **changes):
    """A site user s_<number>, on the platform p<number>."""
    row = {
        "site_user_id": f"s_{number}",
        "platform_user_id": f"p{number}",
        "email": f"u_{number}@school.example" if email is ... else email,
        "alias": f"hector:u_{number}",
        "has_profile": False,
        "managed_here": True,
        "opens_without_tag": False,
        "role_codes": "site_user",
        "above_site_user": False,
        "pod_or_guest": False,
        "office_mode": False,
        "blocked": False,
        "subscription_state": "subscribed",
        "tag": None,
    }
    return row | changes


def tag(number, holder=None, **changes):
    """A tag t_<number> whose fingerprint is <number>."""
    row = {"tag_id": f"t_{number}", "tag": number, "blocked": False, "is_pod_tag": False, "site_user_id": holder}
    return row | changes


def lock(lock_id, name=None, zone=ZONE):
    row = {"lock_id": lock_id, "name": name or lock_id, "online": True, "iq_id": "iq", "iq_online": True, "zone": zone}
    return row | {"held_open": False, "privacy_mode": False}


def schedule(group_id, schedule_id=None, *, days=(2,), start="09:45:00", end="11:14:59", first=None, last=None):
    """As Salto shows it; by default the window of ``booking(…)`` with a quarter of an hour on both sides, in Toronto.

    NOW is Wednesday 10:00 in Toronto, so a booking from 11:00 to 12:00 opens 10:45 to 12:15.
    """
    return {
        "group_id": group_id,
        "schedule_id": schedule_id or f"sch_{group_id}",
        **{name: number in days for number, name in enumerate(schemas.WEEKDAYS)},
        "start_time": start,
        "end_time": end,
        "start_date": first,
        "end_date": last,
    }


FITTING = {"start": "10:45:00", "end": "12:14:59", "first": "2026-01-14T10:45:00", "last": "2026-01-14T12:15:00"}
PAST = {"start": "10:45:00", "end": "12:14:59", "first": "2026-01-07T10:45:00", "last": "2026-01-07T12:15:00"}
LATER = {"start": "20:00:00", "end": "20:59:59", "first": "2026-01-14T20:00:00", "last": "2026-01-14T21:00:00"}


def group(group_id, name, users=(), locks=(), schedules=()):
    """A group as ``groups`` reads it: platform user ids, lock ids, rows of ``schedule``."""
    return {
        "group_id": group_id,
        "name": name,
        "users": list(users),
        "locks": list(locks),
        "schedules": list(schedules),
    }


def ours(group_id, name, users=("p1",), locks=("k1",), **window):
    """A group of ours with one schedule, by default the window of ``booking(…)``."""
    return group(group_id, name, users, locks, [schedule(group_id, **(window or FITTING))])


def groups(found=()):
    counted = [
        {"group_id": g["group_id"], "name": g["name"], "user_count": len(g["users"]), "lock_count": len(g["locks"])}
        for g in found
    ]
    return Groups(
        groups=schemas.frame(schemas.SALTO_GROUPS, counted),
        users=schemas.frame(
            schemas.SALTO_GROUP_USERS,
            [{"group_id": g["group_id"], "platform_user_id": u} for g in found for u in g["users"]],
        ),
        locks=schemas.frame(
            schemas.SALTO_GROUP_LOCKS, [{"group_id": g["group_id"], "lock_id": k} for g in found for k in g["locks"]]
        ),
        schedules=schemas.frame(schemas.SALTO_SCHEDULES, [row for g in found for row in g["schedules"]]),
    )


def current(users=(), tags=(), locks=(), found=(), **changes):
    values = {
        "site_zone": ZONE,
        "seats": None,
        "seats_used": None,
        "own_platform_user_id": "own",
        "owner_platform_user_id": "owner",
        "users": schemas.frame(schemas.SALTO_USERS, users),
        "tags": schemas.frame(schemas.SALTO_TAGS, tags),
        "locks": schemas.frame(schemas.SALTO_LOCKS, locks),
        "groups": groups(found),
        "user_groups": user_groups_of({one["site_user_id"]: () for one in users}),
    }
    return Current(**(values | changes))


def user_groups_of(memberships):
    """What was read about users' access groups: group ids by site user id."""
    rows = [{"site_user_id": one, "group_id": g} for one, found in memberships.items() for g in (found or (None,))]
    return schemas.frame(schemas.SALTO_USER_GROUPS, rows)


def markers(have: Current) -> frozenset[str]:
    """Hector user ids of everyone with our marker: as if the sync had created them all."""
    aliases = have.users["alias"].dropna()
    return frozenset(aliases[aliases.str.startswith("hector:")].str.removeprefix("hector:"))


def desired(users=(), places=(), bookings=(), rules=RULES, *, people=None, as_of=NOW) -> Desired:
    hector = people or hector_people(users)
    return build_desired_state(
        hector, schemas.frame(schemas.HECTOR_PLACES, places), loaners(bookings), rules, as_of=as_of
    )


def plan(wanted: Desired, have: Current, rules=RULES, **options) -> Plan:
    options = {"created": markers(have)} | options
    return make_plan(wanted, have, rules, as_of=options.pop("as_of", NOW), **options)


def kinds(made: Plan) -> list[str]:
    return made.operations["kind"].tolist()


def moves(made: Plan, *columns: str) -> list[tuple]:
    """Operations as tuples of kind and the named columns, in the plan's order; nulls as None."""
    rows = made.operations[["kind", *columns]].astype("object")
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def codes(problems: pd.DataFrame) -> list[str]:
    return sorted(problems["code"])
