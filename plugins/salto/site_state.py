"""Reads a site, as the current state that plans are made from: all of it, or what can have changed since the last run.

Everything here is decided in ``hector_salto.access.read_cache``: which groups, people and doors have to be looked at.
"""

from __future__ import annotations

import functools
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.absence import HectorList, with_more_locks, with_more_site_users
from hector_salto.access.current import Current, Groups, groups_named_like_ours
from hector_salto.access.read_cache import (
    FEW,
    SMALL_GROUPS,
    SMALL_LOCKS,
    SMALL_TAGS,
    Remembered,
    Scope,
    complete_groups,
    elsewhere,
    replace_rows,
    tags_fit,
    with_counts,
)
from hector_salto.access.texts import few
from hector_salto.http_client.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from hector_salto.access.plan import Plan
    from salto.client import SaltoReader
    from salto.mapping import Fingerprinting
    from salto.models import OwnAccount, SaltoSite

LOG = logging.getLogger(__name__)
READ_THREADS = 8  # threads; the site's budget of requests is the real limit
TAG_KINDS = frozenset({"tag_on", "tag_off"})
TAG_UNKNOWN = "tag_unknown"
MAX_SEAT_ROUNDS = 3  # of reading whose seat may be given back
GONE_GROUP = "gone"  # stands for the groups of a user who is not there any more: no group of ours
NO_GROUPS = Groups(
    schemas.frame(schemas.SALTO_GROUPS, []),
    schemas.frame(schemas.SALTO_GROUP_USERS, []),
    schemas.frame(schemas.SALTO_GROUP_LOCKS, []),
    schemas.frame(schemas.SALTO_SCHEDULES, []),
)


def read_current(reader: SaltoReader, fingerprint: Fingerprinting, read_at: datetime | None = None) -> Current:
    """Users, tags, locks, and every group named like ours with its members, locks and schedules.

    Raises:
        RestError: when any of the reads is not complete; nothing may be decided then.
    """
    return LiveSiteState(reader, fingerprint, read_at=read_at).refresh_all()


