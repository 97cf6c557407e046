"""Entry point: `python -m commands up|down|sync|plan|cleanup|why|pools|ledger`; `make` has the short forms."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from commands.airflow_api import StartupError
from commands.connect import AnswerError, connect
from commands.dag_run import DagRun, lock_site, run_dag
from commands.demo import NAME, demo, show_timetable
from commands.doctor import WritesAsked, doctor
from commands.env_file import make_env
from commands.settings import airflow_command, environment, escape_unencodable, migrate_database, set_airflow_home
from commands.sites import check_ledger, release_site, upgrade_ledger
from commands.terminal_report import show_decisions, show_report
from commands.up import airflow_for_run, down, run_in_airflow, up
from commands.why import OPEN, why
from hector_salto.access.texts import few
from hector_salto.integration import Integration, IntegrationError, load, site_pools
from hector_salto.integration_files import integrations_folder, load_all
from hector_salto.ledger.ledger import LedgerError
from hector_salto.reports.questions import Question, QuestionError
from hector_salto.workflow import parameters

GREEN, RED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130
DAGS = {"sync": "salto_sync__{}", "plan": "salto_sync__{}", "cleanup": "salto_cleanup__{}"}
PIPE_WIDTH = 180
LEDGER_ACTIONS = {"upgrade": upgrade_ledger, "check": check_ledger}


class UsageError(ValueError):
    """The command cannot be carried out as it was given."""


def main() -> int:
    escape_unencodable(sys.stdout, sys.stderr)
    arguments = _arguments()
    set_airflow_home()  # settings may be in its airflow.cfg
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    try:
        if arguments.command in COMMANDS_WITHOUT_ARGUMENTS:
            return COMMANDS_WITHOUT_ARGUMENTS[arguments.command](console)
        if arguments.command in COMMANDS_WITH_ARGUMENTS:
            return COMMANDS_WITH_ARGUMENTS[arguments.command](arguments, console)
        return _run(arguments.command, arguments.integration, _conf(arguments), console)
    except KeyboardInterrupt:
        console.print("interrupted; run again: a run goes on from whatever state it finds", style="yellow")
        return INTERRUPTED
    except (AnswerError, IntegrationError, UsageError, parameters.ParameterError, QuestionError, LedgerError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return USAGE_ERROR
    except StartupError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return RED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m commands", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("sync", "bring one site in step with Hector"),
        ("plan", "show what a sync would change; send nothing but reads"),
        ("cleanup", "remove outdated access groups"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--integration", default="", help="name of a file in include/integrations; empty: sandbox")
        command.add_argument("--conf", default=os.environ.get("CONF", ""), help="run parameters as JSON (or CONF=...)")
    asked = commands.add_parser("why", help="why a door opens for somebody, or does not; status 0 open, 1 closed")
    for name in ("integration", "about", "reference", "email", "door", "at", "live"):
        asked.add_argument(f"--{name}", default="")
    asked.add_argument("--answered", action="store_true", help="status 0 for every answer, also when a door stays shut")
    asked = commands.add_parser(
        "doctor", help="hold every assumption about both services against them; sends only reads"
    )
    asked.add_argument("--integration", default="", help="name of a file in include/integrations; empty: sandbox")
    asked.add_argument(
        "--writes", default="", help="a test site's UID, typed again: asks by writing too, and removes it"
    )
    asked.add_argument("--probe-user", default="", help="with --writes: email of a person who is invited, and removed")
    asked = commands.add_parser("connect", help="connect a site: questions, each checked at once; then doctor and plan")
    asked.add_argument("--integration", default="", help="name of an integration to edit; empty: a new one")
    asked.add_argument("--answers", default="", help="a YAML file of answers, for a set-up that no person watches")
    commands.add_parser("up", help="start the sandbox and Airflow in the background (UI_PORT, UI_PASSWORD)")
    commands.add_parser("down", help="end what up has started")
    commands.add_parser("pools", help="make the Airflow pool of one slot that each site needs")
    commands.add_parser("env", help="make .env and connections.env for docker-compose.yml, with new secrets")
    ledger = commands.add_parser("ledger", help="upgrade, check or correct the ledger")
    ledger.add_argument(
        "action",
        choices=[*LEDGER_ACTIONS, "release"],
        help="upgrade: migrate its tables; check: status 0 when they are up to date; release: take a site from its owner",
    )
    ledger.add_argument("--site", default="", help="release: the site's UUID, as the refused run names it")
    return parser.parse_args()


def _why(arguments: argparse.Namespace, console: Console) -> int:
    texts = {name: getattr(arguments, name).strip() for name in ("reference", "email", "door", "at")}
    live = arguments.live.strip().lower() not in {"", "0", "false", "no"}
    about = arguments.about.strip()
    status = why(Question(**texts), console, integration=arguments.integration.strip(), live=live, about=about)
    return OPEN if arguments.answered else status


def _doctor(arguments: argparse.Namespace, console: Console) -> int:
    name = arguments.integration.strip()
    integration = _integration(name or NAME)
    migrate_database()
    with ExitStack() as stack:
        if not name:
            os.environ.update(stack.enter_context(demo(console)).connections(NAME))
        writes = WritesAsked(arguments.writes.strip(), arguments.probe_user.strip())
        if writes.email and not writes.site_uid:
            raise UsageError("PROBE_USER is for a test site: name it with WRITES=<site UID> as well")
        return doctor(name or NAME, integration, writes, console)


def _connect(arguments: argparse.Namespace, console: Console) -> int:
    def follow(name: str) -> int:
        _pools(console)
        doctor(name, _integration(name), WritesAsked(), console)
        return _run("plan", name, {"plan_only": True}, console)

    return connect(arguments.integration.strip(), arguments.answers.strip(), console, follow)


def _ledger(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.action in LEDGER_ACTIONS:
        return LEDGER_ACTIONS[arguments.action](console)
    if not arguments.site.strip():
        raise UsageError("which site? --site <UUID>, as the refused run names it")
    return release_site(arguments.site.strip(), console)


def _conf(arguments: argparse.Namespace) -> dict[str, Any]:
    try:
        conf = json.loads(arguments.conf or "{}")
    except ValueError as error:
        raise UsageError(f'CONF is not JSON ({error}); an example: CONF=\'{{"references": ["10452"]}}\'') from None
    if not isinstance(conf, dict):
        raise UsageError('CONF must be a JSON object; an example: CONF=\'{"references": ["10452"]}\'')
    parameters.check("cleanup" if arguments.command == "cleanup" else "sync", conf)  # before anything is started
    return {**conf, "plan_only": True} if arguments.command == "plan" else conf


def _run(command: str, name: str, conf: dict[str, Any], console: Console) -> int:
    integration = _integration(name or NAME)
    migrate_database()
    dag_id = DAGS[command].format(name or NAME)
    with ExitStack() as stack:
        page = airflow_for_run(dag_id)
        if page is None:  # a run in the Airflow of `make up` is not this process's: `make down` ends it and closes it
            stack.enter_context(lock_site(integration.pool, console))
        campus = stack.enter_context(demo(console)) if not name else None
        if page is not None:
            run = run_in_airflow(page, dag_id, conf, console)
        else:
            run = run_dag(dag_id, conf, campus.connections(NAME) if campus else {}, console)
        status = _print_result(run, console)
        _print_report(run, console)
        if campus is not None and command != "plan":
            show_timetable(campus, console)
    return status


def _integration(name: str) -> Integration:
    path = integrations_folder() / f"{name}.yaml"
    if not path.exists():
        known = few(sorted(load_all()[0]), 20) or "none"
        raise UsageError(
            f"there is no integration {name!r}: no file {path.name} in include/integrations; known: {known}"
        )
    return load(path)


def _print_report(run: DagRun, console: Console) -> None:
    set_airflow_home()  # Airflow makes its home as it is imported
    from hector_salto.workflow.run_folder import RunFolder  # noqa: PLC0415 - imports Airflow: only once a run has made a folder

    folder = RunFolder(run.folder) if run.folder else None
    if folder is None or not folder.has("operations"):
        return
    try:
        report = folder.read_json("report")
    except ValueError as error:  # a file that was cut off; the run's causes name it, too
        console.print(str(error), style="red", markup=False, highlight=False)
        return
    if report is not None:
        show_decisions(report, console)
        show_report(report, console)


def _print_result(run: DagRun, console: Console) -> int:
    colour, word = ("green", "green") if run.status == 0 else ("red", "RED")
    console.print(
        f"\nThe run ended [{colour}]{word}[/{colour}] after {run.seconds:.0f} s. Log: {run.log}",
        highlight=False,
        soft_wrap=True,
    )
    for cause in run.causes if run.status else ():
        console.print(f"  {cause}", style="red", markup=False, highlight=False, soft_wrap=True)
    if run.folder:
        console.print(f"Tables and report.html of the run: {run.folder}", highlight=False, soft_wrap=True)
    return GREEN if run.status == 0 else RED


def _pools(console: Console) -> int:
    """One pool of one slot a site: sync and cleanup of a site never write at the same time."""
    found, errors = load_all()
    for error in errors:
        console.print(f"left out: {error}", style="yellow", markup=False, highlight=False)
    pools = site_pools(found)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(pools, file)
        file.flush()
        command = airflow_command("pools", "import", file.name)
        result = subprocess.run(command, env=environment(), check=False, capture_output=True, text=True)
    if result.returncode:
        console.print(result.stdout + result.stderr, style="red", markup=False, highlight=False)
        return RED
    for pool in sorted(pools):
        console.print(f"pool {pool}: 1 slot", highlight=False)
    return GREEN


COMMANDS_WITH_ARGUMENTS = {"connect": _connect, "doctor": _doctor, "why": _why, "ledger": _ledger}
COMMANDS_WITHOUT_ARGUMENTS = {"up": up, "down": down, "pools": _pools, "env": make_env}  # those that take no arguments


if __name__ == "__main__":
    sys.exit(main())
