"""The sandbox as a context manager: two servers on loopback around one world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sandbox import hector_api, salto_api
from sandbox.behaviour import Behaviour
from sandbox.gate import Gate
from sandbox.serving import Served
from sandbox.world import World, utc_now

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from types import TracebackType

    from sandbox.foundation import Scenario


class Sandbox(World):
    """A local Hector and a local Salto KS, running inside ``with Sandbox(empty()) as sandbox:``.

    :param scenario: the two states and the credentials, see ``empty`` and ``campus``.
    :param behaviour: the switches; ``sandbox.change(...)`` turns them while it runs.
    :param clock: what the servers take for now; also an attribute that may be replaced.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings with defaults
        self,
        scenario: Scenario,
        *,
        behaviour: Behaviour | None = None,
        clock: Callable[[], dt.datetime] = utc_now,
        latency_ms: float = 0.0,
        hector_port: int = 0,
        salto_port: int = 0,
    ) -> None:
        super().__init__(
            scenario.hector,
            scenario.salto,
            scenario.credentials,
            behaviour or Behaviour(),
            clock=clock,
            latency_ms=latency_ms,
        )
        self._ports = hector_port, salto_port
        self._served: list[Served] = []

    def start(self) -> Self:
        answers = (("hector", hector_api.answer), ("salto", salto_api.answer))
        try:
            for (name, answer), port in zip(answers, self._ports, strict=True):
                served = Served(Gate(name, self, answer), port)
                self._served.append(served)
                served.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for served in self._served:
            served.ask_to_stop()
        while self._served:
            self._served.pop().stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.raise_errors()

    @property
    def hector_url(self) -> str:
        return f"{self._served[0].url}/api/v1"

    @property
    def salto_url(self) -> str:
        return self._served[1].url

    @property
    def identity_url(self) -> str:
        return self._served[1].url

    def connections(self, name: str, *, api_version: str | None = None) -> dict[str, str]:
        """The environment variables from which Airflow reads the two connections."""
        urls = self.hector_url, self.salto_url, self.identity_url
        return self.credentials.connections(name, *urls, api_version=api_version)
