"""The questions about Hector's reports: where the files are, and which of their columns is what; proposed from a sample."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hector.report_errors import ReportContentError, ReportLayoutError
from hector.reports import LOANERS, PLACES, USERS
from hector_salto.access.texts import few
from hector_salto.connect.question import (
    Fault,
    Kind,
    MappingRow,
    SetupQuestion,
    field_check,
    number_check,
    zone_question,
)
from hector_salto.connect.report_proposal import propose_columns, propose_date_format, propose_file, propose_status
from hector_salto.connect.services import Option
from hector_salto.http_client.errors import CredentialsError, RestError
from hector_salto.report_fields import KNOWN_STATUSES, WEEK, LoanerColumns, PlaceColumns, UserColumns

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.services import Services

REPORT_COLUMNS: dict[str, type[BaseModel]] = {USERS: UserColumns, PLACES: PlaceColumns, LOANERS: LoanerColumns}
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)  # all rows are read, whatever the span


def _source(draft: Draft, services: Services) -> Fault | None:
    """Open the folder, bucket or mailbox: what a mail server refuses is answered anew where it was typed."""
    place = "mailbox_sender" if draft.is_of_mailbox else "reports_host"
    try:
        patterns = services.patterns
    except CredentialsError as error:
        return Fault("mailbox_login", str(error))
    except RestError as error:
        return Fault("reports_host", str(error))
    if patterns:
        return None
    step = "have the three reports made and sent once, then go on"
    return Fault(place, f"{services.source.address} has no report yet (.xlsx or .csv): {step}")


def _folder(draft: Draft, services: Services) -> Fault | None:
    return None if draft.is_of_mailbox else _source(draft, services)


def _columns(kind: str) -> Callable[[Draft, Services], Fault | None]:
    key = f"{kind}_columns"

    def check(draft: Draft, services: Services) -> Fault | None:
        chosen = draft.columns(kind)
        missing = [row.shown for row in _column_rows(kind)(services) if row.required and row.key not in chosen]
        if missing:
            return Fault(key, f"choose a column for {few(missing)}, or have the report made again with it")
        doubled = sorted({one for one in chosen.values() if list(chosen.values()).count(one) > 1})
        if doubled:
            return Fault(key, f"{few(doubled)} can stand for one thing only")
        services.require_report(kind)
        return None

    return check


def _column_rows(kind: str) -> Callable[[Services], list[MappingRow]]:
    fields = REPORT_COLUMNS[kind].model_fields
    return lambda _services: [
        MappingRow(name, name.replace("_", " "), one.is_required()) for name, one in fields.items()
    ]


def _times(draft: Draft, services: Services) -> Fault | None:
    """Read the report of loaners with its times; an error of its columns is answered anew there."""
    if (fault := field_check("date_format", ("hector_reports", "date_format"))(draft, services)) is not None:
        return fault
    try:
        services.reader.loaners(EARLIEST, EARLIEST)
    except ReportLayoutError as error:
        return Fault("loaners_columns", str(error))
    except ReportContentError as error:
        return Fault("date_format", str(error))
    return None


def _age(draft: Draft, services: Services) -> Fault | None:
    """Read all reports as the sync will."""
    allowed = f"give whole hours, 1 to {WEEK}"
    path = ("hector_reports", "max_age_hours")
    if (fault := number_check("max_age_hours", path, allowed)(draft, services)) is not None:
        return fault
    services.reader.environment()
    services.reader.places()
    return None if not services.people.users.empty else Fault("users_file", "the report of users has no user")


def _reports(draft: Draft) -> bool:
    return draft.is_of_reports


def _mailbox(draft: Draft) -> bool:
    return draft.is_of_mailbox


def _report_questions(kind: str) -> tuple[SetupQuestion, SetupQuestion]:
    """Return the two questions about one report: which file, and which of its columns is what."""
    return (
        SetupQuestion(
            f"{kind}_file",
            f"Which file is the report of {kind}? (* is what changes)",
            Kind.CHOICE,
            choices=lambda services: services.file_choices(),
            proposal=lambda services: propose_file(kind, services.patterns),
            check=field_check(f"{kind}_file", ("hector_reports", kind, "file")),
            needed=_reports,
            asked_of="reports_host",
        ),
        SetupQuestion(
            f"{kind}_columns",
            f"Columns of the report of {kind}",
            Kind.MAPPING,
            choices=lambda services: [Option(one, one) for one in services.sample(kind).headings],
            rows=_column_rows(kind),
            proposal=lambda services: propose_columns(kind, services.sample(kind)),
            check=_columns(kind),
            needed=_reports,
            asked_of=f"{kind}_file",
        ),
    )


LOCATION = (
    SetupQuestion(
        "reports_host",
        "Reports: a folder (file:///srv/reports), a bucket (s3://connection@bucket/folder), or a mailbox (imaps://server)",
        check=_folder,
        needed=_reports,
    ),
    SetupQuestion("mailbox_login", "Mailbox: login", needed=_mailbox),
    SetupQuestion("mailbox_password", "Mailbox: password", Kind.SECRET, needed=_mailbox),
    SetupQuestion(
        "mailbox_sender", "Mailbox: address from which Hector sends the reports", check=_source, needed=_mailbox
    ),
)
COLUMNS = (
    zone_question(
        "reports_timezone", "Time zone of the times in the reports", ("hector_reports", "timezone"), needed=_reports
    ),
    *_report_questions(USERS),
    *_report_questions(PLACES),
    *_report_questions(LOANERS),
    SetupQuestion(
        "date_format",
        "How times are written that are text in the report of loaners, such as %Y-%m-%d %H:%M",
        proposal=lambda services: propose_date_format(services.date_texts()),
        check=_times,
        needed=_reports,
    ),
    SetupQuestion(
        "statuses",
        "What the statuses of the reports mean (open: they open no door)",
        Kind.MAPPING,
        choices=lambda _services: [Option(one, one) for one in sorted(KNOWN_STATUSES)],
        rows=lambda services: [MappingRow(one, one) for one in services.unknown_statuses],
        proposal=lambda services: {one: propose_status(one) for one in services.unknown_statuses},
        needed=_reports,
    ),
    SetupQuestion(
        "max_age_hours",
        "Hours after which a report is too old: the sync then changes nothing",
        default="26",
        check=_age,
        needed=_reports,
    ),
)
