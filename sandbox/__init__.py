"""A local Hector and a local Salto KS as real HTTP servers, with an oracle that says who can open which door."""

from sandbox.behaviour import Behaviour, Throttle
from sandbox.campus import campus
from sandbox.doors import Opening, may_open, openings, outside
from sandbox.foundation import Credentials, Scenario, empty
from sandbox.hector_state import HectorState
from sandbox.request_log import RecordedRequest
from sandbox.salto_state import SaltoState
from sandbox.sandbox import Sandbox

__all__ = [
    "Behaviour",
    "Credentials",
    "HectorState",
    "Opening",
    "RecordedRequest",
    "SaltoState",
    "Sandbox",
    "Scenario",
    "Throttle",
    "campus",
    "empty",
    "may_open",
    "openings",
    "outside",
]
