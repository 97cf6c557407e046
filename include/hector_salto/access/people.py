"""Who the Hector users are, which of them may toggle office mode, and which Salto user stands for each.

Rules: design section 4, "People" and "Office mode"; guide, "Users & Locks" and "Groups/Departments who can toggle".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.addresses import addresses
from hector_salto.access.frame_lookup import is_in
from hector_salto.access.problems import problems
from hector_salto.access.settings import MARKER_PREFIX
from hector_salto.access.texts import comparable, few, fold_all, one_line, plain_all

if TYPE_CHECKING:
    from hector_salto.access.settings import AccessRules, OfficeMode

ACTIVE = "active"
LONGEST_NAME = 100  # names are labels; how many letters Salto takes is not documented
DEPARTED = frozenset({"disabled", "archived"})  # no longer part of Hector, as is who is absent (hector_api.md)


@dataclass(frozen=True)
class HectorPeople:
    """Hector's users with groups and departments (schemas HECTOR_USERS, _USER_GROUPS, _GROUPS, _DEPARTMENTS)."""

    users: pd.DataFrame
    user_groups: pd.DataFrame
    groups: pd.DataFrame
    departments: pd.DataFrame


# --- Hector's side ----------------------------------------------------------------------------------------------------


def select_desired_users(people: HectorPeople, rules: AccessRules) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Active users with an email of their own.

    Returns:
        ``people`` (DESIRED_PEOPLE), ``frozen`` (columns user_id, email: users who share an email; neither is touched),
        ``problems`` (PROBLEMS).
    """
    users = people.users.assign(email=fold_all(people.users["email"]), address=addresses(people.users["email"]))
    users = active_users(users)
    users = users.assign(code_shared=users["tag"].notna() & users.duplicated("tag", keep=False))
    sharing = users[users["code_shared"]]  # also those without an email: the code is as ambiguous through them
    users = users[users["email"].notna()]
    email_shared = users.duplicated("email", keep=False)
    # Columns before rows: pandas lets a column that is longer than an empty table bring back the rows left out.
    chosen = users.assign(
        first_name=_name(users, "first_name", "email"),
        last_name=_name(users, "last_name", None),
        tag_conflict=users["code_shared"],
        office_mode=may_toggle_office_mode(users, people, rules.office_mode),
    )[~email_shared]
    found = [
        problems("email_twice", _with_others(users[email_shared], "email")),
        problems("user_status_unknown", of_unknown_status(people.users)),
        problems("code_twice", _with_others(sharing, "tag")),
        problems("office_group_unknown", unknown_office_names(people, rules.office_mode)),
    ]
    desired = schemas.validate(schemas.DESIRED_PEOPLE, chosen[list(schemas.DESIRED_PEOPLE.columns)])
    return desired, users.loc[email_shared, ["user_id", "email"]].reset_index(drop=True), pd.concat(found)


def active_users(users: pd.DataFrame) -> pd.DataFrame:
    """Those of HECTOR_USERS who may have access."""
    return users[users["status"].str.strip().str.lower().eq(ACTIVE)]


def of_unknown_status(users: pd.DataFrame) -> pd.DataFrame:
    """They get no access, as users who are not active; but Hector does not say that they left, so nothing is deleted."""
    status = users["status"].str.strip().str.lower()
    return users[~status.isin({ACTIVE, *DEPARTED})]


def _name(users: pd.DataFrame, column: str, fallback: str | None) -> pd.Series:
    """Salto wants both names filled; a nameless account is called by the local part of its email, or a dash."""
    names = plain_all(users[column])
    odd = names.str.contains(r"[\x00-\x1f\x7f-\x9f]", regex=True).fillna(value=False).astype("bool")
    if odd.any():
        names = names.mask(odd, names[odd].map(one_line))
    blank = names.isna() | names.eq("")
    spare = users.loc[blank, fallback].str.split("@").str[0] if fallback else "-"
    return (names.mask(blank, spare) if blank.any() else names).str.slice(0, LONGEST_NAME)


def _with_others(users: pd.DataFrame, shared: str) -> pd.DataFrame:
    """One row for all who share: that of the lowest id, whatever order Hector lists its users in."""
    if users.empty:
        return users
    ordered = users.sort_values("user_id")
    names = ordered.groupby(shared)["user_id"].agg(lambda ids: few(list(ids))).rename("others")
    return ordered.join(names, on=shared).drop_duplicates(shared)


def may_toggle_office_mode(users: pd.DataFrame, people: HectorPeople, office: OfficeMode) -> pd.Series:
    """True for users who match; with ``match: all`` each non-empty list must match, both empty match no user."""
    in_group = is_in(users["user_id"], _members_of(people, office.groups))
    department = users["department_id"].map(fold_all(people.departments.set_index("department_id")["name"]))
    in_department = department.isin([comparable(name) for name in office.departments])
    tests = [test for test, names in ((in_group, office.groups), (in_department, office.departments)) if names]
    if not tests:
        return pd.Series(data=False, index=users.index)
    matched = pd.concat(tests, axis=1)
    return matched.all(axis=1) if office.match == "all" else matched.any(axis=1)


def _members_of(people: HectorPeople, names: tuple[str, ...]) -> pd.Series:
    """User ids in the named groups, directly or through the groups those are the alias of."""
    wanted = people.groups["group_id"][fold_all(people.groups["name"]).isin([comparable(name) for name in names])]
    reached = set(wanted)
    while True:  # an alias may itself have an alias; each round adds the groups that point at those reached
        pointing = people.groups.loc[people.groups["alias_of"].isin(reached), "group_id"]
        if reached.issuperset(pointing):
            break
        reached.update(pointing)
    return people.user_groups.loc[people.user_groups["group_id"].isin(reached), "user_id"]


def unknown_office_names(people: HectorPeople, office: OfficeMode) -> pd.DataFrame:
    """Return the groups and departments of office_mode that Hector does not have (columns what, name)."""
    known = {"group": people.groups["name"], "department": people.departments["name"]}
    asked = {"group": office.groups, "department": office.departments}
    missing = [
        {"what": what, "name": name}
        for what, names in asked.items()
        for name in names
        if comparable(name) not in set(fold_all(known[what]).dropna())
    ]
    return pd.DataFrame(missing, columns=["what", "name"])


# --- Salto's side -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProtectedUsers:
    """Who in Salto is never changed, apart from roles: the sync's own account, the owner, protected emails."""

    own_platform_user_id: str
    owner_platform_user_id: str | None
    emails: frozenset[str] = frozenset()


