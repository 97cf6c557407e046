"""`make connect`: a guided set-up, from nothing to a first plan; each answer is checked at once.

The answers so far are kept beside Airflow's home, for its owner only, until the end: so it can be left and taken up again.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import questionary
import yaml
from rich import box
from rich.table import Table
from rich.text import Text

from commands.env_file import write_private
from commands.settings import ROOT, airflow_command, environment, home, migrate_database, set_airflow_home
from hector_salto.integration import load
from hector_salto.integration_files import integrations_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from hector_salto.connect.conversation import Prompt
    from hector_salto.connect.draft import Draft
    from hector_salto.connect.question import Fault

OPEN = "(none)"
PLACES = {
    "airflow": "the Airflow of this checkout (make sync, make up)",
    "env": "connections.env, for docker compose",
    "print": "nowhere: print them as environment variables",
}


class AnswerError(ValueError):
    """An answer of the file cannot be taken; the message names its question and the next step."""


class Terminal:
    """A person at a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def answer(self, prompt: Prompt) -> Any:  # noqa: ANN401 - an answer
        if prompt.question.kind == "mapping":
            return self._mapping(prompt)
        found = _put(_ask(prompt))
        found = found.strip() if isinstance(found, str) else found
        return prompt.default if prompt.question.kind == "secret" and not found else found

    def _mapping(self, prompt: Prompt) -> dict[str, str]:
        """Show the proposal; ask row by row when it is not right."""
        found = dict(prompt.default)
        self._console.print(_table(prompt))
        is_whole = all(found.get(row.key) for row in prompt.rows if row.required)
        if is_whole and _put(questionary.confirm(f"{prompt.question.text}: is this right?", default=True)):
            return found
        for row in prompt.rows:
            options = [questionary.Choice(one.shown, one.value) for one in prompt.choices]
            options += [] if row.required else [questionary.Choice(OPEN, "")]
            known = next((one for one in options if one.value == found.get(row.key, "")), None)
            found[row.key] = _put(questionary.select(row.shown, options, default=known))
        return found

    def refuse(self, fault: Fault) -> None:
        self._console.print(fault.text, style="red", markup=False, highlight=False, soft_wrap=True)

    def place(self) -> str:
        options = [questionary.Choice(shown, value) for value, shown in PLACES.items()]
        return str(_put(questionary.select("Where shall the two connections go?", options)))


def _put(question: questionary.Question) -> Any:  # noqa: ANN401 - an answer
    """Return the answer to a question at the terminal; Ctrl-C ends the set-up."""
    found = question.ask()
    if found is None:
        raise KeyboardInterrupt
    return found


def _ask(prompt: Prompt) -> questionary.Question:
    question, default, choices = prompt.question, prompt.default, prompt.choices
    if question.kind == "flag":
        return questionary.confirm(question.text, default=bool(default))
    if question.kind == "secret":
        return questionary.password(f"{question.text}{' (empty: as before)' if default else ''}")
    if not choices:
        return questionary.text(question.text, default=str(default))
    options = [questionary.Choice(one.shown, one.value, checked=one.value in (default or ())) for one in choices]
    if question.kind == "choices":
        return questionary.checkbox(f"{question.text} (space chooses, enter goes on)", options)
    known = next((option for option in options if option.value == default), None)
    return questionary.select(question.text, options, default=known)


def _table(prompt: Prompt) -> Table:
    table = Table(title=prompt.question.text, title_justify="left", box=box.SIMPLE)
    table.add_column("field")
    table.add_column("is")
    for row in prompt.rows:
        table.add_row(row.shown + (" (required)" if row.required else ""), Text(prompt.default.get(row.key) or OPEN))
    return table


class AnswersFile:
    """A file of answers by the keys of their questions, for a set-up that no person watches."""

    def __init__(self, path: Path) -> None:
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise AnswerError(f"ANSWERS={path} cannot be read as YAML: {' '.join(str(error).split())}") from None
        if not isinstance(found, dict):
            raise AnswerError(f"ANSWERS={path} must hold answers by their keys, such as name: campus")
        self._answers: dict[str, Any] = found

    def answer(self, prompt: Prompt) -> Any:  # noqa: ANN401 - an answer
        question, default = prompt.question, prompt.default
        if question.kind == "mapping":
            return {**default, **self._given_mapping(question.key)}
        if question.key in self._answers:
            return self._answers[question.key]
        if default or question.kind == "flag":
            return default
        if question.kind == "choices":
            return []
        if prompt.choices:
            return self._only(prompt)
        raise AnswerError(f"{question.key} has no answer in the file: {question.text}")

    def _given_mapping(self, key: str) -> dict[str, str]:
        given = self._answers.get(key) or {}
        if not isinstance(given, dict):
            raise AnswerError(f"{key} must hold names by field, such as email: Email")
        return given

    def refuse(self, fault: Fault) -> None:
        raise AnswerError(f"{fault.key}: {fault.text}")

    def place(self) -> str:
        found = str(self._answers.get("connections", "airflow"))
        if found not in PLACES:
            raise AnswerError(f"connections: {found!r} is no place for them; allowed are {', '.join(PLACES)}")
        return found

    def _only(self, prompt: Prompt) -> str:
        key, choices = prompt.question.key, prompt.choices
        if len(choices) == 1:
            return choices[0].value
        listed = ", ".join(one.shown for one in choices)
        raise AnswerError(f"{key} has no answer in the file: {prompt.question.text} There are: {listed}")


