"""`hector-salto`: where the DAG files of an installed package are, the ledger's tables, and the doctor, where only the package is installed."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from importlib.resources import files

UP_TO_DATE, OUTDATED, FAILED = 0, 1, 2  # the doctor: well, something differs that matters, no such integration


def main() -> int:
    parser = argparse.ArgumentParser(prog="hector-salto", description=__doc__)
    parser.add_argument("--version", action="version", version=version("hector-salto"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("dags-folder", help="print the folder to name in dag_bundle_config_list, or to load DAGs from")
    ledger = commands.add_parser("ledger", help="upgrade or check the ledger's tables")
    ledger.add_argument("action", choices=["upgrade", "check"], help="check: status 0 when they are up to date")
    doctor = commands.add_parser(
        "doctor", help="hold every assumption about both services against them; sends only reads"
    )
    doctor.add_argument("integration", help="name of an integration file")
    arguments = parser.parse_args()
    if arguments.command == "dags-folder":
        sys.stdout.write(f"{files('hector_salto.dags')}\n")
        return UP_TO_DATE
    return _doctor(arguments.integration) if arguments.command == "doctor" else _ledger(arguments.action)


def _doctor(name: str) -> int:
    from hector_salto.doctor.examination import examine  # noqa: PLC0415 - imports Airflow, which the folder's name needs not
    from hector_salto.integration import IntegrationError  # noqa: PLC0415
    from hector_salto.integration_files import load_integration  # noqa: PLC0415

    try:
        examination, _ = examine(name, load_integration(name))
    except IntegrationError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    for one in examination.findings:
        step = f"\n    next: {one.step}" if one.step else ""
        sys.stdout.write(f"{one.verdict.value:12}{one.assumption:20}{one.seen}{step}\n")
    return UP_TO_DATE if examination.is_well else OUTDATED


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
