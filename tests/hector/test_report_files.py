"""Report files as people make them: titles, merged cells, totals, separators, encodings; and files that are wrong."""

from __future__ import annotations

import io
from datetime import datetime

import openpyxl
import pytest

from hector.report_errors import ReportContentError, ReportLayoutError, file_info
from hector.report_files import ReportColumns, read_report, text_of
from hector_salto.http_client.tag_numbers import tag_shape

HEADINGS = {"reference": "Number", "start": "Start", "place": "Resources"}
COLUMNS = ReportColumns(HEADINGS, key="reference", required=frozenset({"start"}))
INFO = file_info("hector_campus", "Loaners.xlsx")
START = datetime(2026, 1, 14, 10, 15)  # noqa: DTZ001


def workbook(rows, merge=(), change=None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cells in merge:
        book.active.merge_cells(cells)
    if change:
        change(book)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def read(content, columns=COLUMNS):
    table = read_report(content, columns, INFO)
    return [(row.number, *row.cells.values()) for row in table.rows]


def test_titles_and_blank_rows_above_the_heading_are_skipped():
    content = workbook([["Loaners of the week"], [], ["Start", " number ", "RESOURCES"], [START, 10452, "Studio 204"]])

    assert read(content) == [(4, 10452, START, "Studio 204")]


def test_merged_cells_are_filled_downwards():
    rows = [["Number", "Start", "Resources"], [10452, START, "Studio 204"], [None, None, "Studio 205"]]

    assert read(workbook(rows, ["A2:A3", "B2:B3"])) == [
        (2, 10452, START, "Studio 204"),
        (3, 10452, START, "Studio 205"),
    ]


def test_a_heading_merged_over_two_rows_is_one():
    rows = [["Number", "Start", "Resources"], [], [10452, START, "Studio 204"]]

    assert read(workbook(rows, ["A1:A2", "B1:B2", "C1:C2"])) == [(3, 10452, START, "Studio 204")]


@pytest.mark.parametrize(
    "total",
    [["Total"], ["Total: 2", None, None], [None, None, 2], ["Grand Total", None, "2"], ["Somme", "", "2 lignes"]],
)
def test_totals_below_are_left_out(total):
    rows = [["Number", "Start", "Resources"], [10452, START, "Studio 204"], [], total]

    assert len(read(workbook(rows))) == 1


@pytest.mark.parametrize("last", [[None, None, "Studio 205"], [None, START, "Studio 205"], [10453, None, "Studio 205"]])
def test_a_last_row_that_is_no_total_is_never_left_out(last):
    content = workbook([["Number", "Start", "Resources"], [10452, START, "Studio 204"], last])

    with pytest.raises(ReportContentError, match=r"has no (Number|Start) in row 3"):
        read(content)


def test_a_row_in_the_middle_without_key_is_an_error_or_left_out():
    content = workbook([["Number", "Start", "Resources"], [None, START, "x"], [10452, START, "y"]])

    with pytest.raises(
        ReportContentError, match=r"hector_campus.*Loaners.xlsx has no Number in row 2: correct that row"
    ):
        read(content)
    table = read_report(content, ReportColumns(HEADINGS, "reference", skip_without_key=True), INFO)
    assert (len(table.rows), table.without_key) == (1, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_text_files_of_every_encoding_and_separator(encoding, separator):
    lines = ["Réservations", '"Number"|Start|Resources', '10452|2026-01-14 10:15|"Café, Salle;\n2"', "Total|1|"]
    content = "\r\n".join(line.replace("|", separator) for line in lines).encode(encoding)

    assert read(content) == [(3, "10452", "2026-01-14 10:15", "Café, Salle;\n2")]


def test_numbers_of_rows_count_lines_of_a_text_file():
    content = b'Number,Start,Resources\n1,a,"x\ny"\n,b,z\n4,c,d\n'

    with pytest.raises(ReportContentError, match="row 4"):
        read(content)


WRONG = {
    "missing": (
        b"Number,Begin,Resources\n1,2,3\n",
        ReportLayoutError,
        "has no column named Start: correct hector_reports",
    ),
    "twice": (b"Number,Start,Start,Resources\n1,2,3,4\n", ReportLayoutError, "two columns named Start in row 1"),
    "shifted": (b"Number,Start,Resources\n1,a,b,c\n", ReportContentError, "more cells in row 2"),
    "quotes": (b'Number,Start,Resources\n1,a,"b" c\n', ReportContentError, "cannot be read in row 2"),
    "short": (b"Number,Start,Resources\n1\n", ReportContentError, "has no Start in row 2"),
    "empty": (b"", ReportContentError, "no .xlsx and no text: choose Excel"),
    "xls": (b"\xd0\xcf\x11\xe0\0\0\0\0", ReportContentError, "no .xlsx and no text"),
    "html": (b"<html><table>Number Start Resources", ReportContentError, "no .xlsx and no text"),
    "cut": (workbook([["Number", "Start"]])[:2000], ReportContentError, "workbook of which a part is missing"),
    "lacking": (workbook([["Number", "Start"]]), ReportLayoutError, "no column named Resources"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_sentence(case):
    content, error, named = WRONG[case]
    with pytest.raises(error, match=rf"^Hector's reports \(connection hector_campus\): file Loaners.xlsx .*{named}"):
        read(content)


def test_a_zip_that_is_no_workbook_is_no_report():
    import zipfile

    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as packed:
        packed.writestr("a.txt", "x")
    with pytest.raises(ReportContentError, match="cannot be read as a workbook"):
        read(kept.getvalue())


def test_a_cell_with_an_error_of_the_spreadsheet_is_an_error():
    content = workbook([["Number", "Start", "Resources"], [1, START, "#REF!"]])

    with pytest.raises(ReportContentError, match="row 2, column Resources"):
        read(content)


def test_a_hidden_sheet_is_not_read_and_a_second_one_is():
    def change(book):
        book.active.sheet_state = "hidden"
        book.create_sheet("Notes").append(["Number"])
        for row in ["Number", "Start", "Resources"], [1, START, "second"]:
            book["More"].append(row) if "More" in book.sheetnames else book.create_sheet("More").append(row)

    assert read(workbook([["Number", "Start", "Resources"], [1, START, "hidden"]], change=change)) == [
        (2, 1, START, "second")
    ]


def test_a_code_shown_with_zeros_keeps_them():
    def change(book):
        book.active["A2"].number_format = "00000000"

    assert read(workbook([["Number", "Start", "Resources"], [4711, START, "x"]], change=change))[0][1] == "00004711"


def test_a_code_that_lost_digits_fits_no_tag_and_says_so():
    damaged = text_of(12345678901234567890.0)

    assert (text_of(4711.0), text_of(4711), text_of(" 0a ")) == ("4711", "4711", "0a")
    assert tag_shape(damaged).forms == "scientific"
