"""Hector's data: lists, the place attribute, names of groups, emails, statuses."""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import TYPE_CHECKING

from hector.reports import HectorReportsReader
from hector_salto.access.addresses import addresses
from hector_salto.access.people import active_users, of_unknown_status, unknown_office_names
from hector_salto.access.places import place_locks
from hector_salto.access.statuses import STATUSES, canonical_status
from hector_salto.access.texts import few, fold_all
from hector_salto.doctor.finding import holds, judged

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.subject import Subject


def look(subject: Subject) -> Iterator[Finding]:
    people, places = subject.people, subject.places
    span = subject.now, subject.now + timedelta(days=subject.integration.horizon_days)
    loaners = subject.hector.reader.loaners(*span)
    counts = f"{len(people.users)} users, {len(places)} places, {len(loaners.reservations)} reservations of the horizon"
    yield holds("hector-lists", counts + _unmapped(subject))
    yield judged(
        "hector-attribute",
        subject.hector.reader.has_lock_attribute(),
        "asked for by key and name",
        "none: the first sync makes it",
        matters=False,
    )
    yield _locks(places, subject.locks)
    yield _office(subject)
    yield _emails(people.users)
    yield _statuses(people.users, loaners.reservations)


def _unmapped(subject: Subject) -> str:
    """Return which columns of reports are not read; empty with Hector's API."""
    reader = subject.hector.reader
    reports = reader.used if isinstance(reader, HectorReportsReader) else ()
    return "".join(
        f"; columns of {one.file} that are not mapped: {few(one.unmapped)}" for one in reports if one.unmapped
    )


def _locks(places: pd.DataFrame, locks: pd.DataFrame) -> Finding:
    active = places[places["active"]]
    named = active[fold_all(active["lock_name"]).notna()]
    right = named["place_id"].isin(place_locks(active, locks)[0]["place_id"])
    wrong = named[~right]
    near = [_nearest(str(row["lock_name"]), list(locks["name"])) for row in wrong.to_dict("records")]
    lines = [f"{place} ({near_one})" for place, near_one in zip(wrong["name"], near, strict=True)]
    seen = f"{int(right.sum())} of {len(named)} named locks are on the site; {len(active) - len(named)} of {len(active)} places name none"
    step = (
        f"correct Salto Lock Id of {few(lines)}"
        if lines
        else "enter the locks' names in the place attribute Salto Lock Id"
    )
    return judged("hector-locks", 0 < int(right.sum()) == len(named), seen, step)


def _nearest(wanted: str, names: list[str]) -> str:
    close = difflib.get_close_matches(wanted, names, n=1)
    return f"names {wanted!r}, " + (f"nearest is {close[0]!r}" if close else "nothing is like it")


def _office(subject: Subject) -> Finding:
    people, office = subject.people, subject.integration.rules().office_mode
    asked = len(office.groups) + len(office.departments)
    missing = unknown_office_names(people, office)
    known = {"group": list(people.groups["name"]), "department": list(people.departments["name"])}
    lines = [f"{row['what']} {_nearest(row['name'], known[row['what']])}" for row in missing.to_dict("records")]
    seen = f"{asked - len(missing)} of {asked} exist" if asked else "none is named: office mode is for no user"
    return judged("hector-office", missing.empty, seen, f"correct office_mode, or make in Hector: {few(lines)}")


def _emails(users: pd.DataFrame) -> Finding:
    active = active_users(users)
    folded = fold_all(active["email"])
    without, twice = active[folded.isna()], active[folded.notna() & folded.duplicated(keep=False)]
    odd = active[folded.notna() & addresses(active["email"]).isna()]
    seen = f"{len(active)} active users: {len(without)} without email, {len(odd)} with none that is an address, {len(twice)} share one"
    ids = few(sorted({*without["user_id"], *odd["user_id"], *twice["user_id"]}))
    wrong = len(without) + len(odd) + len(twice) > 0
    return judged("hector-emails", not wrong, seen, f"correct these users in Hector: {ids}", matters=False)


def _statuses(users: pd.DataFrame, reservations: pd.DataFrame) -> Finding:
    of_users = set(of_unknown_status(users)["status"].str.strip().str.lower())
    of_loaners = set(canonical_status(reservations["status"])) - STATUSES
    odd = sorted({str(one) for one in of_users | of_loaners})
    seen = "all known" if not odd else f"unknown: {few(odd)}"
    return judged("hector-status", not odd, seen, "report these statuses: they grant no access until they are known")
