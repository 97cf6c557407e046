"""`make up` and `make down`: Airflow's server and the sandbox, in the background of this machine."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import signal
import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

import requests

from commands.airflow_api import ANSWER_TIMEOUT, AirflowApi, StartupError
from commands.dag_run import DagRun, is_site_locked, lock_site, read_causes
from commands.demo import (
    NAME,
    Campus,
    announcement_file,
    campus_day,
    ensure_todays_campus,
    running_sandbox,
    sample_reservation,
    saved_campus,
    state_file,
)
from commands.settings import home, migrate_database, server_environment, set_airflow_home
from commands.sites import close_runs_after_down
from commands.supervisor import (
    GIVEN_UP_STATES,
    LOOPBACK,
    POLL_INTERVAL,
    Program,
    Supervisor,
    end_all_processes,
    log_tail,
    own_folder,
    short_path,
    write_secret,
)
from hector_salto.integration import site_pools
from hector_salto.integration_files import integrations_folder, load_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

    from hector_salto.integration import Integration

LOGINS = {"admin": "admin", "desk": "user", "guest": "viewer"}
LOGIN_RIGHTS = {"admin": "everything", "desk": "looks, starts syncs, answers required actions", "guest": "looks"}
PORT_SETTING, PASSWORD_SETTING = "UI_PORT", "UI_PASSWORD"
DAG_IDS = ("salto_sync__{}", "salto_cleanup__{}", "salto_approval__{}")
ACTIVE_STATES = ("scheduled", "queued", "running")
OWN_STORE = ("_AIRFLOW_PROCESS_CONTEXT", "server")  # where a ledger's connection is looked up: see commands/why.py
START_TIMEOUT, FIRST_SYNC_TIMEOUT, PROGRESS_INTERVAL = (
    300.0,
    600.0,
    5.0,
)  # seconds: for one part, for the first sync, between two lines of progress
MAX_PORT = 65_535
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SANDBOX, API_SERVER = "sandbox", "api-server"
SANDBOX_COMMAND = (
    "python -m sandbox --state %(ENV_UP_STATE)s --announce %(ENV_UP_ANNOUNCE)s"
    " --hector-port %(ENV_UP_HECTOR)s --salto-port %(ENV_UP_SALTO)s"
)
# Airflow binds its log servers to every address, and no setting says otherwise. The page reads the logs of this machine's
# tasks from their files, so that none is needed.
PROGRAMS = (
    Program(SANDBOX, SANDBOX_COMMAND, 1),
    Program(API_SERVER, "python -m airflow api-server", 2),  # ended after the tasks, which report to it
    Program("scheduler", "python -m airflow scheduler --skip-serve-logs", 3, patience=45),
    Program("dag-processor", "python -m airflow dag-processor", 4),
    Program("triggerer", "python -m airflow triggerer --skip-serve-logs", 5),
)
RETRY_STEP = "`make up` again starts all of it anew; `make down` ends what is left"


# --- the two commands ---------------------------------------------------------------------------------------------------


def up(console: Console) -> int:
    """Start the sandbox and Airflow, wait until both serve, see to a first sync, and say where everything is.

    Raises:
        UpError: when something does not come up; all that was started is ended first.
    """
    port = _port_setting()
    _handle_stop_signals()
    with _one_at_a_time(console):
        found = _find_running(console)
        if found is not None:
            console.print("it is up already", style="bold")
            if campus_day() != datetime.now(UTC).date().isoformat():
                console.print(f"the campus is of {campus_day()}: `make down`, then `make up` starts one of today")
            _print_summary(*found, console)
            return 0
        _end_everything(console)  # what a killed or half dead one has left
        _require_free_port(port)
        began = time.monotonic()
        try:
            page, campus = _start(port, console)
        except BaseException as error:
            for number in STOP_SIGNALS:  # a second Ctrl-C must not leave half of it running
                signal.signal(number, signal.SIG_IGN)
            console.print("ending what was started", style="yellow")
            _end_everything(console)
            if isinstance(error, KeyboardInterrupt):
                raise StartupError("interrupted; nothing is left running") from None
            raise
        console.print(f"\n[bold]Everything is up[/bold] after {time.monotonic() - began:.0f} s.", highlight=False)
        _print_summary(page, campus, console)
    return 0


def down(console: Console) -> int:
    """End all that `make up` started."""
    with _one_at_a_time(console):
        ended = _end_everything(console)
        cut_off = _close_interrupted_runs(console) if ended else 0
    if not ended:
        console.print("nothing is running")
        return 0
    if cut_off:
        console.print(
            f"{cut_off} run{'s' if cut_off > 1 else ''} cut off, and closed as red in the ledger", style="yellow"
        )
    console.print(f"ended: Airflow and the sandbox ({ended} process{'es' if ended > 1 else ''})", highlight=False)
    console.print(
        f"what it did is kept in {short_path(home())}, the campus in {short_path(state_file())}", highlight=False
    )
    return 0


def _close_interrupted_runs(console: Console) -> int:
    """Close in the ledger the runs whose processes were just ended, but for those that a terminal runs beside."""
    from hector_salto.ledger.ledger import LedgerError  # noqa: PLC0415 - with the ledger

    names = [name for name, one in load_all()[0].items() if not is_site_locked(one.pool)]
    try:
        return close_runs_after_down(names)
    except (LedgerError, CalledProcessError) as error:
        console.print(f"runs that were cut off are not closed in the ledger: {error}", style="yellow", markup=False)
        return 0


def running_airflow() -> AirflowApi | None:
    """The Airflow of `make up`, None when it does not run."""
    supervisor = _find_supervisor()
    if supervisor is None or not supervisor.is_running():
        return None
    return AirflowApi(int(_read_record()["port"]), _read_json("passwords.json").get("admin", ""))


def airflow_for_run(dag_id: str) -> AirflowApi | None:
    """The Airflow of `make up` when a run of this DAG belongs there: a terminal's run is one that its scheduler takes up too.

    The runs of a paused DAG it leaves alone.
    """
    page = running_airflow()
    with _translate_request_errors():
        return page if page is not None and page.accepts_runs_of(dag_id) else None


def run_in_airflow(page: AirflowApi, dag_id: str, conf: Mapping[str, Any], console: Console) -> DagRun:
    """Run a DAG in the Airflow of `make up` and follow it."""
    began = time.monotonic()
    with _translate_request_errors():
        run_id = page.trigger(dag_id, conf)
        console.print(f"run {run_id} in the Airflow of make up ({page.url})", highlight=False, markup=False)
        state = page.wait_for_run(dag_id, run_id, console)
        folder = page.folder(dag_id, run_id)
    log = home() / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    return DagRun(int(state != "success"), folder, log, time.monotonic() - began, read_causes(folder) if folder else ())


@contextmanager
def _translate_request_errors() -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise StartupError(f"the Airflow of make up does not answer ({error}); `make down`, then `make up`") from None


# --- start and end ------------------------------------------------------------------------------------------------------


def _start(port: int, console: Console) -> tuple[AirflowApi, Campus]:
    integrations, errors = load_all()
    for error in errors:
        console.print(f"left out: {error}", style="yellow", markup=False, highlight=False)
    with ExitStack() as stack:
        for pool in sorted(site_pools(integrations)):  # a run of a terminal and Airflow's scheduler keep apart
            stack.enter_context(lock_site(pool, console))
        anew = ensure_todays_campus(console)
        _fail_abandoned_runs()
        began = datetime.now(UTC)
        page, supervisor = _start_processes(port)
        campus = _wait_for_services(page, supervisor, began, console)
        for pool, fields in site_pools(integrations).items():
            page.make_pool(pool, fields)
        _unpause(page, supervisor, integrations, console)
        if NAME in integrations and (anew or not _has_synced_today(campus)):
            _run_first_sync(page, console)
    return page, campus


def _start_processes(port: int) -> tuple[AirflowApi, Supervisor]:
    """Start supervisord with the sandbox and Airflow's processes."""
    announcement_file().unlink(missing_ok=True)
    passwords = _passwords()
    page = AirflowApi(port, passwords["admin"])
    _write_json("passwords.json", passwords)
    (own,), (hector, salto) = _free_ports(1), _sandbox_ports()
    supervisor = Supervisor.create(own)
    _write_json("record.json", {"port": port, "supervisor": asdict(supervisor)})
    hector_url, salto_url = f"http://{LOOPBACK}:{hector}/api/v1", f"http://{LOOPBACK}:{salto}"
    connections = saved_campus().credentials.connections(NAME, hector_url, salto_url, salto_url)
    where = {
        "UP_STATE": shlex.quote(str(state_file())),
        "UP_ANNOUNCE": shlex.quote(str(announcement_file())),
        "UP_HECTOR": str(hector),  # the same ports again when it is started anew
        "UP_SALTO": str(salto),
    }
    supervisor.start(PROGRAMS, {**_settings(page), **connections, **where})
    return page, supervisor


