"""What can be wrong with a report file, sorted by what the reader must do; each ends the run with nothing written."""

from __future__ import annotations

from hector_salto.http_client.errors import (
    ConfigurationError,
    IncompleteReadError,
    MalformedAnswerError,
    RequestInfo,
    UnavailableError,
)

FILE = "file"  # stands in errors where a request has its method


def file_info(connection: str, name: str) -> RequestInfo:
    """Return what errors name: the connection, and a file or the pattern of its name."""
    return RequestInfo("Hector's reports", connection, FILE, name)


class ReportLayoutError(ConfigurationError):
    """The columns are not those of the integration file: correct one of the two."""

    step = "correct hector_reports in the integration file, or the columns of this report in Hector"


class ReportContentError(MalformedAnswerError):
    """The file, or a row of it, cannot be read: have the report made again."""

    step = "correct that row in Hector, then have the report made again"


class ReportMissingError(UnavailableError):
    """There is no file, or only an old one: check the subscription."""

    step = "check the report's subscription in Hector, then run again"


class ReportShrunkError(IncompleteReadError):
    """The file shows much less than the last one: check the filter and role of the report's recipient."""

    step = (
        "check the report's filter and its recipient's role in Hector; when the file is right, raise "
        "hector_reports.shrink in the integration file for one run"
    )