@dataclass
class LiveSiteState:
    """One reading of a site for one plan.

    :param reader: the client.
    :param fingerprint: stands in for tag numbers.
    :param remembered: the site as the last run saw it; None: nothing is known of it.
    :param read_at: when the reading begins, aware.
    """

    reader: SaltoReader
    fingerprint: Fingerprinting
    cache: Remembered | None = None
    read_at: datetime | None = None
    _current: Current | None = None
    _groups: set[str] = field(default_factory=set)  # read in detail by this reading
    _users: set[str] | None = field(default_factory=set)  # site user ids read; None: the whole list
    _tags: set[str] | None = field(default_factory=set)  # tag ids read; None: the whole list
    _tags_counted: bool = False  # the tags were
    _seat_rounds: int = 0

    # --- where a reading begins -------------------------------------------------------------------------------------------

    def refresh_all(self) -> Current:
        """A full verification."""
        me, site = self._open_site()
        with ThreadPoolExecutor(READ_THREADS) as pool:
            users, tags = pool.submit(self.reader.users, self.fingerprint), pool.submit(self._all_tags)
            locks = pool.submit(self.reader.locks, site.zone)
            listed = groups_named_like_ours(self.reader.groups())
            groups = self._read_details(pool, listed)
            found = replace(_empty_state(me, site), users=users.result(), tags=tags.result(), locks=locks.result())
        self._users = None
        LOG.info("read in detail: all %d access groups", len(listed))
        return self._store(replace(found, groups=groups, verified_at=self._read_time()))

    def refresh_changed(self) -> Current:
        """All lists, and in detail what can have changed. The tags' list only when the users do not fit what is known."""
        remembered = self._require_cache()
        me, site = self._open_site()
        if site.site_id != remembered.current.site_id:
            return self.refresh_all()
        with ThreadPoolExecutor(READ_THREADS) as pool:
            users, locks = pool.submit(self.reader.users, self.fingerprint), pool.submit(self.reader.locks, site.zone)
            listed = groups_named_like_ours(self.reader.groups())
            small = len(listed) <= SMALL_GROUPS
            ids = listed["group_id"] if small else remembered.to_read(listed)
            read = self._read_details(pool, listed[listed["group_id"].isin(ids)])
            found = replace(_empty_state(me, site), users=users.result(), locks=locks.result())
        known = remembered.current.tags
        keep = len(known) > SMALL_TAGS and tags_fit(found.users, known)
        found = replace(found, tags=known if keep else self._all_tags())
        self._users = None
        whole = self._tags is None and len(read.groups) == len(listed)
        verified_at = self._read_time() if whole else remembered.current.verified_at
        groups = complete_groups(listed, read, remembered.current.groups)
        LOG.info(
            "read in detail: %d of %d access groups; all of the site last at %s",
            len(read.groups),
            len(listed),
            verified_at,
        )
        return self._store(replace(found, groups=groups, verified_at=verified_at))

    def refresh_scope(self, scope: Scope) -> Current:
        """What a few reservations need, everything else as it is remembered; all lists where the two cannot be distinguished."""
        remembered = self._require_cache()
        last = remembered.current
        me, site = self._open_site()
        if site.site_id != last.site_id:
            return self.refresh_all()
        with ThreadPoolExecutor(READ_THREADS) as pool:
            groups = [pool.submit(self.reader.groups_named, name) for name in scope.group_names]
            found_locks = pool.submit(self._locks_of, scope, site)
            users = self._users_of(pool, scope)
            locks = found_locks.result()
            if users is None or locks is None:
                return self.refresh_changed()
            theirs = last.tags["site_user_id"].isin(scope.site_user_ids)
            if not tags_fit(users, last.tags[theirs]):
                return self.refresh_changed()
            named = pd.concat([NO_GROUPS.groups, *(one.result() for one in groups)])
            listed = replace_rows(
                last.groups.groups[~last.groups.groups["name"].isin(scope.group_names)], named, "group_id", ()
            )
            stale = listed["group_id"].isin(remembered.to_read(listed)) & listed["name"].isin(scope.group_names)
            read = self._read_details(pool, listed[stale])
        found = replace(
            _empty_state(me, site),
            users=replace_rows(last.users, users, "site_user_id", scope.site_user_ids),
            tags=last.tags,
            locks=locks,
            groups=complete_groups(listed, read, last.groups),
            verified_at=last.verified_at,
        )
        LOG.info("read: %s, with their people and doors", few(scope.group_names))
        self._users = set(users["site_user_id"]) | set(scope.site_user_ids)
        return self._store(found)

    def refresh_groups(self) -> Current:
        """What the cleanup needs: groups and locks; no users, no tags."""
        me, site = self._open_site()
        known = self.cache if self.cache and self.cache.current.site_id == site.site_id else None
        with ThreadPoolExecutor(READ_THREADS) as pool:
            locks = pool.submit(self.reader.locks, site.zone)
            listed = groups_named_like_ours(self.reader.groups())
            ids = listed["group_id"] if known is None else known.to_read(listed)
            read = self._read_details(pool, listed[listed["group_id"].isin(ids)])
            found = replace(_empty_state(me, site), locks=locks.result())
        self._users, self._tags = None, None
        groups = complete_groups(listed, read, known.current.groups if known else NO_GROUPS)
        return self._store(replace(found, groups=groups))

    # --- what a plan asks for more ----------------------------------------------------------------------------------------

    def refresh_for_plan(self, made: Plan) -> Current | None:
        """The site, after reading what this plan would change and is only remembered; None: there is no such thing."""
        current = self._require_current()
        operations = pd.concat([made.operations, made.left], ignore_index=True)
        steps = (self._refresh_groups_for, self._refresh_users_for, self._refresh_tags_for)
        better = current
        for step in steps:
            better = step(better, operations)
        better = self._refresh_tags_if_counted(better, made.problems)
        better = self._read_seat_groups(better, made.seat_candidates)
        return None if better is current else self._store(better)

    # --- a second look ----------------------------------------------------------------------------------------------------

    def reread(self, listing: HectorList) -> tuple[Current, int]:
        """The site with what only a second read of this list shows, and how many entries those are."""
        current = self._require_current()
        if listing is HectorList.SITE_USERS:
            both, more = with_more_site_users(current, self.reader.users(self.fingerprint))
        else:
            both, more = with_more_locks(current, self.reader.locks(current.site_zone))
        return self._store(both), more

    def _refresh_groups_for(self, current: Current, operations: pd.DataFrame) -> Current:
        ids = set(operations["group_id"].dropna()) - self._groups
        if not ids:
            return current
        listed = current.groups.groups
        asked = listed[listed["group_id"].isin(ids)]
        with ThreadPoolExecutor(READ_THREADS) as pool:
            read = self._read_details(pool, asked)
        self._groups |= ids
        return replace(current, groups=complete_groups(listed, read, current.groups))

    def _refresh_users_for(self, current: Current, operations: pd.DataFrame) -> Current:
        if self._users is None:
            return current
        ids = set(operations["site_user_id"].dropna()) - self._users
        # A filter that minds letter case does not find a user whose email was typed in capitals: no user is made unseen.
        unseen = operations["kind"].eq("user_create").any()
        if not ids and not unseen:
            return current
        if unseen or len(ids) > FEW:
            self._users = None
            return replace(current, users=self.reader.users(self.fingerprint))
        self._users |= ids
        return replace(current, users=_reread_users(self.reader, self.fingerprint, current, ids))

    def _refresh_tags_for(self, current: Current, operations: pd.DataFrame) -> Current:
        if self._tags is None:
            return current
        ids = set(operations.loc[operations["kind"].isin(TAG_KINDS), "tag_id"].dropna()) - self._tags
        if not ids:
            return current
        if len(ids) > FEW:
            return replace(current, tags=self._all_tags())
        self._tags |= ids
        return replace(current, tags=_reread_tags(self.reader, self.fingerprint, current, ids))

    def _read_seat_groups(self, current: Current, candidates: Iterable[str]) -> Current:
        """Read the access groups of users who may be suspended: members of a group that is not ours keep their seat."""
        ids = sorted(set(candidates) - set(current.user_groups["site_user_id"]))
        if not ids or self._seat_rounds >= MAX_SEAT_ROUNDS:
            return current
        self._seat_rounds += 1
        with ThreadPoolExecutor(READ_THREADS) as pool:
            found = _concat(schemas.SALTO_USER_GROUPS, pool.map(self._groups_of, ids))
        return replace(current, user_groups=pd.concat([current.user_groups, found], ignore_index=True))

    def _groups_of(self, site_user_id: str) -> pd.DataFrame:
        found = _none_if_gone(functools.partial(self.reader.user_groups, site_user_id))
        gone = schemas.frame(schemas.SALTO_USER_GROUPS, [{"site_user_id": site_user_id, "group_id": GONE_GROUP}])
        return gone if found is None else found

    def _refresh_tags_if_counted(self, current: Current, problems: pd.DataFrame) -> Current:
        """A user's tag is unknown: a new one shows in the number of tags, without reading them all."""
        if self._tags is None or self._tags_counted or not problems["code"].eq(TAG_UNKNOWN).any():
            return current
        self._tags_counted = True
        known = self._require_cache().current.tags
        return current if self.reader.tag_count() == len(known) else replace(current, tags=self._all_tags())

    # --- pieces -----------------------------------------------------------------------------------------------------------

    def _open_site(self) -> tuple[OwnAccount, SaltoSite]:
        # Before anything long is read, and so that one thread looks the site up, not eight.
        site = self.reader.site
        return self.reader.require_site_admin(), site

    def _require_cache(self) -> Remembered:
        if self.cache is None:
            raise RuntimeError("nothing is remembered of this site")
        return self.cache

    def _require_current(self) -> Current:
        if self._current is None:
            raise RuntimeError("nothing was read yet")
        return self._current

    def _read_time(self) -> pd.Timestamp | None:
        return None if self.read_at is None else pd.Timestamp(self.read_at)

    def _store(self, current: Current) -> Current:
        """Keep what was read; which groups a user is in is asked once a reading, and those elsewhere are remembered."""
        if self._current is not None:
            known = self._current.user_groups
        elif self.cache is not None and current.verified_at == self.cache.current.verified_at:
            known = elsewhere(self.cache.current)
        else:
            known = current.user_groups
        if current.user_groups.empty:
            current = replace(current, user_groups=known)
        self._current = current
        return current

    def _all_tags(self) -> pd.DataFrame:
        self._tags = None
        return self.reader.tags(self.fingerprint)

    def _read_details(self, pool: ThreadPoolExecutor, groups: pd.DataFrame) -> Groups:
        self._groups |= set(groups["group_id"])
        return read_details(self.reader, pool, groups)

    def _locks_of(self, scope: Scope, site: SaltoSite) -> pd.DataFrame | None:
        """The site's locks, on a large site with the scope's alone read again; None: they are not those that were known.

        Zones are always read: a window in a zone that has changed opens the door at a wrong hour.
        """
        last = self._require_cache().current.locks
        if len(last) <= SMALL_LOCKS:
            return self.reader.locks(site.zone)
        zones = self.reader.zones()
        found = [self.reader.locks_named(name, site.zone, zones) for name in scope.lock_names]
        doors = pd.concat([schemas.frame(schemas.SALTO_LOCKS, []), *found], ignore_index=True)
        if not _is_same_locks(doors, last[last["name"].isin(scope.lock_names)]):
            return None
        return replace_rows(last, doors, "lock_id", ())

    def _users_of(self, pool: ThreadPoolExecutor, scope: Scope) -> pd.DataFrame | None:
        """The scope's users; None: a user is no longer where they were, so that only the list tells who is who."""
        ask = functools.partial(self.reader.user, fingerprint=self.fingerprint)
        known = [pool.submit(_none_if_gone, functools.partial(ask, one)) for one in scope.site_user_ids]
        new = [pool.submit(self.reader.users_with_email, email, self.fingerprint) for email in scope.emails]
        rows = [one.result() for one in known]
        if any(row is None for row in rows):
            return None
        found = _concat(schemas.SALTO_USERS, [*rows, *(one.result() for one in new)])
        return found if found["site_user_id"].is_unique else None