def _wait_for_services(page: AirflowApi, supervisor: Supervisor, began: datetime, console: Console) -> Campus:
    _wait_until_ready(lambda: [] if running_sandbox() else [SANDBOX], supervisor, console)
    campus = running_sandbox()
    if campus is None:
        raise StartupError(f"the sandbox answered and does so no more: {RETRY_STEP}{log_tail(SANDBOX)}")
    console.print(f"sandbox: Hector at {campus.hector_url}, Salto KS at {campus.salto_url}", highlight=False)
    console.print("starting Airflow (half a minute)")
    _wait_until_ready(lambda: page.unhealthy_components(began), supervisor, console)
    console.print("Airflow is healthy", highlight=False)
    return campus


def _settings(page: AirflowApi) -> dict[str, str]:
    """The environment of all processes: what must be so; what a user may have set otherwise; all else of the user's."""
    kept = _secrets()
    usual = {
        "AIRFLOW__CORE__PARALLELISM": "8",  # more at once, and SQLite locks out its own scheduler
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "50",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",  # seconds between two tasks of a run
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        # A busy machine needs longer than Airflow's 30 s to import our files while five processes start: a task that gives
        # up on that is tried again a minute later, and so on, until the start fails.
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "240",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # likewise: Airflow gives its own server 5 s to answer a task
        "AIRFLOW__API__SECRET_KEY": kept["api"],
        "AIRFLOW__API_AUTH__JWT_SECRET": kept["jwt"],
        "NO_COLOR": "1",
    }
    needed = {
        "AIRFLOW_HOME": str(home()),
        "HECTOR_SALTO_INTEGRATIONS": _folder_text(),
        # A site of the user's own opens no door before somebody has read its first plan and unpaused it.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in LOGINS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(own_folder() / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{page.api}/execution/",
        "AIRFLOW__API__HOST": LOOPBACK,  # logins in plain HTTP are for this machine only
        "AIRFLOW__API__PORT": str(page.port),
        "AIRFLOW__API__BASE_URL": page.url,
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",  # a server of its own, on every address
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "SPT_NOENV": "1",  # a process that gives itself a title leaves its environment, by which it is known
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), LOOPBACK, "localhost"])),
    }
    return {**usual, **server_environment(), **needed}


