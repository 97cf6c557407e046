"""The reading client of one site: it has no method that changes anything, and its transport sends nothing but GET."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from hector_salto.access import schemas
from hector_salto.access.texts import comparable, fold_all
from hector_salto.access.windows import normalize_zone
from hector_salto.http_client.addresses import query
from hector_salto.http_client.errors import AccountNotActiveError, MalformedAnswerError, NotFoundError
from hector_salto.http_client.fingerprint import no_fingerprint
from hector_salto.http_client.service_response import validate_payload
from salto import mapping, payloads, sites
from salto.errors import ACTIVATE_STEP
from salto.events import read_events
from salto.models import FoundUser, OwnAccount, SaltoSite
from salto.pages import count_entries, quote_literal, read_all
from salto.versions import site_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hector_salto.http_client.clock_skew import ClockReading
    from hector_salto.http_client.transport import Transport

_SITE_USER = TypeAdapter(payloads.SiteUser)
_TAG = TypeAdapter(payloads.Tag)
_GROUP = TypeAdapter(payloads.NamedGroup)
_SEARCHED_USERS = TypeAdapter(list[payloads.SearchedUser])


class SaltoReader:
    """Reads one site: each list complete, or an error.

    :param site: UUID, site UID or name; looked up on first use.
    :param site_id: UUID that ``site`` was found to mean before, which saves looking through the account's sites.
    """

    def __init__(self, transport: Transport, version: str, site: str, site_id: str | None = None) -> None:
        self._transport = transport
        self._version = version
        self._site_name = site
        self._known_site_id = site_id

    @cached_property
    def site(self) -> SaltoSite:
        if self._known_site_id is not None:
            known = sites.recheck_site(self._transport, self._version, self._site_name, self._known_site_id)
            if known is not None:
                return known
            self._known_site_id = None  # another site is meant now: no path may name the old one
        return self.resolve_site(self._site_name)

    @property
    def site_id(self) -> str:
        return self._known_site_id or self.site.site_id

    def clock(self) -> ClockReading:
        """Return how Salto's clock compares with this machine's, after at least one answer."""
        _ = self.site
        return self._transport.clock

    def resolve_site(self, site: str) -> SaltoSite:
        return sites.resolve_site(self._transport, self._version, site)

    def own_account(self) -> OwnAccount:
        found = self._transport.read(self._path("me"), _SITE_USER)
        return OwnAccount(found.id, found.user.id, mapping.role_codes(found.roles))

    def require_site_admin(self) -> OwnAccount:
        """The own account, which may change the site.

        Raises:
            NotActiveError: when it may not.
        """
        me = self.own_account()
        if mapping.ADMIN_ROLES.isdisjoint(me.role_codes):
            exchange = self._transport.service.request_info("GET", self._path("me"))
            raise AccountNotActiveError(exchange, "shows that the account is not Site Admin", ACTIVATE_STEP)
        return me

    def roles(self) -> dict[str, str]:
        """Role ids by code, of the roles that the account may give."""
        found = read_all(self._transport, self._path("roles"), payloads.Role)
        return {role.code: role.id for role in found if role.code}

    def users(self, fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        return self._user_frame(read_all(self._transport, self._path("users"), payloads.SiteUser), fingerprint)

    def tags(self, fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        tags = read_all(self._transport, self._path("tags"), payloads.Tag)
        return schemas.frame(schemas.SALTO_TAGS, (mapping.tag_row(tag, fingerprint) for tag in tags))

    def tag(self, tag_id: str, fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        """One tag as a table of one row."""
        tag = self._transport.read(self._path("tags", tag_id), _TAG)
        return schemas.frame(schemas.SALTO_TAGS, [mapping.tag_row(tag, fingerprint)])

    def tag_count(self) -> int | None:
        """How many tags the site has; None: Salto does not say."""
        return count_entries(self._transport, self._path("tags"))

    def locks(self, site_zone: str) -> pd.DataFrame:
        locks = read_all(self._transport, self._path("locks"), payloads.Lock)
        zones = self.zones()
        return schemas.frame(schemas.SALTO_LOCKS, (mapping.lock_row(lock, zones, site_zone) for lock in locks))

    def zones(self) -> dict[str, str | None]:
        """Return the time zone of each IQ by its id, unknown ones as Salto shows them."""
        return {iq.id: normalize_zone(iq.time_zone) for iq in read_all(self._transport, self._path("iqs"), payloads.Iq)}

    def locks_named(self, name: str, site_zone: str, zones: Mapping[str, str | None]) -> pd.DataFrame:
        """Locks of exactly this name: there can be several.

        Args:
            zones: of the site's IQs, by id.
        """
        where = f"customer_reference eq {quote_literal(name)}"
        found = read_all(self._transport, self._path("locks"), payloads.Lock, where)
        locks = [lock for lock in found if lock.customer_reference == name]
        return schemas.frame(schemas.SALTO_LOCKS, (mapping.lock_row(lock, zones, site_zone) for lock in locks))

    def groups(self) -> pd.DataFrame:
        return self._group_frame(read_all(self._transport, self._path("access_groups"), payloads.AccessGroup))

    def has_group(self, group_id: str) -> bool:
        try:
            self._transport.read(self._path("access_groups", group_id), _GROUP)
        except NotFoundError:
            return False
        return True

    def group_users(self, group_id: str) -> pd.DataFrame:
        users = read_all(self._transport, self._path("access_groups", group_id, "users"), payloads.SaltoRecord)
        members = ({"group_id": group_id, "platform_user_id": user.id} for user in users)
        return schemas.frame(schemas.SALTO_GROUP_USERS, members)

    def group_locks(self, group_id: str) -> pd.DataFrame:
        locks = read_all(self._transport, self._path("access_groups", group_id, "locks"), payloads.SaltoRecord)
        members = ({"group_id": group_id, "lock_id": lock.id} for lock in locks)
        return schemas.frame(schemas.SALTO_GROUP_LOCKS, members)

    def schedules(self, group_id: str) -> pd.DataFrame:
        return schemas.frame(schemas.SALTO_SCHEDULES, self.schedule_rows(group_id))

    def schedule_rows(self, group_id: str) -> list[mapping.Row]:
        """The same as plain rows: one group has one schedule, and a table of it costs more than the request."""
        path = self._path("access_groups", group_id, "time_schedules")
        found = read_all(self._transport, path, payloads.TimeSchedule)
        return [mapping.schedule_row(group_id, schedule) for schedule in found]

    def events(self, since: datetime, fingerprint: mapping.Fingerprinting = no_fingerprint) -> pd.DataFrame:
        """What the doors reported since a moment (DOOR_EVENTS)."""
        path = self._path("entries")
        where = f"utc_date_time ge DateTime'{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}'"
        exchange = self._transport.service.request_info("GET", path)
        found = read_events(self._transport, path, where)
        return schemas.frame(schemas.DOOR_EVENTS, (mapping.event_row(event, exchange, fingerprint) for event in found))

    def user(self, site_user_id: str, fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        """One site user as a table of one row."""
        return self._user_frame([self._transport.read(self._path("users", site_user_id), _SITE_USER)], fingerprint)

    def user_groups(self, site_user_id: str) -> pd.DataFrame:
        """Return the access groups of one site user (SALTO_USER_GROUPS); a member of none is one row without a group."""
        found = read_all(self._transport, self._path("users", site_user_id, "access_groups"), payloads.SaltoRecord)
        groups: list[str | None] = [group.id for group in found]
        groups = groups or [None]
        return schemas.frame(
            schemas.SALTO_USER_GROUPS, ({"site_user_id": site_user_id, "group_id": one} for one in groups)
        )

    def users_with_email(self, email: str, fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        """Site users with this email, as far as Salto's own filter finds them: it may mind letter case."""
        where = f"user/email eq {quote_literal(email.strip())}"
        found = read_all(self._transport, self._path("users"), payloads.SiteUser, where)
        return self._user_frame([user for user in found if is_same_email(user.user.email, email)], fingerprint)

    def users_of_email(self, email: str, fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        """Site users with this email in any letter case: looked up, else looked for in the whole list."""
        found = self.users_with_email(email, fingerprint)
        if len(found):
            return found
        users = self.users(fingerprint)
        return users[fold_all(users["email"]).eq(comparable(email))].reset_index(drop=True)

    def groups_named(self, name: str) -> pd.DataFrame:
        """Access groups of exactly this name: there can be several."""
        where = f"customer_reference eq {quote_literal(name)}"
        found = read_all(self._transport, self._path("access_groups"), payloads.AccessGroup, where)
        return self._group_frame([group for group in found if group.customer_reference == name])

    def search_platform_users(self, email: str) -> list[FoundUser]:
        """Whom the platform finds by an email, each once: it may hide the email, and users of other sites."""
        path = f"/{self._version}/users/search"
        asked = query({"search_for": email.strip(), "for_site_id": self.site_id})
        try:
            exchange, value = self._transport.get(self._transport.url(path, asked))
        except NotFoundError:
            return []
        found = [one.user or one for one in validate_payload(exchange, _SEARCHED_USERS, _search_items(value))]
        shown = {one.id: is_same_email(one.email, email) for one in found if one.email is not None}
        hidden = {one.id: False for one in found if one.email is None}
        return [FoundUser(*one) for one in (hidden | {key: same for key, same in shown.items() if same}).items()]

    def _path(self, *segments: str) -> str:
        return site_path(self._version, self.site_id, *segments)

    def _user_frame(self, users: list[payloads.SiteUser], fingerprint: mapping.Fingerprinting) -> pd.DataFrame:
        if len({user.user.id for user in users}) < len(users):
            exchange = self._transport.service.request_info("GET", self._path("users"))
            raise MalformedAnswerError(exchange, "gives one person twice, as two users of the site")
        return schemas.frame(schemas.SALTO_USERS, (mapping.user_row(user, fingerprint) for user in users))

    @staticmethod
    def _group_frame(groups: list[payloads.AccessGroup]) -> pd.DataFrame:
        return schemas.frame(schemas.SALTO_GROUPS, map(mapping.group_row, groups))


def is_same_email(email: str | None, other: str) -> bool:
    return email is not None and comparable(email) == comparable(other)


def _search_items(value: object) -> object:
    """The items of a search, whose shape is not documented: a list, an envelope, one object, or nothing."""
    if isinstance(value, dict) and "items" in value:
        return value["items"]
    if isinstance(value, dict):
        return [value] if value else []
    return [] if value is None else value
