"""`make env`: makes .env and connections.env for docker-compose.yml, with a new secret in each line that needs one."""

from __future__ import annotations

import base64
import json
import os
import secrets
from typing import TYPE_CHECKING

from commands.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

OWNER_ONLY = 0o600
SECRETS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
    "FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "API_SECRET_KEY": lambda: secrets.token_hex(32),
    "JWT_SECRET": lambda: secrets.token_hex(64),
    "UI_PASSWORDS": lambda: f"'{json.dumps({'admin': secrets.token_urlsafe(16)})}'",
}


def make_env(console: Console, folder: Path = ROOT) -> int:
    """Fill each empty secret of .env; a line that has a value stays. Make connections.env when there is none."""
    target = folder / ".env"
    text = (target if target.exists() else folder / ".env.example").read_text(encoding="utf-8")
    lines, made = [], []
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name in SECRETS and not value.strip():
            made.append(name)
            lines.append(f"{name}={SECRETS[name]()}")
        else:
            lines.append(line)
    write_private(target, "\n".join(lines) + "\n")
    console.print(f".env: {', '.join(made) if made else 'every secret was there'}", highlight=False)
    connections = folder / "connections.env"
    if not connections.exists():
        write_private(connections, (folder / "connections.env.example").read_text(encoding="utf-8"))
    console.print(
        "connections.env: write the two connections of each site into it; then docker compose build", highlight=False
    )
    return 0


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w", encoding="utf-8") as file:
        path.chmod(OWNER_ONLY)
        file.write(text)
