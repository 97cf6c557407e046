"""`make up` and `make down`: Airflow's server and the sandbox, in the background of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from commands.background import POLL, Background, log_of, own_folder, short, wait_until
from commands.dag_run import DagRun, alone
from commands.demo import NAME, Campus, announcement, booking, kept_day, running, state_file, todays_campus
from commands.settings import adopt_home, airflow, home, prepare, prepared, server_environment
from include.integrations.integration import integrations_folder, load_all
from include.sandbox.__main__ import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

    from include.integrations.integration import Integration

LOGINS = {"admin": "admin", "desk": "user", "guest": "viewer"}
MAY = {"admin": "everything", "desk": "looks, starts syncs, answers required actions", "guest": "looks"}
PORT_SETTING, PASSWORD_SETTING = "UI_PORT", "UI_PASSWORD"
OURS = ("salto_sync__{}", "salto_cleanup__{}", "salto_approval__{}")
UNDER_WAY = ("scheduled", "queued", "running")
LOOPBACK = "127.0.0.1"
OWN_STORE = ("_AIRFLOW_PROCESS_CONTEXT", "server")  # where a ledger's connection is looked up: see commands/why.py
STARTS, RUNS, ANSWERS, SILENCE = 180.0, 300.0, 15.0, 60.0  # seconds of patience
LAST_PORT = 65_535
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UpError(Exception):
    """It cannot be started, or did not come up; the message says why and what to do. Nothing is left running."""


@dataclass(frozen=True)
class Page:
    """The REST API of the Airflow that `make up` runs, as its admin."""

    port: int
    password: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def api(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a proxy that the environment names does not reach loopback
        login = {"username": "admin", "password": self.password}
        answer = session.post(f"{self.api}/auth/token", json=login, timeout=ANSWERS)
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        return self._session.request(method, f"{self.api}/api/v2{path}", json=body, timeout=ANSWERS)

    def unwell(self, since: datetime | None = None) -> list[str]:
        """What of Airflow is not healthy, or has given no sign of life since then (the last one's are still fresh)."""
        try:
            found = self.ask("GET", "/monitor/health").json()
        except (requests.RequestException, ValueError):
            return ["api-server"]
        return [name for name, part in found.items() if not _well(part, name, since)]

    def serves(self, dag_id: str) -> bool:
        """True when a run of this DAG that is triggered there begins: the DAG is known and not paused."""
        answer = self.ask("GET", f"/dags/{dag_id}")
        return answer.ok and not answer.json()["is_paused"]

    def make_pool(self, name: str, pool: Mapping[str, object]) -> None:
        if not self.ask("GET", f"/pools/{name}").ok:
            self.ask("POST", "/pools", {"name": name, **pool}).raise_for_status()

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        answer = self.ask("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        if answer.status_code in {requests.codes.bad_request, requests.codes.unprocessable}:
            raise UpError(f"Airflow refuses these run parameters: {answer.json().get('detail')}")
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def followed(self, dag_id: str, run_id: str, console: Console, *, patience: float | None = None) -> str:
        """Wait for a run to end, naming each task as it does.

        Raises:
            UpError: when Airflow falls silent, or the run takes longer than ``patience``.
        """
        told: set[str] = set()
        began = heard = time.monotonic()
        state = ""
        while state not in {"success", "failed"}:
            time.sleep(1)
            try:
                state = self._look(dag_id, run_id, told, console)
                heard = time.monotonic()
            except requests.RequestException as error:
                if time.monotonic() - heard > SILENCE:
                    raise UpError(f"Airflow does not answer any more ({error}); `make down`, then `make up`") from None
            if patience is not None and time.monotonic() - began > patience:
                raise UpError(f"{dag_id} has not ended within {patience:.0f} s")
        return state

    def _look(self, dag_id: str, run_id: str, told: set[str], console: Console) -> str:
        run = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        tasks = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        for answer in (run, tasks):
            answer.raise_for_status()
        ended = [task for task in tasks.json()["task_instances"] if task["end_date"] and task["task_id"] not in told]
        for task in sorted(ended, key=lambda one: str(one["end_date"])):
            told.add(task["task_id"])
            if task["state"] not in {"skipped", "removed"}:
                style = "red" if task["state"] in {"failed", "upstream_failed"} else None
                console.print(f"  {task['task_id']}: {task['state']}", style=style, highlight=False, markup=False)
        return str(run.json()["state"])

    def folder(self, dag_id: str, run_id: str) -> str | None:
        """The folder of a run, as its first task told."""
        answer = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/begin/xcomEntries/return_value")
        return str(answer.json()["value"]) if answer.ok else None


def _well(part: Mapping[str, str | None], name: str, since: datetime | None) -> bool:
    beat = part.get(f"latest_{name}_heartbeat")
    fresh = name == "metadatabase" or since is None or (beat is not None and datetime.fromisoformat(beat) > since)
    return part["status"] == "healthy" and fresh


# --- the two commands ---------------------------------------------------------------------------------------------------


def up(console: Console) -> int:
    """Start the sandbox and Airflow, wait until both serve, see to a first sync, and say where everything is.

    Raises:
        UpError: when something does not come up; all that was started is ended first.
    """
    port = _port()
    _interruptible()
    with _turn(console):
        found = _all_up(console)
        if found is not None:
            console.print("it is up already", style="bold")
            if kept_day() != datetime.now(UTC).date().isoformat():
                console.print(f"the campus is of {kept_day()}: `make down`, then `make up` starts one of today")
            _tell(*found, console)
            return 0
        _end_all()  # what a killed or half dead one has left
        _refuse_taken(port)
        began = time.monotonic()
        try:
            page, campus = _start(port, console)
        except BaseException as error:
            for number in STOPPING:  # a second Ctrl-C must not leave half of it running
                signal.signal(number, signal.SIG_IGN)
            console.print("ending what was started", style="yellow")
            _end_all()
            if isinstance(error, KeyboardInterrupt):
                raise UpError("interrupted; nothing is left running") from None
            raise
        console.print(f"\n[bold]Everything is up[/bold] after {time.monotonic() - began:.0f} s.", highlight=False)
        _tell(page, campus, console)
    return 0


def down(console: Console) -> int:
    """End all that `make up` started."""
    with _turn(console):
        ended = _end_all()
    if not ended:
        console.print("nothing is running")
        return 0
    counts = ", ".join(f"{name} ({count} process{'es' if count > 1 else ''})" for name, count in ended)
    console.print(f"ended: {counts}", highlight=False)
    console.print(f"what it did is kept in {short(home())}, the campus in {short(state_file())}", highlight=False)
    return 0


def running_page() -> Page | None:
    """The Airflow of `make up`, None when it does not run."""
    record = _record()
    if "airflow" not in record or Background(**record["airflow"]).leader() is None:
        return None
    return Page(int(record["port"]), _kept_json("passwords.json").get("admin", ""))


def serving(dag_id: str) -> Page | None:
    """The Airflow of `make up` when a run of this DAG belongs there: a terminal's run is one that its scheduler takes up too.

    The runs of a paused DAG it leaves alone.
    """
    page = running_page()
    with _answering():
        return page if page is not None and page.serves(dag_id) else None


def run_in_airflow(page: Page, dag_id: str, conf: Mapping[str, Any], console: Console) -> DagRun:
    """Run a DAG in the Airflow of `make up` and follow it."""
    began = time.monotonic()
    with _answering():
        run_id = page.trigger(dag_id, conf)
        console.print(f"run {run_id} in the Airflow of make up ({page.url})", highlight=False, markup=False)
        state = page.followed(dag_id, run_id, console)
        folder = page.folder(dag_id, run_id)
    log = home() / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    return DagRun(int(state != "success"), folder, log, time.monotonic() - began, _causes(folder))


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise UpError(f"the Airflow of make up does not answer ({error}); `make down`, then `make up`") from None


def _causes(folder: str | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    adopt_home()  # Airflow makes its home as it is imported
    from runs.folder import RunFolder  # noqa: PLC0415 - imports Airflow

    return tuple((RunFolder(folder).read_json("causes") or {"causes": ()})["causes"])


def site_pools(integrations: Mapping[str, Integration]) -> dict[str, dict[str, object]]:
    """One pool of one slot a site: sync and cleanup of a site never write at the same time."""
    return {
        integration.pool: {
            "slots": 1,
            "description": f"one run at a time writes to the site {integration.site_id}",
            "include_deferred": False,
        }
        for integration in integrations.values()
    }


# --- start and end ------------------------------------------------------------------------------------------------------


def _start(port: int, console: Console) -> tuple[Page, Campus]:
    integrations, errors = load_all()
    for error in errors:
        console.print(f"left out: {error}", style="yellow", markup=False, highlight=False)
    with ExitStack() as stack:
        for pool in sorted(site_pools(integrations)):  # a run of a terminal and Airflow's scheduler keep apart
            stack.enter_context(alone(pool, console))
        anew = todays_campus(console)
        campus = _start_sandbox(console)
        _give_up_abandoned_runs()
        began = datetime.now(UTC)
        page, server = _start_airflow(port, campus, console)
        wanted = NAME in integrations and (anew or not _synced_today(campus))
        _until(lambda: not page.unwell(began), "Airflow", server)
        prepared().touch()  # it has made its database itself
        console.print("Airflow is healthy", highlight=False)
        for pool, fields in site_pools(integrations).items():
            page.make_pool(pool, fields)
        _unpause(page, server, integrations, console)
        if wanted:
            _first_sync(page, console)
    return page, campus


def _start_sandbox(console: Console) -> Campus:
    path = announcement()
    path.unlink(missing_ok=True)
    options = ["--state", str(state_file()), "--announce", str(path), "--hector-port", "0", "--salto-port", "0"]
    command = [sys.executable, "-m", "include.sandbox", *options]
    sandbox = Background.start("sandbox", str(path), command, server_environment())
    _remember(sandbox=asdict(sandbox))
    campus: Campus = _until(running, "the sandbox", sandbox)
    console.print(f"sandbox: Hector at {campus.hector_url}, Salto KS at {campus.salto_url}", highlight=False)
    return campus


def _start_airflow(port: int, campus: Campus, console: Console) -> tuple[Page, Background]:
    passwords = _passwords()
    page = Page(port, passwords["admin"])
    _keep_secret("passwords.json", passwords)
    console.print("starting Airflow (half a minute)")
    mark = f"make_up={own_folder()}"
    command = [sys.executable, "-X", mark, *airflow("standalone")[1:]]
    server = Background.start("airflow", mark, command, _settings(page, campus))
    _remember(airflow=asdict(server), port=port)
    return page, server


def _settings(page: Page, campus: Campus) -> dict[str, str]:
    """The environment of Airflow's server: what must be so; what a user may have set otherwise; all else of the user's."""
    worker_logs, triggerer_logs = _free_ports(2)
    kept = _secrets()
    usual = {
        "AIRFLOW__CORE__PARALLELISM": "8",  # more at once, and SQLite locks out its own scheduler
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "50",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",  # seconds between two tasks of a run
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__API__SECRET_KEY": kept["api"],
        "AIRFLOW__API_AUTH__JWT_SECRET": kept["jwt"],
        "NO_COLOR": "1",
    }
    needed = {
        "AIRFLOW_HOME": str(home().absolute()),
        "HECTOR_SALTO_INTEGRATIONS": str(integrations_folder().absolute()),
        # A site of the user's own opens no door before somebody has read its first plan and unpaused it.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in LOGINS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(own_folder() / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{page.api}/execution/",
        "AIRFLOW__API__HOST": LOOPBACK,  # logins in plain HTTP are for this machine only
        "AIRFLOW__API__PORT": str(page.port),
        "AIRFLOW__API__BASE_URL": page.url,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggerer_logs),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), LOOPBACK, "localhost"])),
    }
    return {**usual, **server_environment(), **needed, **campus.variables}


