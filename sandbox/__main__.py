"""``python -m sandbox``: leave a campus running, for ``make sync``, curl and one's own experiments."""

from __future__ import annotations

import argparse
import datetime as dt
import errno
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.campus import campus
from sandbox.foundation import Credentials, Scenario
from sandbox.hector_state import HectorState
from sandbox.salto_state import SaltoState
from sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from sandbox.world import World

SAVE_SECONDS = 0.5
STATES = ("hector", "salto")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    sandbox = Sandbox(
        _scenario(options),
        hector_port=options.hector_port,
        salto_port=options.salto_port,
        latency_ms=options.latency_ms,
    )
    with ExitStack() as running:
        try:
            running.enter_context(sandbox)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sys.stderr.write(_taken(options))
            return 1
        _serve(sandbox, options, stop)
    return 0


def _taken(options: argparse.Namespace) -> str:
    ports = f"{options.hector_port} or {options.salto_port}"
    return f"port {ports} is in use: end the sandbox that runs there, or choose others (--hector-port, --salto-port)\n"


def _serve(sandbox: Sandbox, options: argparse.Namespace, stop: threading.Event) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal can show every name
    sys.stdout.write(_welcome(sandbox, options.reports))
    sys.stdout.flush()
    if options.announce:
        announce(sandbox, options.announce)
    try:
        _keep(sandbox, options, stop)
    finally:
        if options.announce:
            options.announce.unlink(missing_ok=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--now", type=_instant, default=None, help="ISO time with offset around which the campus is built"
    )
    parser.add_argument("--zone", default="America/Toronto")
    parser.add_argument("--hector-port", type=int, default=8801)
    parser.add_argument("--salto-port", type=int, default=8802)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--state", type=Path, default=None, help="file to go on from, kept up to date")
    parser.add_argument("--announce", type=Path, default=None, help="file that says where it is, while it runs")
    parser.add_argument("--reports", type=Path, default=None, help="folder of Hector's reports, kept up to date")
    return parser.parse_args(arguments)


def _instant(text: str) -> dt.datetime:
    instant = dt.datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError("the time needs an offset, for instance 2026-01-14T09:00:00-05:00")
    return instant


def _scenario(options: argparse.Namespace) -> Scenario:
    if options.state and options.state.exists():
        return load(options.state)
    return campus(options.now or dt.datetime.now(dt.UTC), seed=options.seed, zone=options.zone)


def load(path: Path) -> Scenario:
    saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Scenario(
        HectorState.from_json(json.dumps(saved["hector"])),
        SaltoState.from_json(json.dumps(saved["salto"])),
        Credentials.of_seed(saved["salto"]["seed"]),
    )


def save(kept: Scenario | World, path: Path, **notes: str) -> None:
    """The two states, with notes beside them; notes that stand in the file already stay (``make`` notes the day)."""
    states = {"hector": json.loads(kept.hector.to_json()), "salto": json.loads(kept.salto.to_json())}
    _write(path, {**_notes(path), **notes, **states})


def announce(sandbox: Sandbox, path: Path) -> None:
    """Where the servers are and who may speak to them, for other commands to use this sandbox instead of their own."""
    where = {
        "pid": os.getpid(),
        "hector_url": sandbox.hector_url,
        "salto_url": sandbox.salto_url,
        "zone": sandbox.salto.site.time_zone,
        "variables": sandbox.connections("sandbox"),
    }
    _write(path, where)


def _notes(path: Path) -> dict[str, str]:
    try:
        whole: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in whole.items() if isinstance(value, str) and name not in STATES}


def _write(path: Path, whole: dict[str, Any]) -> None:
    """Written beside and renamed: whoever is killed here leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
    beside.replace(path)


def _keep(sandbox: Sandbox, options: argparse.Namespace, stop: threading.Event) -> None:
    """Wait for the end; soon after each change, and at the end, the state is saved; reports are written again too."""
    saved = (-1, -1)
    while True:
        changes = len(sandbox.writes), sandbox.edits
        if changes != saved:
            saved = changes
            _save(sandbox, options)
        if stop.wait(SAVE_SECONDS):
            break
    if options.state:
        save(sandbox, options.state)


def _save(sandbox: Sandbox, options: argparse.Namespace) -> None:
    if options.state:
        save(sandbox, options.state)
    if options.reports:
        from sandbox.report_files import write_reports  # noqa: PLC0415 - openpyxl takes a while

        write_reports(sandbox.hector, options.reports)


def _welcome(sandbox: Sandbox, reports: Path | None) -> str:
    exports = "\n".join(f"export {name}='{value}'" for name, value in sandbox.connections("sandbox").items())
    known = sandbox.credentials
    token = (
        f"curl -s -u '{known.client_id}:{known.client_secret}' {sandbox.identity_url}/connect/token"
        f" -d grant_type=password -d username={known.username} -d password={known.user_password}"
        " -d scope=user_api.full_access"
    )
    loaner = next(iter(sandbox.hector.loaners))
    return f"""Hector    {sandbox.hector_url}
Salto KS  {sandbox.salto_url}  (site {sandbox.salto.site.site_uid}, {sandbox.salto.site.id})

{exports}

curl -s -H 'Authorization: Bearer {known.hector_token}' '{sandbox.hector_url}/users?limit=3'
{token}
curl -s '{sandbox.salto_url}/_sandbox/doors'

Change Hector by hand (beside its contract):
curl -s -X PATCH '{sandbox.hector_url.removesuffix("/api/v1")}/_sandbox/loaners/{loaner}' -d '{{"status": {{"code": "cancelled"}}}}'

{_about_reports(sandbox, reports) if reports else ""}Ctrl-C ends it.
"""


def _about_reports(sandbox: Sandbox, folder: Path) -> str:
    """Return how an integration reads this Hector by its reports."""
    from sandbox.report_files import BLOCK  # noqa: PLC0415 - openpyxl takes a while

    fields = {"conn_type": "hector_reports", "host": f"file://{folder.resolve()}"}
    fields["extra"] = json.dumps({"fingerprint_key": sandbox.credentials.hector_token.ljust(16, "0")})
    block = json.dumps(BLOCK | {"timezone": sandbox.hector.environment["time_zone"]}, indent=1)
    return f"""Hector's reports are in {folder}, written again after each change; an integration file reads them with:

export AIRFLOW_CONN_HECTOR_REPORTS='{json.dumps(fields)}'
hector_conn_id: hector_reports
hector_reports: {block}

"""


if __name__ == "__main__":
    sys.exit(main())
