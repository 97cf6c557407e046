"""`hector-salto`: where the DAG files of an installed package are, and the ledger's tables, where only the package is installed."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from importlib.resources import files

UP_TO_DATE, OUTDATED, FAILED = 0, 1, 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="hector-salto", description=__doc__)
    parser.add_argument("--version", action="version", version=version("hector-salto"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("dags-folder", help="print the folder to name in dag_bundle_config_list, or to load DAGs from")
    ledger = commands.add_parser("ledger", help="upgrade or check the ledger's tables")
    ledger.add_argument("action", choices=["upgrade", "check"], help="check: status 0 when they are up to date")
    arguments = parser.parse_args()
    if arguments.command == "dags-folder":
        sys.stdout.write(f"{files('hector_salto.dags')}\n")
        return UP_TO_DATE
    return _upgrade() if arguments.action == "upgrade" else _check()


def _upgrade() -> int:
    from hector_salto.ledger.ledger import LedgerError  # noqa: PLC0415 - imports Airflow, which the folder's name needs not
    from hector_salto.workflow.recorder import upgrade_ledger  # noqa: PLC0415

    try:
        found = upgrade_ledger()
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(f"the ledger has version {found}\n")
    return UP_TO_DATE


def _check() -> int:
    from hector_salto.ledger.ledger import LedgerError  # noqa: PLC0415
    from hector_salto.workflow.recorder import check_ledger  # noqa: PLC0415

    try:
        found, needed = check_ledger()
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    if found == needed:
        sys.stdout.write(f"the ledger has version {found}, as this code needs it\n")
        return UP_TO_DATE
    sys.stdout.write(
        f"the ledger has version {found or 'none'}, and this code needs {needed}: hector-salto ledger upgrade\n"
    )
    return OUTDATED


if __name__ == "__main__":
    sys.exit(main())
