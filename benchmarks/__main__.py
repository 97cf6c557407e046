"""``python -m benchmarks [names]``: measure all or some, write them into RESULTS.md, print every ratio at the end.

Each benchmark has a process and an Airflow home of its own.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

from benchmarks.measurement import end_children, run_in_process
from benchmarks.result_section import Section, write

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = {
    "apply": "one application of a plan against the least time its requests can take",
    "whole_sync": "a whole sync against a plain script and against making everything anew",
    "rules": "the rules against the bare merges of the same tables",
    "requests_sent": "requests of everyday runs, by service",
    "airflow_overhead": "the DAG against as many empty tasks, on each executor",
    "growth": "time and memory from 1,000 to 100,000 reservations, and from 1 to 200 sites",
    "dag_processor": "Airflow's DAG processor with 1 to 400 sites, and what its time-out does",
    "walk_up": "how soon a booking made at the door opens it, and what waiting for it costs",
    "scale": "a simulated evening of up to 1,000 sites, with the costs of the others",
    "page": "server time of the page's views with a year of runs",
    "many_machines": "compose's stack with 50 sites on one evening, and parts that are lost; only when named",
}
ONLY_NAMED = {"many_machines"}  # takes 22 minutes, and the machine for itself


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, end_children)
    sections, failed = [], []
    for name in options.names or [name for name in NAMES if name not in ONLY_NAMED]:
        began = time.monotonic()
        sys.stdout.write(f"{name}: {NAMES[name]}\n")
        sys.stdout.flush()
        try:
            section = run_in_process(name, options.ledger)
        except Exception:  # noqa: BLE001 - the others are measured all the same
            failed.append(name)
            traceback.print_exc()
            continue
        if section is None:
            sys.stdout.write("  cannot be measured yet\n")
            continue
        sections.append(section)
        _keep(section)
        sys.stdout.write(f"  {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(_ratios(sections))
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return int(bool(failed))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="\n".join(f"{name:18}{what}" for name, what in NAMES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name")
    parser.add_argument("--ledger", choices=["sqlite", "postgresql"], default="sqlite", help="of the page's benchmark")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return options


def _keep(section: Section) -> None:
    from benchmarks import plot  # noqa: PLC0415 - the processes that import this file need no pictures

    write(section)
    plot.draw(section)


def _ratios(sections: Sequence[Section]) -> str:
    lines = [f"{section.name:18}{ratio.text_line()}" for section in sections for ratio in section.ratios]
    return "\n".join(["", *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
