"""What YAML made of the words in a settings file: `No` is false, 0123456 an octal number, 21:00 a number in base 60.

A value that was meant as text and read as something else is named as it was written, with what to write instead.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Path = tuple[int | str, ...]
PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
INTEGER = "tag:yaml.org,2002:int"


def scalars(text: str, loader: type[yaml.SafeLoader]) -> dict[Path, yaml.ScalarNode]:
    """Return every single value of a file by the keys and positions that lead to it."""
    root = yaml.compose(text, Loader=loader)
    return dict(_walk(root, ())) if root is not None else {}


def _walk(node: yaml.Node, path: Path) -> Iterator[tuple[Path, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _walk(item, (*path, number))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*path, str(key.value)))


def quotes_needed(written: yaml.ScalarNode | None, value: object) -> str | None:
    """Return what to write instead of a value that should be text and was read as something else; None: it is no scalar."""
    if written is None or written.style is not None or isinstance(value, str):
        return None
    if not written.value:
        return "empty; a text is needed"
    return f'YAML reads {written.value} as {_meaning(value)}; put it in quotes: "{written.value}"'


def quotes_too_many(value: object) -> str | None:
    """Return what to write instead of a number or a truth value in quotes; None: it is none."""
    shown = str(value).strip()
    if not isinstance(value, str) or not (PLAIN_NUMBER.fullmatch(shown) or shown.lower() in {"true", "false"}):
        return None
    needed = "an integer" if PLAIN_NUMBER.fullmatch(shown) else "true or false"
    return f"{value!r} is a text where {needed} is needed; write {shown.lower()} without quotes"


def odd_numbers(found: Mapping[Path, yaml.ScalarNode], values: object) -> dict[Path, str]:
    """Return, for each number that is not written in plain digits, what YAML reads and what to do."""
    odd = {path: node for path, node in found.items() if node.tag == INTEGER and not PLAIN_NUMBER.fullmatch(node.value)}
    return {
        path: f"YAML reads {node.value} as {_meaning(_at(values, path))}; write the number that is meant in plain digits"
        for path, node in odd.items()
    }


def _at(values: Any, path: Path) -> object:  # noqa: ANN401 - what YAML holds
    for part in path:
        values = values[part]
    return values


def _meaning(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    return f"the date {value}" if isinstance(value, date) else f"the number {value}"