@dataclass(frozen=True)
class AppliedChanges:
    """What an application has sent, or may have.

    operations: OPERATIONS of these; groups: ids of the groups it made, by name; users: site user ids of the users it
    made, by Hector user id; schedules: SALTO_SCHEDULES of the groups it made, as they read back before they were armed.
    """

    operations: pd.DataFrame
    groups: Mapping[str, str]
    users: Mapping[str, str]
    schedules: pd.DataFrame


def read_after(reader: SaltoReader, fingerprint: Fingerprinting, before: Current, sent: AppliedChanges) -> Current:
    """The site after an application: what it has changed is read, everything else is as it was read before.

    Raises:
        RestError: when any of the reads is not complete.
    """
    if sent.operations.empty:
        return before
    people = sent.operations["group_name"].isna() & sent.operations["group_id"].isna()
    current = _groups_after(reader, before, sent)
    if people.any():
        current = _users_after(reader, fingerprint, current, sent, sent.operations[people])
    return current


def _groups_after(reader: SaltoReader, before: Current, sent: AppliedChanges) -> Current:
    kind, ids = sent.operations["kind"], sent.operations["group_id"]
    deleted = sorted(set(ids[kind.eq("group_delete")].dropna()))
    named = sorted(set(sent.operations.loc[kind.eq("group_create"), "group_name"]))
    with ThreadPoolExecutor(READ_THREADS) as pool:
        listed = _group_list_after(
            reader, pool, before.groups.groups, deleted, {name: sent.groups.get(name) for name in named}
        )
        new = set(listed["group_id"]) - set(before.groups.groups["group_id"])
        asked = listed[listed["group_id"].isin(new | set(ids.dropna()))]
        read = with_counts(read_details(reader, pool, asked, sent.schedules))
    return replace(
        before, groups=complete_groups(replace_rows(listed, read.groups, "group_id", ()), read, before.groups)
    )


