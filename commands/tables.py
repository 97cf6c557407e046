"""A finished run as tables on the terminal, from the run's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from include.access.outcomes import DONE
from include.report.words import WHO, outcome_counts, window

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from rich.console import Console

    from include.access.order import Operation

HELD_SHOWN = 30
VERBS = {
    "group_delete": "remove the access group",
    "member_remove": "take {whom} out",
    "lock_remove": "take the door {door} out",
    "schedule_delete": "remove an extra schedule",
    "tag_off": "take the tag off",
    "office_off": "office mode off",
    "user_suspend": "suspend",
    "user_delete": "delete the user",
    "schedule_change": "change the window",
    "schedule_create": "set the window",
    "group_create": "make the access group",
    "user_adopt": "mark as ours",
    "user_email": "change the email",
    "user_subscribe": "give a seat",
    "user_create": "make the user",
    "tag_on": "put the tag on",
    "office_on": "office mode on",
    "lock_add": "put the door {door} in",
    "member_add": "put {whom} in",
}


def show_plan(operations: list[Operation], console: Console) -> None:
    """One row a reservation or person: what, whom, which door, when, why."""
    if not operations:
        console.print("[bold]Plan[/bold]: nothing has to change")
        return
    table = Table(title=f"Plan: {len(operations)} operations", title_justify="left")
    for column in ("for", "what", "when (locks' wall clock)", "why"):
        table.add_column(column, overflow="fold")
    units: dict[str, list[Operation]] = {}
    for operation in operations:
        units.setdefault(str(operation["unit"]), []).append(operation)
    for unit, rows in units.items():
        what = ", ".join(_verb(row) + (" [HELD]" if row["state"] != "ready" else "") for row in rows)
        when = next(filter(None, map(window, rows)), "")
        why = ", ".join(dict.fromkeys(f"{row['cause']}: {row['reason']}" for row in rows))
        table.add_row(unit, what, when, why)
    console.print(table, markup=False)


def _verb(operation: Operation) -> str:
    whom = operation["user_id"] or operation["platform_user_id"]
    return VERBS[str(operation["kind"])].format(whom=whom, door=operation["lock_name"] or operation["lock_id"])


def show_outcomes(outcomes: pd.DataFrame | None, console: Console) -> None:
    if outcomes is None:
        console.print("[bold]Applied[/bold]: nothing was sent")
        return
    console.print(f"[bold]Applied[/bold]: {outcome_counts(outcomes)}", highlight=False)
    for row in outcomes[outcomes["state"].ne(DONE)].itertuples():
        console.print(f"  {row.state}: {row.key}: {row.message}", style="red", highlight=False, markup=False)


def show_decisions(report: Mapping[str, Any], console: Console) -> None:
    """Print what a person has to know before they let something through: why nothing was sent, who is invited, what is held."""
    if report["plan_only_because"]:
        console.print(report["says"], style="yellow", markup=False, highlight=False)
    if report["invitations"]:
        will = "will send" if report["plan_only"] else "sends"
        console.print(f"[bold]Invitations[/bold] that Salto {will}: {len(report['invitations'])}", highlight=False)
        for one in report["invitations"]:
            console.print(f"  {one['name']}, {one['email']} ({one['id']})", markup=False, highlight=False)
    held = report["held"]
    if held["guards"]:
        _show_held(held, console)


def _show_held(held: Mapping[str, Any], console: Console) -> None:
    console.print("[bold]Held back[/bold]")
    for guard in held["guards"]:
        console.print(f"  {guard['guard']}: {guard['why']}", markup=False, highlight=False)
    console.print(f"  users inside a window of these doors now: {len(held['inside'])}", markup=False, highlight=False)
    for reason in held["reasons"]:
        table = Table(title=f"{reason['title']}: {len(reason['losses'])}", title_justify="left")
        for column in ("for", "what", "who loses access", "door", "when"):
            table.add_column(column, overflow="fold")
        for loss in reason["losses"][:HELD_SHOWN]:
            who = "\n".join(map(_user, loss["users"])) or "nobody"
            table.add_row(loss["unit"], loss["did"], who, ", ".join(loss["doors"]), loss["when"])
        console.print(table, markup=False)
        if len(reason["losses"]) > HELD_SHOWN:
            console.print(f"  and {len(reason['losses']) - HELD_SHOWN} more, see report.html", highlight=False)


def _user(user: Mapping[str, Any]) -> str:
    known = ", ".join(filter(None, (user["name"], user["email"])))
    return (f"{known} ({user['id']})" if known else str(user["id"])) + (", inside now" if user["inside"] else "")


def named_problems(report: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """Return the message of each problem with its users by name, by code and subject."""
    found = (report or {}).get("problems") or {}
    return {(one["code"], one["subject"]): one["message"] for those in found.values() for one in those}


def show_problems(problems: pd.DataFrame, console: Console, named: Mapping[tuple[str, str], str]) -> None:
    """What somebody must mend, by who must act."""
    if problems.empty:
        console.print("[bold]Problems[/bold]: none")
        return
    table = Table(title=f"Problems: {len(problems)}", title_justify="left")
    for column in ("who", "what", "next step"):
        table.add_column(column, overflow="fold")
    for row in problems.sort_values(["who", "code", "subject"]).to_dict("records"):
        message = named.get((row["code"], row["subject"]), row["message"])
        table.add_row(WHO[row["who"]], message, row["next_step"])
    console.print(table, markup=False)
