"""Report files as rows of cells: ``.xlsx`` and ``.csv``, with titles above the heading, merged cells and totals below.

Pure: bytes in, rows out. A file that leaves a doubt is an error, because half of it would take access away.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from hector.report_errors import ReportContentError, ReportLayoutError
from hector_salto.access.texts import comparable, few, one_line, plain
from hector_salto.http_client.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from openpyxl.cell.cell import Cell as SheetCell
    from openpyxl.worksheet.worksheet import Worksheet

    from hector_salto.http_client.errors import RequestInfo

Cell = str | int | float | datetime | None

SEPARATORS = (",", ";", "\t", "|")
MAX_BYTES = 256 << 20  # of a workbook once unpacked
MAX_ROWS = 200_000
EXACT_DIGITS = 15  # a spreadsheet keeps no more of a number
SERIALS_SINCE = datetime(1899, 12, 30)  # noqa: DTZ001 - day 0 of a spreadsheet, a wall-clock time as all of its dates are
NO_REPORT_STEP = "choose Excel (.xlsx) or CSV as the report's format in Hector, then have it made again"
TOTAL_WORDS = re.compile(r"((grand |sub-?)?totals?|sum|count|somme|nombre|sous-total|gesamt|summe)\b.*", re.DOTALL)
NUMBER = re.compile(r"[-+]?[\d\s.,\u00a0\u202f]*\d%?")
FEWEST_HEADINGS = 2  # a line of fewer texts is a title
SAMPLE_ROWS = 50
TEXT_START = 4096  # bytes that show an encoding


class Damaged(str):
    """A cell that holds a spreadsheet's own error, such as #REF!."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ReportColumns:
    """Which columns are read.

    Attributes:
        headings: of each field, as the integration file names them.
        key: the field without which a row is none.
        required: the fields that no row may lack.
        skip_without_key: whether a row without key is left out; otherwise it is an error.
    """

    headings: Mapping[str, str]
    key: str
    required: frozenset[str] = frozenset()
    skip_without_key: bool = False


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row.

    Attributes:
        number: as a spreadsheet shows it; the first is 1.
        cells: by field.
    """

    number: int
    cells: Mapping[str, Cell]

    def __repr__(self) -> str:
        return f"ReportRow(number={self.number}, cells=***)"


@dataclass(frozen=True, slots=True)
class ReportTable:
    """The rows of a file.

    Attributes:
        rows: those with a key.
        without_key: how many were left out.
        serials_since: day 0 of dates that are numbers.
        unmapped: headings of columns that are not read.
    """

    rows: tuple[ReportRow, ...]
    without_key: int = 0
    serials_since: datetime = SERIALS_SINCE
    unmapped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: Sequence[Cell]

    @property
    def is_blank(self) -> bool:
        return all(map(_is_blank, self.cells))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One sheet; ``aligned``: a cell beyond the heading shows that a row's cells are out of place."""

    lines: Sequence[_Line]
    aligned: bool = False
    serials_since: datetime = SERIALS_SINCE


@dataclass(frozen=True, slots=True)
class _Heading:
    """Where the heading is (an index into the lines), and each field's column."""

    index: int
    positions: Mapping[str, int]


def read_report(content: bytes, columns: ReportColumns, exchange: RequestInfo) -> ReportTable:
    """Return the rows of a file.

    Args:
        content: all of the file.
        columns: the columns that are read.
        exchange: names connection and file in errors.

    Raises:
        ReportLayoutError: a column is missing, or two have its name.
        ReportContentError: the file is no report, or a row cannot be read.
    """
    sheets = _sheets(content, columns, exchange)
    found = [(sheet, _heading(sheet.lines, columns)) for sheet in sheets]
    sheet, heading = next(((one, at) for one, at in found if at is not None), (None, None))
    if sheet is None or heading is None:
        raise _error_for_missing(sheets, columns, exchange)
    _refuse_twice(sheet.lines[heading.index], columns, exchange)
    return _table(sheet, heading, columns, exchange)


