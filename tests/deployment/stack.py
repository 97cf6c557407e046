"""The services of docker-compose.yml as processes of this machine, for where there is no Docker.

Commands, settings, health checks, order and restarts are read from the file. What a container gives is stood in for:
names of hosts become 127.0.0.1 with free ports, volumes and folders of the image become folders of the stack's own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests
import yaml
from dotenv import dotenv_values

from tests.ledger.postgres import MISSING, _non_root_options, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])([^}]*)}")
HOST = re.compile(r"(?<=[@/])(postgres|redis|api-server|127\.0\.0\.1):(\d+)")
LISTENS = {"postgres": 5432, "redis": 6379, "api-server": 8080, "scheduler": 8974}
STARTS, STOPS, CHECK_SECONDS, WATCH_SECONDS = 180.0, 120.0, 20.0, 0.5
# A container has its own name and its own loopback; a process has to be told.
HOSTNAME = "import os\n\n\ndef name():\n    return os.environ['HOSTNAME']\n"


def missing() -> str | None:
    """What of the stack is not on this machine."""
    if programs() is None:
        return MISSING
    return None if shutil.which("redis-server") else "redis-server is not on this machine; apt-get install redis-server"


@dataclass
class Service:
    """One service of the file, and its process while it runs."""

    name: str
    about: Mapping[str, Any]
    command: list[str]
    environment: dict[str, str]
    as_user: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False  # somebody started it and has not stopped it
    sessions: list[int] = field(default_factory=list)  # one for each start; what it starts itself stays in it

    @property
    def starts(self) -> int:
        return len(self.sessions)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def lives_on(self) -> bool:
        return self.about.get("restart") == "unless-stopped"


class Stack:
    """The file's services; ``with running(...) as stack`` brings all of them up and ends all of them.

    :param project: the folder in which a user would run ``docker compose``: its ``.env``, its ``include/integrations``.
    :param code: the tree that the image would hold.
    :param other: settings that differ from the file's, with a reason at the caller.
    """

    def __init__(self, project: Path, code: Path = ROOT, other: Mapping[str, str] | None = None) -> None:
        self.project, self.code = project, code
        self.home = Path(tempfile.mkdtemp(prefix="hs-stack-"))  # a socket's path may be no longer than 107 letters
        self.home.chmod(0o711)  # PostgreSQL's own user passes through
        self.given = {name: value or "" for name, value in dotenv_values(project / ".env", interpolate=False).items()}
        self.data = fill_variables(
            yaml.safe_load((code / "docker-compose.yml").read_text(encoding="utf-8")), self.given
        )
        connections = project / "connections.env"
        self.connections = {name: value or "" for name, value in dotenv_values(connections, interpolate=False).items()}
        self.ports = {port: free_port() for port in LISTENS.values()}
        self.other = dict(other or {})
        (self.home / "container.py").write_text(HOSTNAME, encoding="utf-8")
        self.services = {name: self._service(name, about) for name, about in self.data["services"].items()}
        self._ending = threading.Event()
        self._turn = threading.RLock()

    # --- what docker compose up, stop, restart and kill do ---------------------------------------------------------

    def up(self) -> None:
        """Everything, each service after those it depends on."""
        threading.Thread(target=self._watch, daemon=True).start()
        waiting = dict(self.services)
        while waiting:
            ready = [name for name, service in waiting.items() if self._may_start(service)]
            for name in ready:
                self.start(name)
                if waiting.pop(name).about.get("restart") == "no":
                    self._has_completed(name)
        for name, service in self.services.items():
            if "healthcheck" in service.about:
                self.until(lambda name=name: self.healthy(name), f"the health of {name}")

    def start(self, name: str) -> None:
        service = self.services[name]
        with self._turn:
            if name == "postgres" and not (self.volume("postgres") / "PG_VERSION").exists():
                self._initdb(service)
            self._run(service)
            service.wanted = True

    def stop(self, name: str) -> None:
        """SIGTERM to the service's own process; what is left of it after the grace period is killed."""
        service = self.services[name]
        service.wanted = False
        if service.alive and service.process is not None:
            service.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.process.wait(STOPS)
        self._end_all_of(service)

    def kill(self, name: str, *, comes_back: bool) -> None:
        """Every process of a service at once, as when its machine is lost; or (comes_back) as when memory runs out."""
        with self._turn:
            self.services[name].wanted = comes_back
            self._end_all_of(self.services[name])

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def restart_postgres(self) -> None:
        """As an administrator does it: every connection is cut, the data is left in order."""
        service = self.services["postgres"]
        assert service.process is not None
        service.process.send_signal(
            signal.SIGINT
        )  # PostgreSQL's fast shutdown; the file's restart rule starts it again
        service.process.wait(STOPS)

    def down(self) -> None:
        self._ending.set()
        order = list(self.services.values())
        for service in order:
            service.wanted = False
            if service.name not in {"postgres", "redis"} and service.alive and service.process is not None:
                service.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 15
        while time.monotonic() < until and any(s.alive for s in order if s.name not in {"postgres", "redis"}):
            time.sleep(0.1)
        for service in reversed(order):
            self._end_all_of(service)
        shutil.rmtree(self.home, ignore_errors=True)

    # --- what a test looks at ---------------------------------------------------------------------------------------

    def healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        service = self.services[name]
        if not service.alive:
            return False
        words = self._words(name, service.about["healthcheck"]["test"][1:])
        done = subprocess.run(
            words, env=service.environment, capture_output=True, timeout=CHECK_SECONDS + 10, check=False
        )
        return done.returncode == 0

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def volume(self, name: str) -> Path:
        folder = self.home / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[LISTENS['api-server']]}"

    def processes(self, name: str | None = None) -> list[psutil.Process]:
        """Those of a service, or of all: of its sessions, whoever of them has died, and what those started.

        PostgreSQL's own leave the session.
        """
        services = [self.services[name]] if name else self.services.values()
        sessions = {session for service in services for session in service.sessions}
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(process.pid) in sessions:
                    for one in [process, *process.children(recursive=True)]:
                        found[one.pid] = one
        return [one for one in found.values() if _is_alive(one)]

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU by service: of its processes that are there, and of those of theirs that have ended."""
        return {
            name: sum(map(_seconds, self.processes(name))) for name, service in self.services.items() if service.starts
        }

    def until(self, look: Callable[[], Any], what: str, patience: float = STARTS, every: float = 0.5) -> Any:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException, subprocess.TimeoutExpired):
                if found := look():
                    return found
            time.sleep(every)
        ends = "\n".join(f"--- {name}\n{self.log(name)[-1500:]}" for name, one in self.services.items() if one.starts)
        raise TimeoutError(f"no sign of {what} within {patience:.0f} s; the ends of the logs:\n{ends}")

    # --- one service --------------------------------------------------------------------------------------------------

    def _service(self, name: str, about: Mapping[str, Any]) -> Service:
        told = (
            {}
            if name in {"postgres", "redis"}
            else {
                **(self.connections if "env_file" in about else {}),
                **about["environment"],
                **self.other,
            }
        )
        environment = {key: self._local_value(name, str(value)) for key, value in told.items()}
        environment |= {key: str(value) for key, value in about.get("environment", {}).items() if not told}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}:{programs()}:{os.environ['PATH']}",
            "HOME": str(self._container(name)),
            "HOSTNAME": about.get("hostname", name),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports[5432]),
            "PYTHONUNBUFFERED": "1",
        }
        if told:
            environment |= self._alone(name)
            environment["PYTHONPATH"] += f":{self.home}"
        return Service(name, about, self._command(name, about), environment)

    def _alone(self, name: str) -> dict[str, str]:
        """A container's name and its ports, which on one machine are everybody's."""
        logs = free_port() if name.startswith(("worker", "triggerer")) else 0
        return {
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "container.name",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports[LISTENS["scheduler"]]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(logs),
        }

    def _command(self, name: str, about: Mapping[str, Any]) -> list[str]:
        if name == "postgres":  # the image's own command
            listen = ["-c", "listen_addresses=127.0.0.1", "-p", str(self.ports[5432]), "-k", str(self.home / "pg")]
            return [f"{programs()}/postgres", "-D", str(self.volume("postgres")), *listen]
        words = self._words(name, about["command"])
        if name == "redis":
            words += ["--port", str(self.ports[6379]), "--bind", "127.0.0.1", "--dir", str(self.volume("redis"))]
        return words

    def _words(self, name: str, words: list[str]) -> list[str]:
        moved = [self._local_value(name, str(word)) for word in words]
        if "--port" in moved:
            at = moved.index("--port") + 1
            moved[at] = str(self.ports[int(moved[at])])
        if moved[0] == "redis-cli":
            moved[1:1] = ["-p", str(self.ports[6379])]
        if moved[0] == "python":
            moved[0] = sys.executable
        return moved

    def _local_value(self, name: str, text: str) -> str:
        """A value of the file as it is true on this machine."""
        text = HOST.sub(lambda found: f"127.0.0.1:{self.ports.get(int(found[2]), found[2])}", text)
        for inside, outside in self._folders(name):
            text = re.sub(rf"{re.escape(inside)}(?=$|[/:])", str(outside), text)
        return text

    def _folders(self, name: str) -> list[tuple[str, Path]]:
        """Paths in the container and where they are; the longest first."""
        folders = {"/opt/airflow": self._container(name), "/opt/hector-salto": self.code}
        for other in self.data["services"].values():  # a setting may name a volume that its service does not mount
            for volume in other.get("volumes", []):
                source, inside = volume.split(":")[:2]
                outside = self.project / source if source.startswith(".") else self.volume(source)
                folders[inside] = outside
        return sorted(folders.items(), key=lambda pair: -len(pair[0]))

    def _container(self, name: str) -> Path:
        folder = self.home / "containers" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # --- its process --------------------------------------------------------------------------------------------------

    def _may_start(self, service: Service) -> bool:
        return all(
            self.services[other].starts > 0 and (how["condition"] != "service_healthy" or self._well(other))
            for other, how in service.about.get("depends_on", {}).items()
        )

    def _well(self, name: str) -> bool:
        return bool(self.until(lambda: self.healthy(name), f"the health of {name}"))

    def _has_completed(self, name: str) -> None:
        process = self.services[name].process
        assert process is not None
        if process.wait(STARTS):
            raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.log(name)[-4000:]}")

    def _run(self, service: Service) -> None:
        with (self.home / f"{service.name}.log").open("ab") as log:
            service.process = subprocess.Popen(
                service.command,
                env=service.environment,
                cwd=self._container(service.name) if not service.as_user else self.home / "pg",
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **service.as_user,
            )
        service.sessions.append(service.process.pid)

    def _watch(self) -> None:
        """What has ended and should not have is started again, as ``restart: unless-stopped`` does."""
        while not self._ending.wait(WATCH_SECONDS):
            with self._turn:
                for service in self.services.values():
                    if service.wanted and service.lives_on and not service.alive and not self._ending.is_set():
                        self._end_all_of(service)
                        self._run(service)

    def _end_all_of(self, service: Service) -> None:
        for process in self.processes(service.name):
            with contextlib.suppress(psutil.Error):
                process.kill()
        if service.process is not None:
            service.process.wait(10)

    def _initdb(self, service: Service) -> None:
        """The image's first start: a cluster of POSTGRES_USER with its password and database."""
        data, beside = self.volume("postgres"), self.home / "pg"
        beside.mkdir()
        (beside / "password").write_text(service.environment["POSTGRES_PASSWORD"], encoding="utf-8")
        service.as_user = _non_root_options(beside)
        for path in (beside / "password", data):
            if service.as_user:
                os.chown(path, service.as_user["user"], service.as_user["group"])
        data.chmod(0o700)
        for folder in (self.home / "volumes", self.home):
            folder.chmod(0o711)
        user = service.environment["POSTGRES_USER"]
        words = ["initdb", "--pgdata", str(data), "--username", user, "--pwfile", str(beside / "password")]
        self._postgres(service, [*words, "--auth", "scram-sha-256", "--no-sync"])
        sql = f"CREATE DATABASE {service.environment['POSTGRES_DB']};\n"
        self._postgres(service, ["postgres", "--single", "-D", str(data), "postgres"], sql)

    def _postgres(self, service: Service, words: list[str], told: str | None = None) -> None:
        command = [f"{programs()}/{words[0]}", *words[1:]]
        done = subprocess.run(
            command, input=told, text=True, check=False, capture_output=True, cwd=self.home / "pg", **service.as_user
        )
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def running(project: Path, code: Path = ROOT, other: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """The whole stack up and healthy; whatever happens, nothing of it is left behind."""
    stack = Stack(project, code, other)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _seconds(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:
        return 0.0


def fill_variables(data: Any, given: Mapping[str, str]) -> Any:
    """The file's data with its variables as compose sets them.

    Raises:
        KeyError: for a variable that must be given and is not, with what the file says about it.
    """
    if isinstance(data, dict):
        return {key: fill_variables(value, given) for key, value in data.items()}
    if isinstance(data, list):
        return [fill_variables(value, given) for value in data]
    return VARIABLE.sub(lambda found: _value(found, given), data) if isinstance(data, str) else data


def _value(found: re.Match[str], given: Mapping[str, str]) -> str:
    if found[2] == ":?" and not given.get(found[1]):
        raise KeyError(f"{found[1]}: {found[3]}")
    return given.get(found[1]) or found[3]


def write_project(folder: Path, settings: Mapping[str, str]) -> Path:
    """What a user makes before ``docker compose up``: .env from .env.example, each secret by the command above its line."""
    lines: list[str] = []
    example = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    for above, line in zip(["", *example], example, strict=False):
        recipe = re.match(r"# (openssl rand [^#]*?)(?:  .*)?$", above)
        if re.fullmatch(r"[A-Z_]+=", line) and recipe:
            made = subprocess.run(["bash", "-c", recipe[1]], capture_output=True, text=True, check=True)  # noqa: S607
            lines.append(line + made.stdout.strip())
        elif not (line.endswith("=") and line[:-1] in settings):
            lines.append(line)
    own = {name: f"{name}='{value}'" for name, value in settings.items()}
    secret = [line for name, line in own.items() if name.startswith("AIRFLOW_CONN_")]
    lines += [line for line in own.values() if line not in secret]
    (folder / "include" / "integrations").mkdir(parents=True)
    (folder / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "connections.env").write_text("\n".join(secret) + "\n", encoding="utf-8")
    return folder


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
