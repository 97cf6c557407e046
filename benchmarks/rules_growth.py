"""The rows of ``benchmarks/rules.py`` as a section: its yardsticks stand there."""

from __future__ import annotations

from typing import Any

from benchmarks import rules
from benchmarks.result_section import Chart, Ratio, Section, Table
from benchmarks.synthetic_site import Size

SHOWN = {
    "scenario": "scenario",
    "users": "users",
    "reservations": "reservations",
    "operations": "operations",
    "rules_seconds": "rules, s",
    "merges_seconds": "bare merges, s",
    "ratio": "ratio",
    "grown_mib": "memory, MiB",
    "bytes_a_row": "bytes a row",
}
GOALS, LINEAR = {rules.EVERYDAY: 2.0, rules.FIRST: 4.0}, 1.1


def section() -> Section:
    return build_section(rules.measure(Size(), rules.STEPS))


def build_section(rows: list[dict[str, Any]]) -> Section:
    size = Size()
    return Section(
        name="rules",
        title="The rules against the bare merges of the same tables",
        command='make bench ONLY="rules"',
        about=(
            "[rules.py](rules.py): the desired state and the plan of a site in everyday use (`everyday`) and of one that "
            f"Salto knows nothing of yet (`first`), up to {size.users:,} users, {size.reservations:,} reservations and "
            f"{size.doors:,} doors, in turns with the joins that anybody needs who compares these tables. Memory is what "
            "the process grew by at its highest."
        ),
        tables=[Table(list(SHOWN.values()), [[row[name] for name in SHOWN] for row in rows])],
        ratios=[ratio for some in _by_scenario(rows).values() for ratio in _ratios(some)],
        charts=[
            Chart("Rules and bare merges", "reservations", "s", _lines(rows), logarithmic=True),
        ],
    )


def _by_scenario(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["scenario"], []).append(row)
    return found


def _ratios(rows: list[dict[str, Any]]) -> list[Ratio]:
    last, name = rows[-1], rows[-1]["scenario"]
    found = [
        Ratio(f"rules, {name}, {last['reservations']:,} reservations: rules / bare merges", last["ratio"], GOALS[name])
    ]
    if len(rows) > 1:
        before = rows[-2]
        what = f"rules, {name}: bytes a row, {last['reservations']:,} / {before['reservations']:,} reservations"
        found.append(Ratio(what, last["bytes_a_row"] / before["bytes_a_row"], LINEAR))
    return found


def _lines(rows: list[dict[str, Any]]) -> dict[str, list[tuple[float | str, float]]]:
    return {
        f"{what}, {name}": [(row["reservations"], row[f"{what}_seconds"]) for row in some]
        for name, some in _by_scenario(rows).items()
        for what in ("rules", "merges")
    }