def _sheets(content: bytes, columns: ReportColumns, exchange: RequestInfo) -> list[_Sheet]:
    packed = zipfile.is_zipfile(io.BytesIO(content))
    return _workbook(content, exchange) if packed else [_csv(content, columns, exchange)]


@dataclass(frozen=True, slots=True)
class ReportSample:
    """What a file shows to a user who maps its columns.

    Attributes:
        headings: as the file has them, in their order.
        columns: the first cells below each heading, as texts.
    """

    headings: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]

    def __repr__(self) -> str:
        return f"ReportSample(headings={self.headings}, columns=***)"


def sample_report(content: bytes, names: Collection[str], exchange: RequestInfo) -> ReportSample:
    """Return the headings and the first rows of a file whose columns are not mapped yet.

    Args:
        content: all of the file.
        names: which headings are likely; the line with most of them is the heading, else the first with most texts.
        exchange: names connection and file in errors.

    Raises:
        ReportContentError: the file is no report, or has no line of headings.
    """
    likely = ReportColumns({name: name for name in names}, key="")
    sheets = _sheets(content, likely, exchange)
    folded = {_fold(name) for name in names}
    lines = [(sheet, index) for sheet in sheets for index in range(len(sheet.lines))]
    sheet, index = max(lines, key=lambda one: _likeness(one[0].lines[one[1]], folded), default=(None, 0))
    if sheet is None or _likeness(sheet.lines[index], folded)[1] < FEWEST_HEADINGS:
        raise ReportContentError(exchange, "has no line of headings", NO_REPORT_STEP)
    return _sample(sheet, index)


def _likeness(line: _Line, folded: set[str]) -> tuple[int, int]:
    texts = {_fold(cell) for cell in line.cells} - {""}
    return len(texts & folded), len(texts)


def _sample(sheet: _Sheet, index: int) -> ReportSample:
    places: dict[str, int] = {}
    for at, cell in enumerate(sheet.lines[index].cells):
        if isinstance(cell, str) and plain(cell):
            places.setdefault(one_line(cell), at)
    body = sheet.lines[index + 1 : index + 1 + SAMPLE_ROWS]
    columns = {
        name: tuple(text for line in body if at < len(line.cells) and (text := text_of(line.cells[at])))
        for name, at in places.items()
    }
    return ReportSample(tuple(places), columns)


# --- the heading ------------------------------------------------------------------------------------------------------


def _fold(cell: Cell) -> str:
    return comparable(" ".join(cell.split())) if isinstance(cell, str) else ""


def _heading(lines: Sequence[_Line], columns: ReportColumns) -> _Heading | None:
    """Return the first line that holds all names; None: no line does."""
    wanted = {field: _fold(name) for field, name in columns.headings.items()}
    for index, line in enumerate(lines):
        texts = [_fold(cell) for cell in line.cells]
        if set(wanted.values()) <= set(texts):
            return _Heading(index, {field: texts.index(name) for field, name in wanted.items()})
    return None


def _refuse_twice(line: _Line, columns: ReportColumns, exchange: RequestInfo) -> None:
    texts = [_fold(cell) for cell in line.cells]
    doubled = [name for name in dict.fromkeys(columns.headings.values()) if texts.count(_fold(name)) > 1]
    if doubled:
        step = "give one of them another name in Hector, or leave it out of the report"
        raise ReportLayoutError(exchange, f"has two columns named {few(doubled)} in row {line.number}", step)


def _error_for_missing(sheets: Sequence[_Sheet], columns: ReportColumns, exchange: RequestInfo) -> ReportLayoutError:
    """Name the columns that the nearest line lacks."""
    names = {_fold(name): name for name in columns.headings.values()}
    lines = [{_fold(cell) for cell in line.cells} & set(names) for sheet in sheets for line in sheet.lines]
    nearest = max(lines, key=len, default=set())
    missing = [name for folded, name in names.items() if folded not in nearest]
    return ReportLayoutError(exchange, f"has no column named {few(missing)}")


