"""A local Hector and a local Salto KS as real HTTP servers, with an oracle that says who can open which door."""

from include.sandbox.behaviour import Behaviour, Throttle
from include.sandbox.campus import campus
from include.sandbox.doors import Opening, may_open, openings, outside
from include.sandbox.foundation import Credentials, Scenario, empty
from include.sandbox.hector_state import HectorState
from include.sandbox.request_log import RecordedRequest
from include.sandbox.salto_state import SaltoState
from include.sandbox.sandbox import Sandbox

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
