"""The sandbox's Hector as the reports that it would send: Users, Places and Loaners as Excel files of its campus."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import openpyxl

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.hector_state import HectorState, Row

LOCK_KEY = "salto_lock_id"
LOANER_HEADINGS = ["Number", "Status", "Start", "Finish", "Borrower email", "Resources"]
MERGED = len(LOANER_HEADINGS) - 1  # all columns but the resource are one cell a loaner

# What an integration file says of these files.
BLOCK: dict[str, Any] = {
    "users": {
        "file": "Users*.xlsx",
        "columns": {
            "email": "Email",
            "first_name": "First name",
            "last_name": "Last name",
            "unique_code": "Unique code",
            "status": "Status",
            "groups": "Groups",
            "department": "Department",
        },
    },
    "places": {"file": "Places*.xlsx", "columns": {"place": "Name", "lock_name": "Salto Lock Id"}},
    "loaners": {
        "file": "Loaners*.xlsx",
        "columns": {
            "reference": "Number",
            "status": "Status",
            "start": "Start",
            "finish": "Finish",
            "borrower": "Borrower email",
            "place": "Resources",
        },
    },
    "timezone": "America/Toronto",
    "date_format": "%Y-%m-%d %H:%M",
}


def write_reports(hector: HectorState, folder: Path) -> None:
    """Write the three files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with hector.lock:
        books = {"Users.xlsx": users(hector), "Places.xlsx": places(hector), "Loaners.xlsx": loaners(hector)}
    for name, content in books.items():
        beside = folder / f".{name}.new"
        beside.write_bytes(content)
        beside.replace(folder / name)


def users(hector: HectorState) -> bytes:
    headings = ["Email", "First name", "Last name", "Unique code", "Status", "Groups", "Department"]
    return _workbook("Users", [headings, *(_user(hector, row) for row in hector.users.values())])


def places(hector: HectorState) -> bytes:
    rows = ([row["name"], _lock(row)] for row in hector.places.values())
    return _workbook("Places", [["Name", "Salto Lock Id"], *rows])


def loaners(hector: HectorState) -> bytes:
    """Return the loaners, one row a resource: what a loaner's rows share is merged, and a total stands below."""
    rows: list[list[Any]] = []
    merged: list[tuple[int, int]] = []
    for loaner in hector.loaners.values():
        if loaner["blocking"]:
            continue  # no reservation: a report of loaners leaves it out by its filter
        resources: list[str | None] = [_resource(hector, line) for line in loaner["lines"]] or [None]
        first, *others = resources
        merged.append((len(rows) + 1, len(rows) + len(resources)))
        rows.append([*_loaner(hector, loaner), first])
        rows += [[None] * MERGED + [other] for other in others]
    total = ["Total", None, None, None, None, len(hector.loaners)]
    return _workbook("Loaners", [LOANER_HEADINGS, *rows, total], merged)


def _user(hector: HectorState, row: Row) -> list[Any]:
    groups = [hector.groups[one] for one in row["group_ids"]]
    names = [hector.groups.get(group["alias_of"], group)["name"] for group in groups]  # members of the official group
    department = hector.departments.get(row["department_id"], {"name": None})["name"]
    named = [row[name] for name in ("email", "first_name", "last_name", "unique_code", "status")]
    return [*named, "; ".join(dict.fromkeys(names)), department]


def _lock(row: Row) -> str | None:
    return next((value["value"] for value in row["attributes"] if value["key"] == LOCK_KEY), None)


def _loaner(hector: HectorState, loaner: Row) -> list[Any]:
    zone = ZoneInfo(hector.environment["time_zone"])
    start, finish = (_wall_clock(loaner[name], zone) for name in ("start", "finish"))
    borrower = hector.users.get(loaner["borrower"]["id"], {"email": None})["email"]
    status = loaner["status"].get("name") or loaner["status"]["code"]  # a change by hand may give the code alone
    return [loaner["reference"], status, start, finish, borrower]


def _wall_clock(text: str, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(zone).replace(tzinfo=None)


def _resource(hector: HectorState, line: Row) -> str:
    return str(hector.places[line["place_id"]]["name"]) if line["type"] == "place" else f"Equipment {line['asset_id']}"


def _workbook(title: str, rows: Iterable[list[Any]], merged: Iterable[tuple[int, int]] = ()) -> bytes:
    """Return a workbook with a title above its heading; ``merged`` counts the rows below the heading from 1."""
    book = openpyxl.Workbook()
    sheet = book.create_sheet(title, 0)
    book.remove(book.worksheets[1])
    sheet.append([f"Report: {title}"])
    sheet.append([])
    for row in rows:
        sheet.append(row)
    for first, last in merged:
        for column in range(1, MERGED + 1) if last > first else ():
            sheet.merge_cells(start_row=first + 3, end_row=last + 3, start_column=column, end_column=column)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()
