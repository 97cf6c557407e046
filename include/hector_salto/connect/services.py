"""Both services as the answers so far reach them: what a question asks of them to check an answer or to offer choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hector.hook import HectorHook
from hector_salto.access.people import active_users
from hector_salto.http_client.fingerprint import no_fingerprint
from hector_salto.http_client.timing import WITHOUT_RETRIES
from salto.hook import SaltoHook

if TYPE_CHECKING:
    import pandas as pd

    from hector_salto.access.people import HectorPeople
    from hector_salto.connect.draft import Draft
    from salto.payloads import ListedSite


REACHING = frozenset(
    {"name", "hector_url", "hector_token", "environment", "salto_url", "identity_url"}
    | {"client_id", "client_secret", "username", "user_password"}
)


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose: what the answer holds, and what is shown."""

    value: str
    shown: str


class Services:
    """The services of one draft; each is asked once for what it does not change meanwhile."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def after(self, key: str, draft: Draft) -> Services:
        """Return the services once a question was answered: an answer about a connection reaches another one."""
        later = Services(draft)
        if key not in REACHING:
            later.__dict__ |= {name: value for name, value in self.__dict__.items() if name != "_draft"}
        return later

    @cached_property
    def hector(self) -> HectorHook:
        return HectorHook.of_connection(self._draft.hector_connection(), timing=WITHOUT_RETRIES)

    @cached_property
    def salto(self) -> SaltoHook:
        return SaltoHook.of_connection(self._draft.salto_connection(), timing=WITHOUT_RETRIES)

    @cached_property
    def sites(self) -> list[ListedSite]:
        return self.salto.sites()

    @cached_property
    def people(self) -> HectorPeople:
        return self.hector.reader.users(no_fingerprint)

    def site_choices(self) -> list[Option]:
        named = sorted(self.sites, key=lambda site: site.customer_reference.casefold())
        return [Option(site.site_uid, f"{site.customer_reference} ({site.site_uid})") for site in named]

    def group_choices(self) -> list[Option]:
        """Return Hector's official groups, each with how many active users it has."""
        groups = self.people.groups
        official = groups[groups["official"]] if groups["official"].any() else groups
        members = self.people.user_groups.merge(self._active[["user_id"]], on="user_id")
        counts = members["group_id"].value_counts()
        for row in groups[groups["alias_of"].notna()].to_dict("records"):
            counts[row["alias_of"]] = counts.get(row["alias_of"], 0) + counts.get(row["group_id"], 0)
        return _counted(official, "group_id", counts)

    def department_choices(self) -> list[Option]:
        return _counted(self.people.departments, "department_id", self._active["department_id"].value_counts())

    def zones(self) -> list[Option]:
        """Return the zones of the site's locks, the most usual first, then the site's own."""
        reader = self.salto.reader(self._draft.get("site_id"))
        found = [str(zone) for zone in reader.locks(reader.site.zone)["zone"].dropna().value_counts().index]
        return [Option(zone, zone) for zone in dict.fromkeys([*found, reader.site.zone, "UTC"]) if zone]

    @cached_property
    def _active(self) -> pd.DataFrame:
        return active_users(self.people.users)


def _counted(rows: pd.DataFrame, key: str, counts: pd.Series) -> list[Option]:
    named = rows.sort_values("name")
    return [
        Option(str(row["name"]), f"{row['name']} ({int(counts.get(row[key], 0))} active users)")
        for row in named.to_dict("records")
    ]
