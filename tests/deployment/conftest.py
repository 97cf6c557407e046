"""docker-compose.yml, Dockerfile, .dockerignore and .env.example as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?}")


@dataclass(frozen=True)
class Compose:
    """The compose file: as it is written, and as data with every variable still in it."""

    text: str
    data: dict[str, Any]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return self.data["services"]

    @property
    def ours(self) -> dict[str, dict[str, Any]]:
        """The services that run from the project's image."""
        return {
            name: service for name, service in self.services.items() if service["image"].startswith("hector-salto:")
        }

    @property
    def settings(self) -> dict[str, str]:
        return self.data["x-ours"]["environment"]

    def variables(self, operator: str) -> dict[str, str]:
        """Variable -> its default (``:-``) or what is said when it is missing (``:?``)."""
        code = re.sub(r"(?m)^\s*#.*$", "", self.text)
        return {name: text for name, used, text in VARIABLE.findall(code) if used == operator}


@dataclass(frozen=True)
class Image:
    """The Dockerfile's instructions, in order."""

    steps: list[tuple[str, str]]

    def all(self, instruction: str) -> list[str]:
        return [argument for name, argument in self.steps if name == instruction]

    def at(self, instruction: str, part: str) -> int:
        return next(index for index, step in enumerate(self.steps) if step[0] == instruction and part in step[1])

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for argument in self.all("ENV") for pair in argument.split())


@dataclass(frozen=True)
class BuildContext:
    """What .dockerignore lets into the image: the last pattern that matches a path or a folder above it decides."""

    patterns: list[tuple[bool, re.Pattern[str]]]

    def holds(self, path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        kept = True
        for let_in, pattern in self.patterns:
            if any(pattern.fullmatch(one) for one in above):
                kept = let_in
        return kept


def fill_in_variables(value: str, given: dict[str, str] | None = None) -> str:
    """A text of the compose file with its variables set to what is given, else to their defaults."""
    return VARIABLE.sub(lambda found: (given or {}).get(found[1]) or (found[3] if found[2] == ":-" else ""), value)


def _pattern(line: str) -> tuple[bool, re.Pattern[str]]:
    whole = re.escape(line.removeprefix("!").strip("/"))
    whole = whole.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return line.startswith("!"), re.compile(whole)


def _lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="session")
def compose() -> Compose:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return Compose(text, yaml.safe_load(text))


@pytest.fixture(scope="session")
def image() -> Image:
    return Image([(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in _lines("Dockerfile")])


@pytest.fixture(scope="session")
def context() -> BuildContext:
    return BuildContext([_pattern(line) for line in _lines(".dockerignore")])


@pytest.fixture(scope="session")
def example() -> tuple[dict[str, str], dict[str, str]]:
    """.env.example and connections.env.example: the lines to fill in, and the settings that stand there as comments with their defaults."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in (".env.example", "connections.env.example"))
    return tuple(dict(re.findall(rf"(?m)^{start}([A-Z][A-Z_0-9]+)=(.*)$", text)) for start in ("", "# "))


@pytest.fixture(scope="session")
def fill():
    return fill_in_variables


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
