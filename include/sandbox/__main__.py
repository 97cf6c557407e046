"""``python -m include.sandbox``: leave a campus running, for ``make sync``, curl and one's own experiments."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.sandbox.campus import campus
from include.sandbox.foundation import Credentials, Scenario
from include.sandbox.hector_state import HectorState
from include.sandbox.salto_state import SaltoState
from include.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

SAVE_SECONDS = 0.5


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
    with sandbox:
        sys.stdout.write(_welcome(sandbox))
        sys.stdout.flush()
        _keep(sandbox, options, stop)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m include.sandbox", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--now", type=_instant, default=None, help="ISO time with offset around which the campus is built"
    )
    parser.add_argument("--zone", default="America/Toronto")
    parser.add_argument("--hector-port", type=int, default=8801)
    parser.add_argument("--salto-port", type=int, default=8802)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--state", type=Path, default=None, help="file to go on from, kept up to date")
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


def save(sandbox: Sandbox, path: Path) -> None:
    """Written beside and renamed: whoever is killed here leaves the old file or the new one, never half of one."""
    whole = {"hector": json.loads(sandbox.hector.to_json()), "salto": json.loads(sandbox.salto.to_json())}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
    beside.replace(path)


def _keep(sandbox: Sandbox, options: argparse.Namespace, stop: threading.Event) -> None:
    """Wait for the end; soon after each write, and at the end, the state is saved."""
    saved = (-1, -1)
    while not stop.wait(SAVE_SECONDS):
        changes = len(sandbox.writes), sandbox.edits
        if options.state and changes != saved:
            saved = changes
            save(sandbox, options.state)
    if options.state:
        save(sandbox, options.state)


def _welcome(sandbox: Sandbox) -> str:
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

Ctrl-C ends it.
"""


if __name__ == "__main__":
    sys.exit(main())