def _give_up_abandoned_runs() -> None:
    """A run that a terminal began and never ended: the scheduler would take it up, beside the plan of another day."""
    if not list(home().glob(".migrated_*")):
        return  # no run was ever made here; Airflow makes its database itself
    prepare()
    adopt_home()  # Airflow makes its home as it is imported
    from airflow.models import TaskInstance  # noqa: PLC0415 - Airflow makes its home as it is imported
    from airflow.models.dagrun import DagRun as Row  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from airflow.utils.types import DagRunTriggeredByType  # noqa: PLC0415
    from sqlalchemy import select, update  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    begun = (Row.state == "running") & (Row.triggered_by == DagRunTriggeredByType.TEST)
    of_those = TaskInstance.run_id.in_(select(Row.run_id).where(begun)), TaskInstance.state.in_(UNDER_WAY)
    unseen = {"synchronize_session": False}  # nothing of it is in this session
    try:
        with create_session() as session:
            session.execute(update(TaskInstance).where(*of_those).values(state="failed"), execution_options=unseen)
            ended = update(Row).where(begun).values(state="failed", end_date=datetime.now(UTC))
            session.execute(ended, execution_options=unseen)
    except SQLAlchemyError as error:
        raise UpError(f"Airflow's database cannot be used: {str(error).partition(chr(10))[0]}") from None