def _fail_abandoned_runs() -> None:
    """A run that a terminal began and never ended: the scheduler would take it up, beside the plan of another day."""
    try:
        migrate_database()
    except CalledProcessError as error:
        raise StartupError(f"Airflow's database cannot be prepared (status {error.returncode}): see above") from None
    set_airflow_home()  # Airflow makes its home as it is imported
    from airflow.models import TaskInstance  # noqa: PLC0415 - Airflow makes its home as it is imported
    from airflow.models.dagrun import DagRun as Row  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from airflow.utils.types import DagRunTriggeredByType  # noqa: PLC0415
    from sqlalchemy import select, update  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    begun = (Row.state == "running") & (Row.triggered_by == DagRunTriggeredByType.TEST)
    of_those = TaskInstance.run_id.in_(select(Row.run_id).where(begun)), TaskInstance.state.in_(ACTIVE_STATES)
    unseen = {"synchronize_session": False}  # nothing of it is in this session
    try:
        with create_session() as session:
            session.execute(update(TaskInstance).where(*of_those).values(state="failed"), execution_options=unseen)
            ended = update(Row).where(begun).values(state="failed", end_date=datetime.now(UTC))
            session.execute(ended, execution_options=unseen)
    except SQLAlchemyError as error:
        raise StartupError(f"Airflow's database cannot be used: {str(error).partition(chr(10))[0]}") from None


def _has_synced_today(campus: Campus) -> bool:
    """Whether the ledger has a green sync of the sandbox of today, and scheduled runs of this very one apply their plans."""
    set_airflow_home()  # Airflow makes its home as it is imported
    os.environ.setdefault(*OWN_STORE)
    from hector_salto.ledger.ledger import LedgerError  # noqa: PLC0415 - with the ledger
    from hector_salto.ledger.queries import last_success  # noqa: PLC0415
    from hector_salto.workflow.recorder import ledger  # noqa: PLC0415 - imports Airflow

    try:
        began, release = last_success(ledger(), NAME), ledger().last_release(NAME)
    except LedgerError:
        return False  # the run will say what is wrong with it
    released = release is not None and not release.withdrawn and release.target.hector_url == campus.hector_url
    return began is not None and began.astimezone(UTC).date() == datetime.now(UTC).date() and released


