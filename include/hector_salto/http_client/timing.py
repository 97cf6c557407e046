"""The clock and the sleep that waiting code is given, so that a test can wait an hour in no time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Timing:
    """How to wait, and how to see that time has passed.

    Attributes:
        wall: this machine's clock, in seconds since 1970.
        patient: False for a person who waits for the answer: what fails is reported at once, not tried again.
    """

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    patient: bool = True
    wall: Callable[[], float] = time.time


SYSTEM_CLOCK = Timing()
WITHOUT_RETRIES = Timing(patient=False)
