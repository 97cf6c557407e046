"""The door of one server: faults, throttle and latency on the way in, the record on the way out."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from sandbox.faults import Fault
from sandbox.web import Call, Reply, text_reply

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from sandbox.behaviour import Throttle
    from sandbox.faults import FaultPlan
    from sandbox.world import World

NO_FAULT = Fault("")
TICK = 0.02


class Window:
    """The counting of one throttle: fixed windows that open with their first request."""

    def __init__(self) -> None:
        self._opened: dict[str, tuple[dt.datetime, int]] = {}

    def refusal(self, throttle: Throttle, call: Call) -> Reply | None:
        """The 429 when the window is full."""
        key = f"{call.method} {call.path}" if throttle.per_endpoint else ""
        opened, used = self._opened.get(key, (call.at, 0))
        left = throttle.window_seconds - (call.at - opened).total_seconds()
        if left <= 0:
            opened, used, left = call.at, 0, throttle.window_seconds
        if used < throttle.limit:
            self._opened[key] = (opened, used + 1)
            return None
        headers = {"Retry-After": str(max(1, math.ceil(left)))} if throttle.retry_after else {}
        text = f"API calls quota exceeded! maximum admitted {throttle.limit} per {throttle.window_seconds:g}s."
        return text_reply(text, HTTPStatus.TOO_MANY_REQUESTS, headers)


class Gate:
    """The ASGI application of one server."""

    def __init__(self, server: str, world: World, answer: Callable[[World, Call], Reply]) -> None:
        self.server = server
        self.world = world
        self.stopping = threading.Event()
        self._answer = answer
        self._window = Window()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await self._read(scope, receive)
        if call.path.startswith("/_sandbox/"):
            return await _send(send, self._answer(self.world, call), self._date())
        reply = await self._serve(call)
        if reply is None:
            scope["extensions"]["sandbox.transport"].abort()
            # The loop needs a turn to see the lost connection, else uvicorn would try to answer 500.
            return await asyncio.sleep(TICK)
        return await _send(send, reply, self._date())

    def _date(self) -> str:
        """The machine's own time: the clock of the world is only what the servers take for now."""
        behaviour = self.world.behaviour
        ahead = behaviour.salto_clock_ahead if self.server == "salto" else behaviour.hector_clock_ahead
        return formatdate(time.time() + ahead, usegmt=True)

    async def _serve(self, call: Call) -> Reply | None:
        """The reply, or None when the connection is to be dropped."""
        number = self.world.log.take_number()
        if self.world.latency_ms:
            await asyncio.sleep(self.world.latency_ms / 1000)
        fault = self._plan().take(call) or NO_FAULT
        await self._hang(fault.hang_before)
        reply = None if fault.drop == "before" else self._carry_out(call, fault, number)
        if reply is None and fault.drop == "before":
            self.world.log.add(number, call, None, fault.name)
        await self._hang(fault.hang_after)
        return None if fault.drop == "after" else reply

    def _carry_out(self, call: Call, fault: Fault, number: int) -> Reply:
        before, after, after_write = fault.before, fault.after, self.world.after_write
        reply = self._kept(lambda: before(call)) if before else None
        reached = reply is None
        if reply is None:
            reply = self._throttled(call)
            reached = reply is None
        if reply is None:
            reply = self._answer(self.world, call)
        status = None if fault.drop == "after" else reply.status
        row = self.world.log.add(number, call, status, fault.name or None)
        if reached and row.is_write and self.server == "salto" and after_write:
            self._kept(lambda: after_write(self.world.salto, row))
        answered = reply
        return (self._kept(lambda: after(call, answered)) if after else None) or reply

    def _kept(self, call_back: Callable[[], Reply | None]) -> Reply | None:
        try:
            return call_back()
        except BaseException as error:  # noqa: BLE001 - a failed assertion of a test must reach the test, not the client
            self.world.errors.append(error)
            return None

    def _throttled(self, call: Call) -> Reply | None:
        behaviour = self.world.behaviour
        throttle = behaviour.salto_throttle if self.server == "salto" else behaviour.hector_throttle
        return self._window.refusal(throttle, call) if throttle and not call.is_token_request else None

    def _plan(self) -> FaultPlan:
        return self.world.salto_faults if self.server == "salto" else self.world.hector_faults

    async def _hang(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until and not self.stopping.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(min(TICK, until - loop.time()))

    async def _read(self, scope: Scope, receive: Receive) -> Call:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        return Call(
            server=self.server,
            method=scope["method"],
            path=scope["path"],
            raw_target=target,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            at=self.world.clock(),
        )


async def _send(send: Send, reply: Reply, date: str) -> None:
    headers = [(b"date", date.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.content_type:
        headers.append((b"content-type", reply.content_type.encode()))
    if reply.status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
