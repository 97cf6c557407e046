"""The worlds that the sandbox can start with."""

from include.sandbox.campus import campus
from include.sandbox.foundation import Credentials, Scenario, empty

__all__ = ["Credentials", "Scenario", "campus", "empty"]