def _synced_today(campus: Campus) -> bool:
    """Whether the ledger has a green sync of the sandbox of today, and scheduled runs of this very one apply their plans."""
    adopt_home()  # Airflow makes its home as it is imported
    os.environ.setdefault(*OWN_STORE)
    from include.ledger.ledger import LedgerError  # noqa: PLC0415 - with the ledger
    from include.ledger.questions import last_success  # noqa: PLC0415
    from runs.bookkeeping import ledger  # noqa: PLC0415 - imports Airflow

    try:
        began, release = last_success(ledger(), NAME), ledger().last_release(NAME)
    except LedgerError:
        return False  # the run will say what is wrong with it
    released = release is not None and not release.withdrawn and release.target.hector_url == campus.hector_url
    return began is not None and began.astimezone(UTC).date() == datetime.now(UTC).date() and released


def _unpause(page: Page, server: Background, integrations: Mapping[str, Integration], console: Console) -> None:
    if NAME not in integrations:
        folder = short(integrations_folder())
        console.print(f"there is no {NAME}.yaml in {folder}: no DAG keeps the sandbox in step", style="yellow")
        return
    for dag_id in (one.format(NAME) for one in OURS):
        _until(lambda dag_id=dag_id: page.ask("GET", f"/dags/{dag_id}").ok, f"the DAG {dag_id}", server)  # type: ignore[misc]
        page.ask("PATCH", f"/dags/{dag_id}", {"is_paused": False}).raise_for_status()


