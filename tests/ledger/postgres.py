"""A PostgreSQL server of the tests' own, thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MISSING = "PostgreSQL's server is not on this machine; on Debian: apt-get install postgresql"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl."""
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else installed[-1].parent if installed else None


@dataclass(frozen=True)
class Server:
    """One that runs; ``url``: SQLAlchemy's, of an empty database."""

    url: str
    stop: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start one."""
    home = Path(tempfile.mkdtemp(prefix="hs-pg-"))  # a socket's path may be no longer than 107 letters
    as_user = _non_root_options(home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(name: str, *arguments: str) -> None:
        command = [str(folder / name), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=home, **as_user)

    data = str(home / "data")

    def start() -> None:
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        # Its output goes to a file: a pipe that the server keeps open would never end.
        run("pg_ctl", "--pgdata", data, "--wait", "--log", str(home / "log"), "-o", options, "start")

    def stop() -> None:
        run("pg_ctl", "--pgdata", data, "--wait", "--mode", "fast", "stop")

    try:
        run("initdb", "--pgdata", data, "--auth", "trust", "--username", "airflow", "--no-sync")
        start()
        yield Server(f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres", stop, start)
    finally:
        with suppress(subprocess.CalledProcessError):  # it may not have begun
            run("pg_ctl", "--pgdata", data, "--wait", "--mode", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _non_root_options(home: Path) -> dict[str, int]:
    """PostgreSQL refuses to run as root; as Debian's postgres, or as nobody, it does."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(home, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
