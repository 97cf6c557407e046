"""The worlds that the sandbox can start with."""

from sandbox.campus import campus
from sandbox.foundation import Credentials, Scenario, empty

__all__ = ["Credentials", "Scenario", "campus", "empty"]
