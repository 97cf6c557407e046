"""`make why`: the chain from a booking to its door, from the ledger or (LIVE=1) from Hector and Salto now."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.demo import NAME, demo
from commands.settings import migrate_database, set_airflow_home
from hector_salto.access.references import resolve_references, spellings
from hector_salto.integration import load
from hector_salto.integration_files import integrations_folder
from hector_salto.reports.questions import Question, QuestionError, SiteView, answer_question
from hector_salto.reports.search import matches

if TYPE_CHECKING:
    from rich.console import Console

    from hector_salto.ledger.ledger import Ledger
    from hector_salto.reports.explain import Explanation

OPEN, CLOSED, NOT_ANSWERED = 0, 1, 2
CLOSED_PREFIXES, OPEN_PREFIXES = ("closed", "  NO", "  NOT"), ("open", "  can", "  will")
# Outside a task Airflow reads connections from its own store only for processes that call themselves its server.
OWN_STORE = ("_AIRFLOW_PROCESS_CONTEXT", "server")


def why(question: Question, console: Console, *, integration: str = "", live: bool = False, about: str = "") -> int:
    """Answer on the terminal; ``about`` is any name or id that is shown, instead of a reference, email or door.

    Returns:
        0: the door opens (for a reservation or person: in its window; at AT: then); 1: it stays shut; 2: not answered.
    """
    if not about:
        question.validate()
    set_airflow_home()  # Airflow makes its home as it is imported
    os.environ.setdefault(*OWN_STORE)
    migrate_database()
    from hector_salto.workflow.recorder import ledger  # noqa: PLC0415 - imports Airflow, which makes its home as it is imported

    kept, now = ledger(), datetime.now(UTC)
    names = _integration_names(kept, integration, live=live)
    answers: dict[str, Explanation] = {}
    unanswered: list[QuestionError] = []
    for name in names:
        try:
            asked = _find_subject(kept, name, about, question) if about else _resolve_reference(kept, name, question)
            answers[name] = answer_question(
                kept, name, asked, now, live=_read_live(name, now, console) if live else None
            )
        except QuestionError as error:
            unanswered.append(error)
    if not answers:
        raise QuestionError("; ".join(map(str, unanswered)))
    for one in unanswered:
        console.print(str(one), style="yellow", markup=False, highlight=False)
    knowing = {name: answer for name, answer in answers.items() if answer.known} or answers
    for name, answer in knowing.items():
        if len(answers) > 1:
            console.print(f"[bold]{name}[/bold]", highlight=False)
        for line in answer.lines:
            style = "red" if line.startswith(CLOSED_PREFIXES) else "green" if line.startswith(OPEN_PREFIXES) else None
            console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    return OPEN if any(answer.opens for answer in knowing.values()) else CLOSED


def _resolve_reference(kept: Ledger, name: str, question: Question) -> Question:
    """Return the question with its reference as the ledger knows it.

    Raises:
        QuestionError: when it names several reservations, or none.
    """
    if not question.reference:
        return question
    from hector_salto.ledger.ledger import Selection  # noqa: PLC0415 - with the ledger

    looks = [
        kept.read_snapshot(name, about=Selection(reference=one), names=("reservations",))
        for one in spellings(question.reference)
    ]
    known = {str(one) for look in looks for one in look.reservations["reference"]}
    found = resolve_references([question.reference], known)
    if len(found) != 1:
        raise QuestionError(f"ask about one reservation at a time; REFERENCE={question.reference!r} names {len(found)}")
    return replace(question, reference=found[0])


def _find_subject(kept: Ledger, name: str, about: str, question: Question) -> Question:
    """Return the question about what a name or id means.

    Raises:
        QuestionError: when it means nothing, or several things.
    """
    found = matches(kept, name, about)
    if not found:
        raise QuestionError(f"nothing of {name} is called {about!r}: no reservation, user, door, place or access group")
    if len(found) > 1:
        several = "; ".join(f"{one.kind} {one.label}" for one in found)
        raise QuestionError(f"{about!r} means several things of {name}: {several}. Ask about one of them")
    return replace(found[0].question, at=question.at)


def _integration_names(kept: Ledger, integration: str, *, live: bool) -> list[str]:
    from hector_salto.ledger.queries import integrations  # noqa: PLC0415 - with the ledger

    if integration:
        return [integration]
    found = integrations(kept) or ([NAME] if live else [])
    if not found:
        raise QuestionError("the ledger is empty: no run has been made yet; `make sync` makes one")
    return found


def _read_live(name: str, now: datetime, console: Console) -> SiteView:
    from hector_salto.http_client.errors import RestError  # noqa: PLC0415 - after AIRFLOW_HOME is set
    from hector_salto.workflow.verification import read_live  # noqa: PLC0415 - imports Airflow

    path = integrations_folder() / f"{name}.yaml"
    if not path.exists():
        raise QuestionError(f"there is no integration {name!r}: no file {path.name} in include/integrations")
    with ExitStack() as stack:
        if name == NAME and "AIRFLOW_CONN_SALTO_SANDBOX" not in os.environ:
            os.environ.update(stack.enter_context(demo(console)).connections(NAME))
        try:
            seen, problems = read_live(load(path), now)
        except RestError as error:
            raise QuestionError(str(error)) from None
    return SiteView(seen, "as Hector and Salto show it now", problems)