def connect(name: str, answers: str, console: Console, follow: Callable[[str], int]) -> int:
    """Ask everything, write the file and the connections, then let ``follow`` show what holds and the first plan.

    Args:
        name: of an integration to edit; empty: asked.
        answers: path of a file of answers; empty: a person answers.
        console: the terminal.
        follow: makes the pool, examines and plans the integration of a name; its status is returned.

    Raises:
        AnswerError: when an answer of the file cannot be taken.
    """
    os.environ.update(environment())
    set_airflow_home()
    migrate_database()
    from hector_salto.connect.conversation import converse  # noqa: PLC0415 - imports Airflow, once its home is known

    answerer: Terminal | AnswersFile
    if answers:
        answerer = AnswersFile(Path(answers))
        draft = converse(_begin(name, {}), answerer)
    else:
        answerer, left = Terminal(console), _left()
        if left:
            console.print("going on with the set-up that was left: each question begins with the answer from before")
        draft = converse(_begin(name, left), answerer, _keep)
    _write_integration(draft, console)
    _write_connections(draft, answerer.place(), console)
    _memory().unlink(missing_ok=True)
    status = follow(str(draft.get("name")))
    console.print(_next_step(draft), highlight=False, soft_wrap=True)
    return status


def _memory() -> Path:
    return home() / "connect.json"


def _keep(draft: Draft) -> None:
    write_private(_memory(), json.dumps(dict(draft.answers)))


def _left() -> dict[str, Any]:
    return json.loads(_memory().read_text(encoding="utf-8")) if _memory().exists() else {}


def _begin(name: str, left: dict[str, Any]) -> Draft:
    """Return the answers of a set-up that was left, else of the file that is edited, else none."""
    from hector_salto.connect.draft import Draft  # noqa: PLC0415 - as above

    path = integrations_folder() / f"{name}.yaml"
    if name and path.exists() and left.get("name") != name:
        return Draft.of(name, load(path)).with_connections()
    if name and left.get("name") not in {None, name}:
        return Draft({"name": name})
    return Draft(left or ({"name": name} if name else {}))


def _write_integration(draft: Draft, console: Console) -> None:
    path = Path(str(integrations_folder())) / f"{draft.get('name')}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(draft.yaml(), encoding="utf-8")
    load(path)  # what was asked and checked is what a file may hold
    console.print(f"written: {path}", highlight=False, soft_wrap=True)


def _write_connections(draft: Draft, place: str, console: Console) -> None:
    found = draft.connections()
    lines = [f"AIRFLOW_CONN_{name.upper()}='{json.dumps(fields)}'" for name, fields in found.items()]
    for line in lines:  # the steps that follow read them from here, wherever they are to stay
        variable, _, value = line.partition("=")
        os.environ[variable] = value.strip("'")
    if place == "print":
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    elif place == "env":
        path = ROOT / "connections.env"
        kept = [line for line in _lines(path) if line.partition("=")[0] not in {one.partition("=")[0] for one in lines}]
        write_private(path, "\n".join([*kept, *lines]) + "\n")
        console.print(f"written: {path}: {', '.join(found)}", highlight=False, soft_wrap=True)
    else:
        _import_connections(found)
        console.print(f"in Airflow: the connections {', '.join(found)}", highlight=False, soft_wrap=True)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _import_connections(found: dict[str, dict[str, Any]]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # for its owner only
        json.dump(found, file)
        file.flush()
        command = airflow_command("connections", "import", "--overwrite", file.name)
        ended = subprocess.run(command, env=environment(), check=False, capture_output=True, text=True)
    if ended.returncode:
        raise AnswerError(
            "Airflow did not take the connections; print them instead, and make them under Admin > Connections"
        )


def _next_step(draft: Draft) -> str:
    name = draft.get("name")
    return (
        f"\nBefore a door opens: mend what the table above asks for, in Hector and in Salto, and read the plan.\n"
        f"Then: make sync INTEGRATION={name}"
    )
