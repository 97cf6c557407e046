"""Names of bounded length for folders and runs: Airflow takes run ids of 250 letters, file systems names of 255 bytes."""

from __future__ import annotations

import hashlib

LONGEST_FOLDER, LONGEST_RUN_ID = 100, 200
DIGEST = 16


def shorten(text: str, longest: int) -> str:
    """Return the text; a longer one is cut and ends with a digest of the whole, so that distinct texts stay distinct."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - DIGEST - 1]}_{hashlib.sha256(text.encode()).hexdigest()[:DIGEST]}"


def derived_run_id(prefix: str, run_id: str) -> str:
    """Return the id of a run that another one starts."""
    return shorten(f"{prefix}__{run_id}", LONGEST_RUN_ID)
