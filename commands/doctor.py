"""`make doctor INTEGRATION=<name>`: every assumption about both services against the real ones, in a table and as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from commands.settings import environment, home, set_airflow_home
from hector_salto.doctor.assumptions import ASSUMPTIONS
from hector_salto.doctor.finding import Judgement, count_of
from hector_salto.http_client.errors import RestError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

    from hector_salto.doctor.examination import Examination
    from hector_salto.doctor.finding import Finding
    from hector_salto.integration import Integration

WELL, UNWELL, REFUSED = 0, 1, 2
STYLES = {Judgement.HOLDS: "green", Judgement.DIFFERS: "yellow", Judgement.UNKNOWN: "dim"}
WIDE = 150  # columns from which the table names what the product does


@dataclass(frozen=True)
class WritesAsked:
    """What may be written: the UID of the test site, typed again, and the email of a person to invite; empty: nothing."""

    site_uid: str = ""
    email: str = ""


def doctor(name: str, integration: Integration, asked: WritesAsked, console: Console) -> int:
    """Examine an integration; return the exit status: 0 when nothing differs that matters."""
    os.environ.update(environment())
    set_airflow_home()
    from hector_salto.doctor.examination import examine, examine_by_writing  # noqa: PLC0415 - imports Airflow, once its home is known
    from hector_salto.doctor.invited import UserThereError  # noqa: PLC0415
    from hector_salto.doctor.scratch import WrongSiteError  # noqa: PLC0415

    examination, subject = examine(name, integration)
    if asked.site_uid:
        try:
            examination = examine_by_writing(examination, subject, asked.site_uid, asked.email)
        except (RestError, UserThereError, WrongSiteError) as error:
            console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
            return REFUSED
    show(examination, console)
    console.print(f"as JSON: {keep(examination)}", highlight=False, soft_wrap=True)
    return WELL if examination.is_well else UNWELL


def keep(examination: Examination) -> Path:
    """Write the findings beside the runs."""
    folder = home() / "doctor" / examination.integration
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{examination.at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(examination.as_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def show(examination: Examination, console: Console) -> None:
    """Print the findings: those that matter once more below the table, each with its step."""
    console.print(findings_table(examination.findings, wide=console.width >= WIDE))
    serious = [one for one in examination.findings if one.matters]
    for one in serious:
        console.print(f"{one.assumption}: {one.seen}", style="red", markup=False, highlight=False, soft_wrap=True)
        if one.step:
            console.print(f"  next: {one.step}", markup=False, highlight=False, soft_wrap=True)
    console.print(summary(examination.findings), highlight=False)


def summary(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{count} {verdict.value}" for verdict, count in count_of(findings).items())


def findings_table(findings: Iterable[Finding], *, wide: bool) -> Table:
    table = Table(show_lines=False, pad_edge=False, box=None)
    for heading in ("assumption", "section", "", "seen"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"assumption", ""})
    if wide:
        table.add_column("what this product does then", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for one in findings:
        about = ASSUMPTIONS[one.assumption]
        style = "red" if one.matters else STYLES[one.verdict]
        product = about.product if one.verdict is Judgement.DIFFERS else ""
        cells = [one.assumption, f"{about.section} ({about.label})", f"[{style}]{one.verdict.value}[/{style}]"]
        table.add_row(*cells, *map(_plain, (one.seen, *((product,) if wide else ()), one.step)))
    return table


def _plain(text: str) -> str:
    """Text of other people in a table that reads markup."""
    return text.replace("[", "\\[")
