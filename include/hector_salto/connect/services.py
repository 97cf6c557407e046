"""Both services as the answers so far reach them: what a question asks of them to check an answer or to offer choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hector.hook import HectorHook
from hector.report_errors import ReportMissingError, file_info
from hector.report_files import read_report, sample_report
from hector.reports import LOANERS, report_columns
from hector.reports_hook import HectorReportsHook
from hector_salto.access.people import active_users
from hector_salto.connect import report_proposal
from hector_salto.http_client.fingerprint import no_fingerprint
from hector_salto.http_client.timing import WITHOUT_RETRIES
from salto.hook import SaltoHook

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hector.client import HectorReader
    from hector.report_files import ReportSample
    from hector.report_sources import ReportFile, ReportSource
    from hector.reports import HectorReportsReader
    from hector_salto.access.people import HectorPeople
    from hector_salto.connect.draft import Draft
    from salto.payloads import ListedSite


# Which answers another answer makes anew: what they were asked with.
OF_SALTO = frozenset({"environment", "salto_url", "identity_url", "client_id", "client_secret", "username"})
OF_SALTO |= {"user_password", "name"}
OF_SOURCE = frozenset({"source", "reports_host", "mailbox_login", "mailbox_password", "mailbox_sender", "name"})
OF_HECTOR = OF_SOURCE | {"hector_url", "hector_token", "reports_timezone", "date_format", "statuses", "max_age_hours"}
FILES, COLUMNS = ({f"{kind}_{what}" for kind in report_proposal.HEADINGS} for what in ("file", "columns"))
OF_HECTOR |= FILES | COLUMNS
CACHED = {
    "salto": OF_SALTO,
    "sites": OF_SALTO,
    "zones": OF_SALTO | {"site_id"},
    "source": OF_SOURCE,
    # Asked again where a report is: it may have been made anew meanwhile.
    "patterns": OF_SOURCE | FILES,
    "_samples": OF_SOURCE | COLUMNS,
    "reader": OF_HECTOR,
    "people": OF_HECTOR,
    "_active": OF_HECTOR,
    "unknown_statuses": OF_HECTOR,
}


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
        later.__dict__ |= {
            name: self.__dict__[name] for name, of in CACHED.items() if name in self.__dict__ and key not in of
        }
        return later

    @cached_property
    def salto(self) -> SaltoHook:
        return SaltoHook.of_connection(self._draft.salto_connection(), timing=WITHOUT_RETRIES)

    @cached_property
    def sites(self) -> list[ListedSite]:
        return self.salto.sites()

    @cached_property
    def reader(self) -> HectorReader | HectorReportsReader:
        """Hector as it will be read; of reports once all three are mapped."""
        if self._draft.is_of_reports:
            return self._reports_reader()
        return HectorHook.of_connection(self._draft.hector_connection(), timing=WITHOUT_RETRIES).reader

    @cached_property
    def people(self) -> HectorPeople:
        return self.reader.users(no_fingerprint)

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

    @cached_property
    def zones(self) -> list[Option]:
        """Return the zones of the site's locks, the most usual first, then the site's own."""
        reader = self.salto.reader(self._draft.get("site_id"))
        found = [str(zone) for zone in reader.locks(reader.site.zone)["zone"].dropna().value_counts().index]
        return [Option(zone, zone) for zone in dict.fromkeys([*found, reader.site.zone, "UTC"]) if zone]

    # --- reports ------------------------------------------------------------------------------------------------------

    @cached_property
    def source(self) -> ReportSource:
        return HectorReportsHook.of_connection(self._draft.hector_connection()).source

    @cached_property
    def patterns(self) -> list[str]:
        return report_proposal.patterns_of(self.source.names())

    def file_choices(self) -> list[Option]:
        return [Option(pattern, pattern) for pattern in self.patterns]

    def newest(self, kind: str) -> ReportFile:
        """Return the newest file of a kind.

        Raises:
            ReportMissingError: there is none.
        """
        pattern = str(self._draft.get(f"{kind}_file"))
        file = self.source.newest([pattern]).get(pattern)
        if file is None:
            raise ReportMissingError(file_info(self._draft.hector_conn_id, pattern), f"is not in {self.source.address}")
        return file

    def sample(self, kind: str) -> ReportSample:
        """Return headings and first rows of the newest file of a kind."""
        key = kind, str(self._draft.get(f"{kind}_file"))
        if key not in self._samples:
            file = self.newest(kind)
            exchange = file_info(self._draft.hector_conn_id, file.name)
            self._samples[key] = sample_report(file.load(), report_proposal.likely_headings(kind), exchange)
        return self._samples[key]

    def require_report(self, kind: str) -> None:
        """Read the newest file of a kind by the columns that were chosen.

        Raises:
            RestError: when it cannot be read so.
        """
        file, columns = self.newest(kind), self._draft.columns(kind)
        read_report(file.load(), report_columns(kind, columns), file_info(self._draft.hector_conn_id, file.name))

    @cached_property
    def unknown_statuses(self) -> list[str]:
        """Return the names of statuses that reports show and no code is known for."""
        return self._reports_reader(statuses={}).unknown_statuses()

    def date_texts(self) -> tuple[str, ...]:
        """Return the first start times as the report of loaners shows them."""
        heading = self._draft.columns(LOANERS).get("start", "")
        return self.sample(LOANERS).columns.get(heading, ())

    def _reports_reader(self, **changes: Mapping[str, str]) -> HectorReportsReader:
        fields = self._draft.report_fields(**changes)
        return HectorReportsHook.of_connection(self._draft.hector_connection(), fields).reader

    @cached_property
    def _samples(self) -> dict[tuple[str, str], ReportSample]:
        return {}

    @cached_property
    def _active(self) -> pd.DataFrame:
        return active_users(self.people.users)


def _counted(rows: pd.DataFrame, key: str, counts: pd.Series) -> list[Option]:
    named = rows.sort_values("name")
    return [
        Option(str(row["name"]), f"{row['name']} ({int(counts.get(row[key], 0))} active users)")
        for row in named.to_dict("records")
    ]