def _first_sync(page: Page, console: Console) -> None:
    dag_id = OURS[0].format(NAME)
    console.print(f"first run of {dag_id}", highlight=False)
    state = page.followed(dag_id, page.trigger(dag_id, {}), console, patience=RUNS)
    if state != "success":
        console.print("the run ended RED: the log of its task report says why", style="red", highlight=False)


def _end_all() -> list[tuple[str, int]]:
    """End what the record names, Airflow first, because its tasks speak to the sandbox; what ended, and how much."""
    record = _record()
    ended = []
    for name, number in (("airflow", signal.SIGINT), ("sandbox", signal.SIGTERM)):
        if name in record and (count := Background(**record[name]).end(number)):
            ended.append(({"airflow": "Airflow"}.get(name, f"the {name}"), count))
    announcement().unlink(missing_ok=True)
    (own_folder() / "record.json").unlink(missing_ok=True)
    return ended


def _all_up(console: Console) -> tuple[Page, Campus] | None:
    """What runs, when all of it does.

    Raises:
        UpError: when Airflow runs and is not well.
    """
    page, campus = running_page(), running()
    if page is None or campus is None or Background(**_record()["airflow"]).crippled():
        return None
    if not wait_until(lambda: not page.unwell(), ANSWERS):
        raise UpError(f"it is up, but not well ({', '.join(page.unwell())}): `make down`, then `make up`")
    if page.port != _port() and os.environ.get(PORT_SETTING):
        console.print(f"it keeps its port, {page.port}; another one takes `make down` first", style="yellow")
    return page, campus


