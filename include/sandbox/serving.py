"""One HTTP server in a thread of its own, on loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from include.sandbox.gate import Gate

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0


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
        self._server = uvicorn.Server(_config(gate))
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
            time.sleep(0.002)

    def ask_to_stop(self) -> None:
        """End what hangs and close every connection, soon."""
        self._gate.stopping.set()
        self._server.should_exit = True

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
        timeout_graceful_shutdown=1,
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
