"""References as people type them: a reference is opaque text, so the whole text comes first, its parts second."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hector_salto.access.settings import GROUP_PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

BETWEEN = re.compile(r"[,\s]+")


def spellings(text: str) -> tuple[str, ...]:
    """Return what a text may be as one reference: as it is, trimmed, without the prefix of our access groups."""
    trimmed = text.strip()
    return tuple(one for one in dict.fromkeys((text, trimmed, _bare(trimmed))) if one.strip())


def resolve_references(given: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the references that are meant, each once.

    Args:
        given: as typed or pasted: with spaces, several in one text, with the prefix Hector_, blank.
        known: references that exist. A text that is one of them, whatever signs it holds, is not split.
    """
    found: list[str] = []
    for text in given:
        whole = next((one for one in spellings(text) if one in known), None)
        found += [whole] if whole is not None else [_part(part, known) for part in BETWEEN.split(text) if _bare(part)]
    return tuple(dict.fromkeys(found))


def _part(part: str, known: Collection[str]) -> str:
    return part if part in known else _bare(part)


def _bare(text: str) -> str:
    return text[len(GROUP_PREFIX) :].strip() if text.casefold().startswith(GROUP_PREFIX.casefold()) else text
