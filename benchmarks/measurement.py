"""One benchmark in a process that knows nothing of the others, in an Airflow home of its own."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import active_children, get_context
from typing import TYPE_CHECKING

from benchmarks.result_section import Section, machine

if TYPE_CHECKING:
    from types import FrameType

TERMINATED = 143
MODULES = {"rules": "rules_growth"}


def run_in_process(name: str, ledger: str) -> Section | None:
    """What a benchmark found; None when it cannot be measured yet."""
    with tempfile.TemporaryDirectory(prefix="hector-salto-bench-") as home:
        for setting in [setting for setting in os.environ if setting.startswith(("AIRFLOW", "HECTOR_SALTO_"))]:
            del os.environ[setting]  # what the shell has set must not decide a figure
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(run_benchmark, name, ledger).result()


def end_children(_number: int, _frame: FrameType | None) -> None:
    """Asked to end, each process ends what it has started."""
    for child in active_children():
        child.terminate()
    sys.exit(TERMINATED)


def run_benchmark(name: str, ledger: str) -> Section | None:
    """The section of a benchmark; None when it has none yet."""
    signal.signal(signal.SIGTERM, end_children)
    try:
        section = importlib.import_module(f"benchmarks.{MODULES.get(name, name)}").section
    except (ImportError, AttributeError):
        return None
    logging.basicConfig(
        force=True, filename=f"{os.environ['AIRFLOW_HOME']}/log", level=logging.INFO
    )  # as a task has one
    facts = machine()
    found: Section = section(ledger) if name == "page" else section()
    return replace(found, machine=facts)