def salto_people(users: pd.DataFrame, untouchable: ProtectedUsers) -> pd.DataFrame:
    """SALTO_USERS with ``email`` folded, ``marker`` (the Hector user id in the alias, null if none), ``no_alias`` and
    ``protected`` (never touched: design section 4).

    A user without any role yet, and without our marker, is one whom Salto does not describe well enough: left alone.
    """
    alias = users["alias"].astype("str").str.strip().where(users["alias"].notna())
    marker = alias.str.removeprefix(MARKER_PREFIX).where(
        alias.str.startswith(MARKER_PREFIX).fillna(value=False).astype("bool")
    )
    email = fold_all(users["email"])
    never = {untouchable.own_platform_user_id, untouchable.owner_platform_user_id}
    return users.assign(
        email=email,
        marker=marker.where(marker.ne("")),
        no_alias=alias.isna() | alias.eq(""),
        protected=users["above_site_user"]
        | users["pod_or_guest"]
        | users["blocked"]  # blocked manually in Salto
        | users["platform_user_id"].isin(never)
        | email.isin([comparable(address) for address in untouchable.emails])
        | (users["role_codes"].eq("") & marker.isna()),
    )


def match_users(desired: pd.DataFrame, salto: pd.DataFrame, departed: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The Salto user of each desired person: by marker first (it survives a change of email), then by email.

    Args:
        desired: DESIRED_PEOPLE.
        salto: from ``salto_people``.
        departed: Hector user ids in markers that are no longer part of Hector; their Salto user may be taken over by
            the user who has the same email now (a user registered anew).

    Returns:
        ``people``: the desired rows, left-joined with the Salto user's columns (prefix ``salto_`` for email, tag and
        office_mode), and ``ours`` (bool), ``adopt`` (bool: set the marker), ``usable`` (bool: false when Salto's data
        contradict each other, so nothing of this person may be decided);
        ``problems``.
    """
    columns = {"email": "salto_email", "tag": "salto_tag", "office_mode": "salto_office_mode"}
    users = salto.rename(columns=columns).assign(free=salto["no_alias"] | is_in(salto["marker"], departed))
    by_marker = users[users["marker"].notna()].drop_duplicates("marker", keep=False)
    marked = desired.merge(by_marker, how="left", left_on="user_id", right_on="marker")
    by_email = users[users["salto_email"].notna() & ~is_in(users["site_user_id"], _giving_up_email(marked, users))]
    by_email = by_email.drop_duplicates("salto_email", keep=False)
    emailed = desired.merge(by_email, how="left", left_on="email", right_on="salto_email")
    found_by_marker = marked["site_user_id"].notna()
    people = marked.where(found_by_marker, emailed)
    people = _bool(
        people,
        [
            *("salto_office_mode", "blocked", "protected", "free", "has_profile"),
            "managed_here",
            "no_alias",
            "opens_without_tag",
        ],
    )
    ours = people["marker"].eq(people["user_id"]) & people["site_user_id"].notna()
    adopt = people["site_user_id"].notna() & ~ours & people["free"] & ~people["protected"]
    doubles = _doubles(desired, users)
    foreign = people["site_user_id"].notna() & ~ours & ~adopt & people["marker"].notna() & ~people["protected"]
    people = people.assign(
        ours=(ours | adopt) & ~people["protected"],
        adopt=adopt,
        usable=~is_in(desired["user_id"], doubles["user_id"]) & ~foreign,
    )
    clash = people.assign(holder="Salto user " + people["site_user_id"])[foreign]
    return people, pd.concat([problems("salto_user_twice", doubles), problems("email_held", clash)])


def _giving_up_email(marked: pd.DataFrame, users: pd.DataFrame) -> pd.Series:
    """Site users of ours whose email changes in this run: the old one is free for the user who has it in Hector now."""
    can = marked["has_profile"].eq(other=False) & marked["managed_here"].eq(other=True)
    can &= marked["protected"].eq(other=False) & marked["address"].notna()
    changed = marked[can & marked["salto_email"].ne(marked["email"])]
    return changed.loc[~is_in(changed["email"], users["salto_email"]), "site_user_id"]


def _bool(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table.assign(**{name: table[name].eq(other=True).fillna(value=False).astype("bool") for name in columns})


def _doubles(desired: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """Desired people for whom two Salto users carry one marker, or two carry one email."""
    by_marker, by_email = _counts_of_repeats(users["marker"]), _counts_of_repeats(users["salto_email"])
    counts = pd.concat([desired["user_id"].map(by_marker), desired["email"].map(by_email)], axis=1).max(axis=1)
    return desired.assign(count=counts.fillna(0).astype("int64")).query("count > 1")


def _counts_of_repeats(texts: pd.Series) -> pd.Series:
    """How often each text stands there that stands there more than once."""
    return texts[texts.duplicated(keep=False)].value_counts()
