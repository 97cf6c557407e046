"""One HTTP server in a thread of its own, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from sandbox.gate import Gate

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0
GRACE_SECONDS = 0.5
POLL_SECONDS = 0.002


class QuickServer(uvicorn.Server):
    """uvicorn's server without its polling: a test that starts and stops one pays milliseconds, not a quarter second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._wake: Callable[[], object] = bool  # nothing to wake before the loop runs

    def ask_to_stop(self) -> None:
        """From any thread."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._wake()

    async def main_loop(self) -> None:
        wake, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = functools.partial(loop.call_soon_threadsafe, wake.set)
        await self.on_tick(0)
        while not self.should_exit:
            await wake.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is idle, let what is being answered finish, cut the rest."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        deadline = time.monotonic() + GRACE_SECONDS
        while self.server_state.tasks and time.monotonic() < deadline:  # noqa: ASYNC110 - uvicorn has a set, no event
            await asyncio.sleep(POLL_SECONDS)
        for task in self.server_state.tasks:
            task.cancel()
        await asyncio.sleep(0)


class Served:
    """A running server; its port is known and open before the thread starts."""

    def __init__(self, gate: Gate, port: int = 0) -> None:
        self._gate = gate
        # Named in full, because asyncio turns off delayed sending (40 ms a request) only for sockets of this protocol.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._server = QuickServer(_config(gate))
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{gate.server}", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"The sandbox server for {self._gate.server} did not start.")
            time.sleep(POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """End what hangs and close every connection, soon."""
        self._gate.stopping.set()
        self._server.ask_to_stop()

    def stop(self) -> None:
        """Stop and wait for the thread."""
        self.ask_to_stop()
        if self._thread.ident:
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def _config(gate: Gate) -> uvicorn.Config:
    return uvicorn.Config(
        gate,
        http=_protocol(),
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
        date_header=False,
    )


def _protocol() -> type[asyncio.Protocol]:
    class Droppable(H11Protocol):
        """Shows the application its transport, so that a fault can cut the connection."""

        def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvicorn's own type is wider than asyncio's
            super().connection_made(transport)
            served = self.app

            async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
                scope.setdefault("extensions", {})["sandbox.transport"] = transport
                await served(scope, receive, send)

            self.app = with_transport

    return Droppable