def _folder_text() -> str:
    """Return where the integration files are, as Airflow's processes can read it."""
    folder = integrations_folder()
    return str(folder.absolute()) if isinstance(folder, Path) else str(folder)


def _unpause(
    page: AirflowApi, supervisor: Supervisor, integrations: Mapping[str, Integration], console: Console
) -> None:
    if NAME not in integrations:
        folder = _folder_text()
        console.print(f"there is no {NAME}.yaml in {folder}: no DAG keeps the sandbox in step", style="yellow")
        return
    for dag_id in (one.format(NAME) for one in DAG_IDS):
        _wait_until_ready(partial(_missing_dag, page, dag_id), supervisor, console)
        page.ask("PATCH", f"/dags/{dag_id}", {"is_paused": False}).raise_for_status()


def _missing_dag(page: AirflowApi, dag_id: str) -> list[str]:
    return [] if page.ask("GET", f"/dags/{dag_id}").ok else [f"the DAG {dag_id}"]


def _run_first_sync(page: AirflowApi, console: Console) -> None:
    dag_id = DAG_IDS[0].format(NAME)
    console.print(f"first run of {dag_id}", highlight=False)
    state = page.wait_for_run(dag_id, page.trigger(dag_id, {}), console, patience=FIRST_SYNC_TIMEOUT)
    if state != "success":
        console.print("the run ended RED: the log of its task report says why", style="red", highlight=False)


def _end_everything(console: Console) -> int:
    """End all processes; return how many there were."""
    with console.status("ending processes"):
        ended = end_all_processes(_find_supervisor())
    announcement_file().unlink(missing_ok=True)
    (own_folder() / "record.json").unlink(missing_ok=True)
    return ended


def _find_running(console: Console) -> tuple[AirflowApi, Campus] | None:
    """What runs, when all of it does; parts that are just being started again are waited for.

    Raises:
        UpError: when Airflow runs and does not get well.
    """
    page, supervisor = running_airflow(), _find_supervisor()
    if page is None or supervisor is None or set(supervisor.states().values()) & set(GIVEN_UP_STATES):
        return None
    _wait_until_ready(
        lambda: page.unhealthy_components() + ([] if running_sandbox() else [SANDBOX]), supervisor, console
    )
    if (campus := running_sandbox()) is None:
        return None
    if page.port != _port_setting() and os.environ.get(PORT_SETTING):
        console.print(f"it keeps its port, {page.port}; another one takes `make down` first", style="yellow")
    return page, campus


def _wait_until_ready(look: Callable[[], list[str]], supervisor: Supervisor, console: Console) -> None:
    """Wait until nothing is missing, saying what is waited for and how long.

    Raises:
        UpError: when a process was given up, or the time is over; with the last lines of the log concerned.
    """
    began = shown = time.monotonic()
    while missing := _missing_parts(look):
        now = time.monotonic()
        states = supervisor.states()
        if gone := [name for name, state in states.items() if state in GIVEN_UP_STATES]:
            raise StartupError(f"{gone[0]} ended again and again: read its log, then {RETRY_STEP}{log_tail(gone[0])}")
        if not states and now - began > ANSWER_TIMEOUT:
            raise StartupError(f"supervisord does not answer: {RETRY_STEP}{log_tail('supervisord')}")
        if now - began > START_TIMEOUT:
            raise StartupError(
                f"no sign of {', '.join(missing)} within {START_TIMEOUT:.0f} s: {RETRY_STEP}{_log_tails(missing)}"
            )
        if now - shown > PROGRESS_INTERVAL:
            shown = now
            console.print(f"  waiting for {', '.join(missing)} ({now - began:.0f} s)", highlight=False)
        time.sleep(POLL_INTERVAL)


def _missing_parts(look: Callable[[], list[str]]) -> list[str]:
    try:
        return look()
    except requests.RequestException:
        return [API_SERVER]


def _log_tails(missing: list[str]) -> str:
    """The logs of the processes that are missing; of anything else, that of the one that reads the DAGs."""
    names = {program.name for program in PROGRAMS}
    found = [name for name in (one.replace("_", "-") for one in missing) if name in names]
    return "".join(log_tail(name) for name in found or ["dag-processor"])


# --- ports, passwords, files --------------------------------------------------------------------------------------------


