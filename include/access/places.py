"""Which lock a place means: the attribute's value names exactly one lock (guide, "Users & Locks"; design section 4)."""

from __future__ import annotations

import difflib

import pandas as pd

from include.access.people import folded
from include.access.problems import problems


def place_locks(places: pd.DataFrame, locks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The lock of each place that names one.

    Args:
        places: HECTOR_PLACES.
        locks: SALTO_LOCKS.

    Returns:
        columns ``place_id``, ``lock_id``, ``lock`` (the lock's name in Salto), ``zone``; and the problems of places
        whose name fits no lock or several.
    """
    named = places.assign(wanted=folded(places["lock_name"])).dropna(subset="wanted")
    named = named.rename(columns={"name": "place_name"})
    known = locks.assign(wanted=folded(locks["name"])).dropna(subset="wanted")
    counts = named["wanted"].map(known["wanted"].value_counts()).fillna(0).astype("int64")
    named = named.assign(count=counts)
    unique = known.drop_duplicates("wanted", keep=False).rename(columns={"name": "lock"})
    found = named[named["count"].eq(1)].merge(unique[["wanted", "lock_id", "lock", "zone"]], on="wanted")
    missing = named[named["count"].eq(0)]
    missing = missing.assign(nearest=[_nearest(name, known) for name in missing["wanted"]])
    return (
        found[["place_id", "lock_id", "lock", "zone"]],
        pd.concat(
            [
                problems("lock_unknown", missing),
                problems("lock_ambiguous", named[named["count"].gt(1)]),
                problems("no_lock_names", _nameless(places, named)),
            ]
        ),
    )


def _nameless(places: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """One row when there are places and none names a lock: a first run, or somebody removed the attribute."""
    return pd.DataFrame({"count": [len(places)] if len(places) and named.empty else []})


def _nearest(wanted: str, locks: pd.DataFrame) -> str:
    names = locks.drop_duplicates("wanted").set_index("wanted")["name"]
    close = difflib.get_close_matches(wanted, list(names.index), n=3, cutoff=0.5)
    return ", ".join(repr(names[key]) for key in close) or "none"
