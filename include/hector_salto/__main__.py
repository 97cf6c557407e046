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
    return _ledger(arguments.action)


def _ledger(action: str) -> int:
    from hector_salto.ledger.ledger import LedgerError  # noqa: PLC0415 - imports Airflow, which the folder's name needs not
    from hector_salto.workflow.recorder import check_ledger, upgrade_ledger  # noqa: PLC0415

    try:
        is_new, told = (True, upgrade_ledger()) if action == "upgrade" else check_ledger("hector-salto ledger upgrade")
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(f"{told}\n")
    return UP_TO_DATE if is_new else OUTDATED


if __name__ == "__main__":
    sys.exit(main())