# --- the rows ---------------------------------------------------------------------------------------------------------


def _table(sheet: _Sheet, heading: _Heading, columns: ReportColumns, exchange: RequestInfo) -> ReportTable:
    top = sheet.lines[heading.index]
    body = [line for line in sheet.lines[heading.index + 1 :] if not line.is_blank and not _repeats(line, top)]
    while body and _is_total(body[-1], heading, columns):
        body.pop()
    rows, without_key = [], 0
    for line in body:
        row = ReportRow(line.number, _cells(line, heading))
        if _is_blank(row.cells[columns.key]) and columns.skip_without_key:
            without_key += 1
            continue
        _require_readable(row, columns, exchange)
        if sheet.aligned and not all(map(_is_blank, line.cells[len(top.cells) :])):
            raise ReportContentError(exchange, f"has more cells in row {line.number} than its heading")
        rows.append(row)
    return ReportTable(tuple(rows), without_key, sheet.serials_since, _unmapped(top, columns))


def _unmapped(top: _Line, columns: ReportColumns) -> tuple[str, ...]:
    mapped = {_fold(name) for name in columns.headings.values()}
    return tuple(plain(cell) for cell in top.cells if isinstance(cell, str) and _fold(cell) not in {"", *mapped})


def _cells(line: _Line, heading: _Heading) -> dict[str, Cell]:
    return {field: line.cells[at] if at < len(line.cells) else None for field, at in heading.positions.items()}


def _require_readable(row: ReportRow, columns: ReportColumns, exchange: RequestInfo) -> None:
    for field in columns.headings:
        cell, name = row.cells[field], columns.headings[field]
        if isinstance(cell, Damaged):
            raise ReportContentError(exchange, f"has an error of the spreadsheet in row {row.number}, column {name}")
        if _is_blank(cell) and field in {columns.key, *columns.required}:
            raise ReportContentError(exchange, f"has no {name} in row {row.number}")


def _repeats(line: _Line, top: _Line) -> bool:
    """Return whether a line is the heading once more, as below a merged one or on each printed page."""
    return [_fold(cell) for cell in line.cells] == [_fold(cell) for cell in top.cells]


def _is_total(line: _Line, heading: _Heading, columns: ReportColumns) -> bool:
    """Return whether a last line sums up: without key it holds numbers only, or it begins with a word such as Total."""
    cells = _cells(line, heading)
    filled = {field for field, cell in cells.items() if not _is_blank(cell)}
    first = next(cell for cell in line.cells if not _is_blank(cell))
    named = isinstance(first, str) and TOTAL_WORDS.fullmatch(_fold(first)) is not None
    if columns.key not in filled:
        return named or all(_is_number(cells[field]) for field in filled)
    others_are_numbers = all(_is_number(cells[field]) for field in filled - {columns.key})
    return named and cells[columns.key] == first and (others_are_numbers or not columns.required <= filled)


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) or (isinstance(cell, str) and NUMBER.fullmatch(plain(cell)) is not None)


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not plain(cell))


# --- .xlsx ------------------------------------------------------------------------------------------------------------


def _workbook(content: bytes, exchange: RequestInfo) -> list[_Sheet]:
    """Return the visible sheets of a workbook."""
    try:
        import openpyxl  # noqa: PLC0415 - takes a while, and only reports need it
    except ImportError:
        step = "install the extra: pip install hector-salto[reports]"
        raise ConfigurationError(exchange, "needs the package openpyxl, which is not installed", step) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            too_large = sum(part.file_size for part in packed.infolist()) > MAX_BYTES
        book = None if too_large else openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    except Exception as error:  # noqa: BLE001 - whatever its XML makes of it
        what = f"cannot be read as a workbook ({type(error).__name__})"
        raise ReportContentError(exchange, what, "have the report made again") from None
    if book is None:
        raise ReportContentError(exchange, f"holds more than {MAX_BYTES >> 20} MB", "narrow the report in Hector")
    since = book.epoch
    return [
        _Sheet(_sheet_lines(sheet, exchange), False, since)
        for sheet in book.worksheets
        if sheet.sheet_state == "visible"
    ]


