"""How many requests this process has sent to each service: a run says what it cost."""

from __future__ import annotations

import threading
from collections import Counter

_counts: Counter[str] = Counter()
_lock = threading.Lock()


def count_request(service: str) -> None:
    with _lock:
        _counts[service] += 1


def request_counts() -> Counter[str]:
    """So far; subtract an earlier one to know what was sent since."""
    with _lock:
        return Counter(_counts)