def _group_list_after(
    reader: SaltoReader,
    pool: ThreadPoolExecutor,
    known: pd.DataFrame,
    deleted: list[str],
    made: Mapping[str, str | None],
) -> pd.DataFrame:
    """The groups (SALTO_GROUPS) without those that have gone, with those that came; ``made`` None: its id is unknown."""
    unsure = [name for name, group_id in made.items() if group_id is None]
    if len(deleted) + len(unsure) > FEW:
        return groups_named_like_ours(reader.groups())
    there = dict(zip(deleted, pool.map(reader.has_group, deleted), strict=True))
    gone = [group_id for group_id, is_there in there.items() if not is_there]
    rows = [
        {"group_id": group_id, "name": name, "user_count": 0, "lock_count": 0}
        for name, group_id in made.items()
        if group_id is not None
    ]
    new = [schemas.frame(schemas.SALTO_GROUPS, rows), *pool.map(reader.groups_named, unsure)]
    return pd.concat([known[~known["group_id"].isin(gone)], *new]).drop_duplicates("group_id", ignore_index=True)


def _users_after(
    reader: SaltoReader, fingerprint: Fingerprinting, current: Current, sent: AppliedChanges, operations: pd.DataFrame
) -> Current:
    kind, ids = operations["kind"], set(operations["site_user_id"].dropna()) | set(sent.users.values())
    unsure = set(operations.loc[kind.eq("user_create"), "user_id"]) - set(sent.users)
    freed = current.tags["site_user_id"].isin(operations.loc[kind.eq("user_delete"), "site_user_id"])
    tags = set(operations["tag_id"].dropna()) | set(current.tags.loc[freed, "tag_id"])
    site = reader.site
    return replace(
        current,
        seats=site.seats,
        seats_used=site.seats_used,
        users=reader.users(fingerprint)
        if unsure or len(ids) > FEW
        else _reread_users(reader, fingerprint, current, ids),
        tags=reader.tags(fingerprint) if len(tags) > FEW else _reread_tags(reader, fingerprint, current, tags),
    )