def _sheet_lines(sheet: Worksheet, exchange: RequestInfo) -> list[_Line]:
    """Return the lines of a sheet; a merged cell fills its first column downwards."""
    if sheet.max_row > MAX_ROWS:
        raise ReportContentError(exchange, f"has more than {MAX_ROWS:,} rows", "narrow the report in Hector")
    grid = [[_sheet_cell(cell) for cell in row] for row in sheet.iter_rows()]
    for merged in sheet.merged_cells.ranges:
        for row in range(merged.min_row, merged.max_row):
            grid[row][merged.min_col - 1] = grid[merged.min_row - 1][merged.min_col - 1]
    return [_Line(number, cells) for number, cells in enumerate(grid, start=1)]


def _sheet_cell(cell: SheetCell | Any) -> Cell:  # noqa: ANN401 - openpyxl has a class of its own for merged cells
    value: object = cell.value
    if value is None or isinstance(value, datetime):
        return value
    if getattr(cell, "data_type", "") == "e":
        return Damaged(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a wall-clock time
    if isinstance(value, int | float) and not isinstance(value, bool):
        zeros = str(cell.number_format)  # a format of zeros shows a number with the zeros before it
        return (
            str(value).zfill(len(zeros)) if set(zeros) == {"0"} and zeros != "0" and isinstance(value, int) else value
        )
    return str(value)


# --- .csv -------------------------------------------------------------------------------------------------------------


def _csv(content: bytes, columns: ReportColumns, exchange: RequestInfo) -> _Sheet:
    """Return the lines of a text file, by the separator with which its heading shows most of the names."""
    text = _decode(content, exchange)
    wanted = {_fold(name) for name in columns.headings.values()}

    def fit(separator: str) -> tuple[int, int]:
        rows = _loose_rows(text, separator)
        return max(((len(wanted & {_fold(cell) for cell in row}), len(row)) for row in rows), default=(0, 0))

    separator = max(SEPARATORS, key=fit)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return _Sheet(list(_csv_lines(rows, exchange)), aligned=True)


def _loose_rows(text: str, separator: str) -> Iterator[list[str]]:
    """Yield rows as far as a separator that may be the wrong one gives any."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        yield from rows
    except csv.Error:
        return


def _csv_lines(rows: Any, exchange: RequestInfo) -> Iterator[_Line]:  # noqa: ANN401 - csv's reader has no public type
    start = 1
    try:
        for cells in rows:
            yield _Line(start, [cell or None for cell in cells])
            start = rows.line_num + 1
    except csv.Error:
        raise ReportContentError(exchange, f"cannot be read in row {start}") from None


def _decode(content: bytes, exchange: RequestInfo) -> str:
    """Return the text of a file in one of the encodings that reports have."""
    start = content[:TEXT_START]
    if start.startswith(b"PK"):
        raise ReportContentError(exchange, "is a workbook of which a part is missing", "have the report made again")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in start:
        encodings = ["utf-16-le"] if start[1:2] == b"\0" else ["utf-16-be"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.strip() and "\0" not in text and not text.lstrip().startswith("<"):
            return text
    raise ReportContentError(exchange, "is no .xlsx and no text", NO_REPORT_STEP)


# --- cells as texts ---------------------------------------------------------------------------------------------------


def text_of(cell: Cell) -> str:
    """Return a cell as text: a whole number as its digits, one with more digits than a spreadsheet keeps as it shows it.

    Such a number is damaged; written with its exponent it is reported as that, and fits nothing.
    """
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 10**EXACT_DIGITS:
        cell = int(cell)
    if isinstance(cell, int | float) and abs(cell) >= 10**EXACT_DIGITS:
        return f"{cell:.14E}"
    return "" if cell is None else plain(str(cell))
