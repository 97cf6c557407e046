"""The run parameters that each DAG reads; any other key in a run's conf is refused before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hector_salto.access.references import resolve_references

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SYNC = frozenset({"approve", "plan_only", "references", "verify"})
CLEANUP = frozenset({"plan_only"})
APPROVAL = frozenset({"digest"})
WATCH: frozenset[str] = frozenset()
OF_KIND = {"sync": SYNC, "cleanup": CLEANUP, "approval": APPROVAL, "watch": WATCH}


class ParameterError(ValueError):
    """A run parameter that cannot be used; the message names it and what is allowed."""


def check(kind: str, conf: Mapping[str, Any] | None) -> None:
    """Refuse a conf with a key that the DAG does not read: a misspelt option must not run without it.

    Args:
        kind: of the DAG: sync, cleanup, approval or watch.
        conf: of its run.

    Raises:
        ParameterError: naming the unknown keys and those that exist.
    """
    conf, known = conf or {}, OF_KIND[kind]
    unknown = sorted(str(key) for key in conf if key not in known)
    if unknown:
        one = len(unknown) == 1
        raise ParameterError(
            f"unknown run parameter{'' if one else 's'} {', '.join(map(repr, unknown))} of salto_{kind}: {_list_allowed(known)}"
        )
    given = conf.get("references")
    if given and not resolve_references(map(str, given), ()):
        raise ParameterError(
            "references names no reservation: give references as in Hector, such as 10452, or none for all"
        )


def _list_allowed(known: Collection[str]) -> str:
    return f"allowed are {', '.join(sorted(known))}" if known else "it has no run parameters"
