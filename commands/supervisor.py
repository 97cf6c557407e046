"""The processes of `make up`, run by supervisord: how they are started, asked after and ended, and nobody else's."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import signal
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from commands.settings import ROOT, home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

LOOPBACK = "127.0.0.1"
MARKER_VARIABLE = "HECTOR_SALTO_UP"  # in the environment of every process of a `make up`: the folder it belongs to
FOLDER_VARIABLE = (
    "HECTOR_SALTO_ROOT"  # where they work; in the environment, because a path may hold what is a comment in the file
)
CONFIGURATION_FILE, SUPERVISOR_LOG = "supervisord.conf", "supervisord.log"
ANSWER_TIMEOUT, SHUTDOWN_TIMEOUT, TERMINATE_TIMEOUT, KILL_TIMEOUT = 10.0, 75.0, 5.0, 10.0  # seconds of patience
POLL_INTERVAL = 0.25
TAIL_LINES = 25
MAX_LOG_SIZE = "20MB"
UNREACHABLE_ERRORS = (OSError, http.client.HTTPException, xmlrpc.client.Error)
RUNNING, STARTING_STATES, GIVEN_UP_STATES = "RUNNING", ("STARTING", "BACKOFF"), ("FATAL", "EXITED", "UNKNOWN")

HEAD_TEMPLATE = """\
[supervisord]
nodaemon = true
logfile = {log}
pidfile = supervisord.pid
minfds = 256
minprocs = 64

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[inet_http_server]
port = {loopback}:{port}
username = up
password = {password}
"""
# One that dies is started again, three times at once, then it is given up.
PROGRAM_TEMPLATE = """
[program:{name}]
command = {command}
directory = %(ENV_{folder})s
priority = {priority}
autorestart = true
startsecs = {starts}
startretries = 3
stopwaitsecs = {patience}
killasgroup = true
redirect_stderr = true
stdout_logfile = {name}.log
stdout_logfile_maxbytes = {largest}
stdout_logfile_backups = 1
"""


@dataclass(frozen=True)
class Program:
    """A process that supervisord keeps running.

    Attributes:
        name: of it and its log.
        command: its words; none holds a blank or a sign that the configuration reads otherwise.
        priority: lower ones are started first and ended last.
        patience: seconds it is given to end by itself.
        starts: seconds within which an end is a failed start: what imports much fails late.
    """

    name: str
    command: str
    priority: int
    patience: int = 15
    starts: int = 20


@dataclass(frozen=True)
class Supervisor:
    """The supervisord of a `make up`.

    Attributes:
        port: of loopback, where it is asked.
        password: by which only its own commands are heard.
    """

    port: int
    password: str = field(repr=False)

    @classmethod
    def create(cls, port: int) -> Supervisor:
        return cls(port, secrets.token_urlsafe(24).replace("-", "_"))

    def start(self, programs: Iterable[Program], environment: Mapping[str, str]) -> None:
        """Start supervisord with all programs, in a session of its own: the end of this terminal is not meant for it."""
        folder = own_folder()
        for old in folder.glob("*.log*"):
            old.unlink(missing_ok=True)
        write_secret(CONFIGURATION_FILE, self._configuration(programs))
        with log_file("supervisord").open("a", encoding="utf-8") as log:
            subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-s", "-c", CONFIGURATION_FILE],
                cwd=folder,
                env={**environment, MARKER_VARIABLE: str(folder), FOLDER_VARIABLE: str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _configuration(self, programs: Iterable[Program]) -> str:
        head = HEAD_TEMPLATE.format(loopback=LOOPBACK, port=self.port, password=self.password, log=SUPERVISOR_LOG)
        sections = (
            PROGRAM_TEMPLATE.format(
                name=one.name,
                command=one.command,
                folder=FOLDER_VARIABLE,
                priority=one.priority,
                patience=one.patience,
                starts=one.starts,
                largest=MAX_LOG_SIZE,
            )
            for one in programs
        )
        return head + "".join(sections)

    def states(self) -> dict[str, str]:
        """Return the state of each process; empty when supervisord does not answer."""
        try:
            found = self._ask("getAllProcessInfo")
        except UNREACHABLE_ERRORS:
            return {}
        return {str(one["name"]): str(one["statename"]) for one in found}

    def is_running(self) -> bool:
        return bool(self.states())

    def stop(self) -> None:
        """Have it end its processes, those started last first, then itself."""
        with contextlib.suppress(*UNREACHABLE_ERRORS):
            own = int(self._ask("getPID"))
            self._ask("shutdown")
            wait_until(lambda: own not in {one.pid for one in remaining_processes()}, SHUTDOWN_TIMEOUT)

    def _ask(self, method: str) -> Any:  # noqa: ANN401 - whatever the method answers
        address = f"http://up:{self.password}@{LOOPBACK}:{self.port}/RPC2"
        with xmlrpc.client.ServerProxy(address, transport=_TimeoutTransport()) as server:
            return getattr(server.supervisor, method)()


class _TimeoutTransport(xmlrpc.client.Transport):
    """Another program at the port of an old record may accept a connection and never answer."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ANN401 - the parent's signature
        connection = super().make_connection(host)
        connection.timeout = ANSWER_TIMEOUT
        return connection


def remaining_processes() -> list[psutil.Process]:
    """Return what lives of the `make up` of this folder, found by the mark in its environment, whoever started it."""
    folder = str(own_folder())
    return [one for one in psutil.process_iter() if _marker_of(one) == folder]


def _marker_of(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() != psutil.STATUS_ZOMBIE:
            return str(process.environ().get(MARKER_VARIABLE))
    return None


def end_all_processes(supervisor: Supervisor | None) -> int:
    """End everything of the `make up` of this folder: by supervisord, then whatever is left, in the end without asking.

    Returns:
        How many processes there were.
    """
    before = len(remaining_processes())
    if supervisor is not None and before:
        supervisor.stop()
    for last, patience in ((signal.SIGTERM, TERMINATE_TIMEOUT), (signal.SIGKILL, KILL_TIMEOUT)):
        if found := remaining_processes():
            for process in found:
                with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                    process.send_signal(last)
            wait_until(lambda: not remaining_processes(), patience)
    return before


def own_folder() -> Path:
    folder = home() / "up"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_secret(name: str, text: str) -> None:
    """Write a file of our folder for its owner only, whole or not at all."""
    beside = own_folder() / f"{name}.new"
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    beside.replace(own_folder() / name)


def log_file(name: str) -> Path:
    return own_folder() / f"{name}.log"


def log_tail(name: str) -> str:
    """Return the last lines of a log, as the end of a message."""
    try:
        lines = log_file(name).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(["", f"the end of {short_path(log_file(name))}:", *(lines[-TAIL_LINES:] or ["(empty)"])])


def short_path(path: Path) -> Path:
    """As it is typed from the project's folder."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def wait_until(look: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(POLL_INTERVAL)
    return found
