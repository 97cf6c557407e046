"""How many requests this process has sent to each service: a run says what it cost."""

from __future__ import annotations

import threading
from collections import Counter

_sent: Counter[str] = Counter()
_lock = threading.Lock()


def note(service: str) -> None:
    with _lock:
        _sent[service] += 1


def sent() -> Counter[str]:
    """So far; subtract an earlier one to know what was sent since."""
    with _lock:
        return Counter(_sent)
