"""Writes docs/assumptions.md: `python -m hector_salto.doctor.document > docs/assumptions.md`."""

from __future__ import annotations

import sys

from hector_salto.doctor.assumptions import ASSUMPTIONS, Assumption, Probe

HEAD = """# What is taken for granted, and what happens where it does not hold

Nobody who wrote this product could reach a Salto KS or a Hector, so what its clients rely on was read, not tried. Each line is
one assumption. `make doctor INTEGRATION=<name>` asks the services themselves; the word in the column *asked by* says how:

- **read**: always; only reads are sent.
- **write**: with `WRITES=<site UID>`, on a test site: a scratch access group without locks, removed at the end.
- **user**: with `PROBE_USER=<email>` as well: this person is invited, and removed at the end.
- **-**: not at all, as it could not be asked without waiting or harm.

Labels: D documented by Salto, M measured by others, C seen in others' code, I inferred, U unknown. *Flipped by* names the
sandbox's switch; tests run both positions.

"""


def assumptions_page() -> str:
    """Return the page, made from the list of assumptions."""
    rows = [_row(one) for one in ASSUMPTIONS.values()]
    head = "| id | contract | assumption | where it does not hold, this product | asked by | flipped by |"
    return HEAD + "\n".join([head, "|---|---|---|---|---|---|", *rows]) + "\n"


def _row(one: Assumption) -> str:
    asked = one.probe.value if one.probe is not Probe.NONE else "-"
    switch = f"`{one.switch}`" if one.switch else "data or a fault"
    return f"| `{one.id}` | {one.section} ({one.label}) | {one.text} | {one.product} | {asked} | {switch} |"


if __name__ == "__main__":
    sys.stdout.write(assumptions_page())