def _until(look: Callable[[], Any], what: str, background: Background) -> Any:  # noqa: ANN401 - what is looked for
    end = time.monotonic() + STARTS
    while time.monotonic() < end:
        with contextlib.suppress(requests.RequestException):
            if found := look():
                return found
        if background.crippled():
            raise UpError(f"{what} did not come up: a process of it has ended{background.tail()}")
        time.sleep(POLL)
    raise UpError(f"no sign of {what} within {STARTS:.0f} s{background.tail()}")


# --- ports, passwords, files --------------------------------------------------------------------------------------------


def _port() -> int:
    text = os.environ.get(PORT_SETTING) or "8080"
    if not (text.isdecimal() and 0 < int(text) <= LAST_PORT):
        raise UpError(f"{PORT_SETTING} is {text!r}; a port is a number, for instance {PORT_SETTING}=8081 make up")
    return int(text)


def _refuse_taken(port: int) -> None:
    other = f"choose another, for instance {PORT_SETTING}={port % LAST_PORT + 1} make up"
    with socket.socket() as asking:
        if asking.connect_ex((LOOPBACK, port)) == 0:
            raise UpError(f"port {port} is taken by another program: {other}")
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((LOOPBACK, port))
        except OSError as error:
            raise UpError(f"port {port} cannot be used ({error.strerror}): {other}") from None


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _passwords() -> dict[str, str]:
    """One of the user's choice for all, or those made on the first start."""
    chosen = os.environ.get(PASSWORD_SETTING)
    return dict.fromkeys(LOGINS, chosen) if chosen else {name: _secrets()[name] for name in LOGINS}


def _secrets() -> dict[str, str]:
    """Made once: logins and tokens of the page outlive a restart."""
    kept = _kept_json("secrets.json")
    if not kept:
        kept = {name: secrets.token_urlsafe(9) for name in LOGINS}
        kept |= {name: secrets.token_hex(64) for name in ("api", "jwt")}
        _keep_secret("secrets.json", kept)
    return kept


def _keep_secret(name: str, values: Mapping[str, str]) -> None:
    beside = own_folder() / f"{name}.new"
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(values), file, indent=1)
    beside.replace(own_folder() / name)


def _kept_json(name: str) -> dict[str, Any]:
    try:
        found = json.loads((own_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _record() -> dict[str, Any]:
    return _kept_json("record.json")


def _remember(**facts: object) -> None:
    """At once after each start: whoever is killed next has left word of what runs."""
    beside = own_folder() / "record.json.new"
    beside.write_text(json.dumps({**_record(), **facts}), encoding="utf-8")
    beside.replace(own_folder() / "record.json")


@contextmanager
def _turn(console: Console) -> Iterator[None]:
    """One `make up` or `make down` at a time."""
    with (own_folder() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another make up or make down is at work; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- processes ----------------------------------------------------------------------------------------------------------


def _interruptible() -> None:
    """Every way of being told to stop ends what was started; also in a background job, for which bash ignores SIGINT."""
    for number in STOPPING:
        signal.signal(number, signal.default_int_handler)


# --- what is said -------------------------------------------------------------------------------------------------------


def _tell(page: Page, campus: Campus, console: Console) -> None:
    passwords = _kept_json("passwords.json")
    for line in _lines(page, campus, passwords):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(page: Page, campus: Campus, passwords: Mapping[str, str]) -> list[str]:
    logins = [f"{name:<6} {passwords[name]:<14} {MAY[name]}" for name in LOGINS]
    return [
        "",
        f'  page      {page.url}/   ("Salto doors" in its navigation: {page.url}/plugin/doors)',
        f"  logins    {logins[0]}",
        *(f"            {login}" for login in logins[1:]),
        f"  Hector    {campus.hector_url}",
        f"  Salto KS  {campus.salto_url}",
        f"  logs      {short(log_of('airflow'))}, {short(log_of('sandbox'))}; of tasks: {short(home() / 'logs')}",
        "",
        *_try_this(campus),
        "make down    ends all of it; runs, ledger and campus are kept",
    ]


def _try_this(campus: Campus) -> list[str]:
    if NAME not in load_all()[0]:
        return []
    try:
        found = booking(load(state_file()), campus.hector_url, datetime.now(UTC))
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