def _port_setting() -> int:
    text = os.environ.get(PORT_SETTING) or "8080"
    if not (text.isdecimal() and 0 < int(text) <= MAX_PORT):
        raise StartupError(f"{PORT_SETTING} is {text!r}; a port is a number, for instance {PORT_SETTING}=8081 make up")
    return int(text)


def _require_free_port(port: int) -> None:
    other = f"choose another, for instance {PORT_SETTING}={port % MAX_PORT + 1} make up"
    with socket.socket() as asking:
        if asking.connect_ex((LOOPBACK, port)) == 0:
            raise StartupError(f"port {port} is taken by another program: {other}")
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((LOOPBACK, port))
        except OSError as error:
            raise StartupError(f"port {port} cannot be used ({error.strerror}): {other}") from None


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _sandbox_ports() -> list[int]:
    """Return those of the last time while they are free: to the integration another address is another Hector."""
    kept = _read_json("ports.json").get("sandbox", [])
    try:
        with ExitStack() as stack:
            for port in kept:
                trying = stack.enter_context(socket.socket())
                trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trying.bind((LOOPBACK, port))
    except (OSError, TypeError, OverflowError):
        kept = []
    ports = [int(port) for port in kept] or _free_ports(2)
    _write_json("ports.json", {"sandbox": ports})
    return ports


def _passwords() -> dict[str, str]:
    """One of the user's choice for all, or those made on the first start."""
    chosen = os.environ.get(PASSWORD_SETTING)
    return dict.fromkeys(LOGINS, chosen) if chosen else {name: _secrets()[name] for name in LOGINS}


def _secrets() -> dict[str, str]:
    """Made once: logins and tokens of the page outlive a restart."""
    kept = _read_json("secrets.json")
    if not kept:
        kept = {name: secrets.token_urlsafe(9) for name in LOGINS}
        kept |= {name: secrets.token_hex(64) for name in ("api", "jwt")}
        _write_json("secrets.json", kept)
    return kept


def _write_json(name: str, values: Mapping[str, object]) -> None:
    write_secret(name, json.dumps(dict(values), indent=1))


def _read_json(name: str) -> dict[str, Any]:
    try:
        found = json.loads((own_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_record() -> dict[str, Any]:
    return _read_json("record.json")


def _find_supervisor() -> Supervisor | None:
    try:
        return Supervisor(**_read_record()["supervisor"])
    except (KeyError, TypeError):
        return None


@contextmanager
def _one_at_a_time(console: Console) -> Iterator[None]:
    """One `make up` or `make down` at a time."""
    with (own_folder() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another make up or make down is at work; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- processes ----------------------------------------------------------------------------------------------------------


def _handle_stop_signals() -> None:
    """Every way of being stopped ends what was started; also in a background job, for which bash ignores SIGINT."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


# --- what is said -------------------------------------------------------------------------------------------------------


def _print_summary(page: AirflowApi, campus: Campus, console: Console) -> None:
    passwords = _read_json("passwords.json")
    for line in _summary_lines(page, campus, passwords):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _summary_lines(page: AirflowApi, campus: Campus, passwords: Mapping[str, str]) -> list[str]:
    logins = [f"{name:<6} {passwords[name]:<14} {LOGIN_RIGHTS[name]}" for name in LOGINS]
    return [
        "",
        f'  page      {page.url}/   ("Salto doors" in its navigation: {page.url}/plugin/doors)',
        f"  logins    {logins[0]}",
        *(f"            {login}" for login in logins[1:]),
        f"  Hector    {campus.hector_url}",
        f"  Salto KS  {campus.salto_url}",
        f"  logs      {short_path(own_folder())}/*.log, one a process; of tasks: {short_path(home() / 'logs')}",
        "",
        *_suggestion_lines(campus),
        "make down    ends all of it; runs, ledger and campus are kept",
    ]


def _suggestion_lines(campus: Campus) -> list[str]:
    if NAME not in load_all()[0]:
        return []
    try:
        found = sample_reservation(saved_campus(), campus.hector_url, datetime.now(UTC))
    except (OSError, ValueError, KeyError, TypeError):
        found = None  # somebody has changed the campus by hand into what nothing can be booked in
    if found is None:
        return []
    when = f"{found.start:%H:%M} {found.start.tzname()}"
    return [
        f"Book {found.place} in Hector for {found.email} from {when}:",
        found.curl,
        f"then press Sync now on the card of {NAME} in the page (or make sync), and: make why REFERENCE={found.reference}",
        "",
    ]
