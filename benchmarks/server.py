"""The sandbox in a process of its own, so that what is measured shares no interpreter with what answers it."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from sandbox import Credentials, Scenario

T = TypeVar("T")


@dataclass(frozen=True)
class Requests:
    """How many reached one of the two servers, token requests among the writes' neighbours: they are neither."""

    reads: int
    writes: int
    tokens: int = 0

    @property
    def all(self) -> int:
        return self.reads + self.writes + self.tokens


@dataclass(frozen=True)
class Server:
    """A running sandbox of another process."""

    hector_url: str
    salto_url: str
    credentials: Credentials
    variables: dict[str, str]
    _pipe: Connection = field(repr=False)

    @property
    def identity_url(self) -> str:
        return self.salto_url

    def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """What ``function(sandbox, *arguments)`` gives over there.

        Raises:
            RuntimeError: with the traceback of over there.
        """
        self._pipe.send((function, arguments))
        fine, found = self._pipe.recv()
        if not fine:
            raise RuntimeError(found)
        return found  # type: ignore[no-any-return]  # what a function gives, whatever it is

    def requests(self, server: str = "salto") -> Requests:
        """Since the last ``forget``."""
        return self.ask(_count_requests, server)

    def reset_counts(self) -> None:
        """Count from now on."""
        self.ask(_clear_log)

    def replace_state(self, build: Callable[..., Scenario], *arguments: object) -> None:
        """With the states that ``build(*arguments)`` makes, answered at once; credentials stay."""
        self.ask(_replace_state, build, arguments)

    def delay(self, milliseconds: float) -> None:
        """From now on every answer takes this long; requests do not wait for one another."""
        self.ask(_delay_answers, milliseconds)


@contextlib.contextmanager
def server(build: Callable[..., Scenario], *arguments: object, latency_ms: float = 0.0) -> Iterator[Server]:
    """Serve the scenario that ``build(*arguments)`` makes over there."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, build, arguments, latency_ms), daemon=True)
    process.start()
    there.close()
    try:
        hector_url, salto_url, credentials, variables = here.recv()
        yield Server(hector_url, salto_url, credentials, variables, here)
    finally:
        with contextlib.suppress(OSError):
            here.send(None)
        process.join(10)
        if process.is_alive():
            process.kill()


def _serve(pipe: Connection, build: Callable[..., Scenario], arguments: tuple[object, ...], latency_ms: float) -> None:
    with Sandbox(build(*arguments), latency_ms=latency_ms) as sandbox:
        pipe.send((sandbox.hector_url, sandbox.salto_url, sandbox.credentials, sandbox.connections("bench")))
        with contextlib.suppress(EOFError):  # whoever measured is gone
            while (wanted := pipe.recv()) is not None:
                pipe.send(_answer(sandbox, *wanted))


def _answer(sandbox: Sandbox, function: Callable[..., Any], arguments: tuple[object, ...]) -> tuple[bool, object]:
    try:
        return True, function(sandbox, *arguments)
    except Exception:  # noqa: BLE001 - it is raised where it was asked for
        return False, traceback.format_exc()


def _count_requests(sandbox: Sandbox, server_: str) -> Requests:
    rows = [row for row in sandbox.requests if row.server == server_]
    tokens = sum(row.path == "/connect/token" for row in rows)
    writes = sum(row.is_write for row in rows)
    return Requests(len(rows) - writes - tokens, writes, tokens)


def _clear_log(sandbox: Sandbox) -> None:
    sandbox.log.clear()


def _replace_state(sandbox: Sandbox, build: Callable[..., Scenario], arguments: tuple[object, ...]) -> None:
    scenario = build(*arguments)
    sandbox.hector, sandbox.salto = scenario.hector, scenario.salto
    sandbox.latency_ms = 0.0
    sandbox.log.clear()


def _delay_answers(sandbox: Sandbox, milliseconds: float) -> None:
    sandbox.latency_ms = milliseconds
