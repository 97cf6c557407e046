"""Processes that outlive the command which started them: how `make up` begins them and `make down` ends them, and nobody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

from commands.settings import ROOT, home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ENDS, LINGERS, DIES = 45.0, 10.0, 10.0  # seconds of patience
POLL = 0.25
TAIL = 25


@dataclass(frozen=True)
class Background:
    """A process that outlives the command which started it, with all that it starts in turn: one session.

    name: in words; pid: of the first one, which leads the session; mark: part of its command line, by which it is told
    from a stranger who has got its number since.
    """

    name: str
    pid: int
    mark: str

    @classmethod
    def start(cls, name: str, mark: str, command: Sequence[str], environment: Mapping[str, str]) -> Background:
        with log_of(name).open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in this terminal, or its end, is not meant for it
            )
        return cls(name, process.pid, mark)

    def leader(self) -> psutil.Process | None:
        found = _process(self.pid)
        return found if found is not None and self.mark in _words(found) else None

    def processes(self) -> list[psutil.Process]:
        """All that live: the session, while no stranger leads it."""
        leader = _process(self.pid)
        words = _words(leader) if leader is not None else []
        if words and self.mark not in words:
            return []
        members = [one for one in map(_process, psutil.pids()) if one is not None and _session(one) == self.pid]
        # Without its leader, or with one that is just dying and has no command line any more, each must be known by itself.
        return members if words else [one for one in members if _is_of_this_checkout(one)]

    def crippled(self) -> bool:
        """True when something that it started itself has died: Airflow's standalone then stays up without it."""
        leader = self.leader()
        if leader is None:
            return True
        with contextlib.suppress(psutil.Error):
            return any(child.status() == psutil.STATUS_ZOMBIE for child in leader.children())
        return False

    def end(self, number: signal.Signals) -> int:
        """Ask the leader to end, then whatever is left, in the end without asking.

        Returns:
            How many processes there were.
        """
        before = len(self.processes())
        if (leader := self.leader()) is not None:
            patience = LINGERS if self.crippled() else ENDS  # Airflow waits for ever for a part that has died
            _send([leader], number)
            if wait_until(lambda: self.leader() is None, patience):
                wait_until(lambda: not self.processes(), LINGERS)
        for last, patience in ((signal.SIGTERM, LINGERS), (signal.SIGKILL, DIES)):
            if found := self.processes():
                _send(found, last)
                wait_until(lambda: not self.processes(), patience)
        return before

    def tail(self) -> str:
        lines = log_of(self.name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(["", f"the end of {short(log_of(self.name))}:", *lines[-TAIL:]])


def own_folder() -> Path:
    folder = home().absolute() / "up"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def log_of(name: str) -> Path:
    return own_folder() / f"{name}.log"


def short(path: Path) -> Path:
    """As it is typed from the project's folder."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _process(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid)
        return found if found.status() != psutil.STATUS_ZOMBIE else None
    return None


def _session(process: psutil.Process) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(process.pid)
    return None


def _is_of_this_checkout(process: psutil.Process) -> bool:
    return any(word.startswith((sys.prefix, "airflow")) for word in _words(process))


def _words(process: psutil.Process) -> list[str]:
    """Its command line; empty while it dies."""
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


def _send(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            process.send_signal(number)


def wait_until(look: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(POLL)
    return found