def _reread_users(reader: SaltoReader, fingerprint: Fingerprinting, current: Current, ids: set[str]) -> pd.DataFrame:
    rows = [_none_if_gone(functools.partial(reader.user, one, fingerprint)) for one in sorted(ids)]
    return replace_rows(current.users, _concat(schemas.SALTO_USERS, rows), "site_user_id", ids)


def _reread_tags(reader: SaltoReader, fingerprint: Fingerprinting, current: Current, ids: set[str]) -> pd.DataFrame:
    rows = [_none_if_gone(functools.partial(reader.tag, one, fingerprint)) for one in sorted(ids)]
    return replace_rows(current.tags, _concat(schemas.SALTO_TAGS, rows), "tag_id", ids)


def read_details(
    reader: SaltoReader, pool: ThreadPoolExecutor, groups: pd.DataFrame, schedules: pd.DataFrame | None = None
) -> Groups:
    """Members, locks and schedules of these groups (SALTO_GROUPS).

    Args:
        reader: the client.
        pool: threads to read with.
        groups: which.
        schedules: SALTO_SCHEDULES that are known already; their groups are not asked for them.
    """
    ids = groups["group_id"].tolist()
    known = schemas.frame(schemas.SALTO_SCHEDULES, []) if schedules is None else schedules
    known = known[known["group_id"].isin(ids)]
    told = set(known["group_id"])
    return Groups(
        groups=groups.reset_index(drop=True),
        users=_concat(schemas.SALTO_GROUP_USERS, pool.map(reader.group_users, ids)),
        locks=_concat(schemas.SALTO_GROUP_LOCKS, pool.map(reader.group_locks, ids)),
        schedules=_concat(
            schemas.SALTO_SCHEDULES, [known, *pool.map(reader.schedules, [one for one in ids if one not in told])]
        ),
    )


def _none_if_gone(read: Callable[[], pd.DataFrame]) -> pd.DataFrame | None:
    """None: there is no such thing any more."""
    try:
        return read()
    except NotFoundError:
        return None


def _concat(schema: schemas.Schema, tables: Iterable[pd.DataFrame | None]) -> pd.DataFrame:
    return pd.concat([schemas.frame(schema, []), *(one for one in tables if one is not None)], ignore_index=True)


def _is_same_locks(found: pd.DataFrame, known: pd.DataFrame) -> bool:
    """Whether doors are those that were known, at the same IQ: another name is another door."""
    columns = ["lock_id", "name", "iq_id"]
    return (
        found[columns]
        .sort_values("lock_id")
        .reset_index(drop=True)
        .equals(known[columns].sort_values("lock_id").reset_index(drop=True))
    )


def _empty_state(me: OwnAccount, site: SaltoSite) -> Current:
    return Current(
        site_name=site.name,
        site_id=site.site_id,
        site_zone=site.zone,
        seats=site.seats,
        seats_used=site.seats_used,
        own_platform_user_id=me.platform_user_id,
        owner_platform_user_id=site.owner_platform_user_id,
        users=schemas.frame(schemas.SALTO_USERS, []),
        tags=schemas.frame(schemas.SALTO_TAGS, []),
        locks=schemas.frame(schemas.SALTO_LOCKS, []),
        groups=NO_GROUPS,
    )
