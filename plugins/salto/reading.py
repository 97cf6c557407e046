"""One complete read of a site, as the current state that plans are made from."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pandas as pd

from include.access import schemas
from include.access.current import Current, Groups, named_like_ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from salto.models import Me
    from salto.reader import SaltoReader
    from salto.rows import Fingerprinting

READERS = 8  # threads; the site's budget of requests is the real limit


def current_state(reader: SaltoReader, fingerprint: Fingerprinting) -> Current:
    """Users, tags, locks, and every group named like ours with its members, locks and schedules.

    Raises:
        RestError: when any of the reads is not complete; nothing may be decided then.
    """
    # Before anything long is read, and so that one thread looks the site up, not eight.
    me = reader.require_site_admin()
    with ThreadPoolExecutor(READERS) as pool:
        users, tags = pool.submit(reader.users, fingerprint), pool.submit(reader.tags, fingerprint)
        return _current(reader, me, pool, users, tags)


def current_groups(reader: SaltoReader) -> Current:
    """What the cleanup needs: groups and locks; no users, no tags."""
    me = reader.require_site_admin()
    with ThreadPoolExecutor(READERS) as pool:
        users = pool.submit(schemas.frame, schemas.SALTO_USERS, [])
        tags = pool.submit(schemas.frame, schemas.SALTO_TAGS, [])
        return _current(reader, me, pool, users, tags)


def _current(
    reader: SaltoReader, me: Me, pool: ThreadPoolExecutor, users: Future[pd.DataFrame], tags: Future[pd.DataFrame]
) -> Current:
    site = reader.site
    locks = pool.submit(reader.locks, site.zone)
    groups = named_like_ours(reader.groups())
    ids = groups["group_id"].tolist()
    return Current(
        site_name=site.name,
        site_zone=site.zone,
        seats=site.seats,
        seats_used=site.seats_used,
        own_platform_user_id=me.platform_user_id,
        owner_platform_user_id=site.owner_platform_user_id,
        users=users.result(),
        tags=tags.result(),
        locks=locks.result(),
        groups=Groups(
            groups=groups,
            users=_each(pool, reader.group_users, ids, schemas.SALTO_GROUP_USERS),
            locks=_each(pool, reader.group_locks, ids, schemas.SALTO_GROUP_LOCKS),
            schedules=_each(pool, reader.schedules, ids, schemas.SALTO_SCHEDULES),
        ),
    )


def _each(
    pool: ThreadPoolExecutor,
    read: Callable[[str], pd.DataFrame],
    ids: list[str],
    schema: schemas.Schema,
) -> pd.DataFrame:
    return pd.concat([schemas.frame(schema, []), *pool.map(read, ids)], ignore_index=True)
