"""A finished run on the terminal, from its report: the result, removals in full, additions counted, problems."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hector_salto.access.results import DONE
from hector_salto.access.texts import few
from hector_salto.reports.text import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console

MAX_LOSSES = 30
EXPIRED = "expired"  # a group whose window is over: routine
SUCCESSFUL_OUTCOMES = frozenset({DONE, "planned"})
MAX_ITEMS = 60  # names in one line, problems of one sort


def show_report(report: Mapping[str, Any], console: Console) -> None:
    """Show what changed and what must be corrected. Lines are never folded: an email stays whole."""
    for style, line in _report_lines(report):
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _report_lines(report: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    changes = report["changes"]
    removals = [change for change in changes if change["removal"] and change["cause"] != EXPIRED]
    counted = [change for change in changes if change not in removals]
    bad = [change for change in counted if change["outcome"] not in SUCCESSFUL_OUTCOMES]
    if not changes:
        yield None, "Nothing has to change."
    if removals:
        yield "bold", f"Removals ({len(removals)}):"
        yield from (_style(change, _describe_change(change)) for change in removals)
    if counted:
        yield "bold", f"Additions and other changes ({len(counted)}):"
        yield None, f"  {_count_changes(counted)}"
    if bad:
        yield "bold", f"Not done ({len(bad)}):"
        yield from (_style(change, _describe_change(change)) for change in bad)
    yield from _problem_lines(report["problems"])


def _style(change: Mapping[str, Any], line: str) -> tuple[str | None, str]:
    return (None if change["outcome"] in SUCCESSFUL_OUTCOMES else "red"), line


def _describe_change(change: Mapping[str, Any]) -> str:
    """Return one change in full: for whom, what, users and doors, why, and what became of it."""
    users = [_describe_user(user) for user in change["users"]]
    whom = f": {few(users, MAX_ITEMS, '; ')}" if users else ""
    doors = f" at {few(change['doors'], MAX_ITEMS)}" if change["doors"] else ""
    message = f": {change['message']}" if change["message"] else ""
    return f"  {change['for']}: {change['did']}{whom}{doors}: {change['why']} ({change['outcome']}{message})"


def _count_changes(changes: Iterable[Mapping[str, Any]]) -> str:
    found = Counter((str(change["did"]), str(change["cause"]) == EXPIRED) for change in changes)
    return ", ".join(f"{number} {did}{' (window over)' if over else ''}" for (did, over), number in found.items())


def _problem_lines(problems: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[tuple[str | None, str]]:
    """Return what must be corrected, by who must act and by next step."""
    total = sum(len(found) for found in problems.values())
    yield "bold", f"Problems: {total or 'none'}"
    for who, found in problems.items():
        yield "bold", f"  for the {who} ({len(found)}):"
        for step in dict.fromkeys(str(one["next_step"]) for one in found):
            same = [str(one["message"]) for one in found if one["next_step"] == step]
            yield from ((None, f"    {message}") for message in same[:MAX_ITEMS])
            if len(same) > MAX_ITEMS:
                yield None, f"    and {many(len(same) - MAX_ITEMS, 'more problem')} of this kind"
            yield None, f"      next step: {step}"


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
        for loss in reason["losses"][:MAX_LOSSES]:
            who = "\n".join(map(_describe_loser, loss["users"])) or "nobody"
            table.add_row(loss["unit"], loss["did"], who, ", ".join(loss["doors"]), loss["when"])
        console.print(table, markup=False)
        if len(reason["losses"]) > MAX_LOSSES:
            console.print(f"  and {len(reason['losses']) - MAX_LOSSES} more, see report.html", highlight=False)


def _describe_loser(user: Mapping[str, Any]) -> str:
    return _describe_user(user) + (", inside now" if user["inside"] else "")


def _describe_user(user: Mapping[str, Any]) -> str:
    """Return a user by name and email, the id beside them; by the id alone where neither is known."""
    known = ", ".join(filter(None, (user["name"], user["email"])))
    return f"{known} ({user['id']})" if known else str(user["id"])
