"""Which lock a place means: the attribute's value names exactly one lock (guide, "Users & Locks"; design section 4)."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hector_salto.access.problems import problems
from hector_salto.access.reservations import ACCESS
from hector_salto.access.texts import difference, few, fold_all, skeleton

if TYPE_CHECKING:
    from numpy.typing import NDArray


def place_locks(places: pd.DataFrame, locks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The lock of each place that names one.

    Args:
        places: HECTOR_PLACES.
        locks: SALTO_LOCKS.

    Returns:
        columns ``place_id``, ``lock_id``, ``lock`` (the lock's name in Salto), ``zone``; and the problems of places
        whose name fits no lock or several.
    """
    named = places.assign(wanted=fold_all(places["lock_name"])).dropna(subset="wanted")
    named = named.rename(columns={"name": "place_name"})
    known = locks.assign(wanted=fold_all(locks["name"])).dropna(subset="wanted")
    counts = named["wanted"].map(known["wanted"].value_counts()).fillna(0).astype("int64")
    named = named.assign(count=counts)
    unique = known.drop_duplicates("wanted", keep=False).rename(columns={"name": "lock"})
    found = named[named["count"].eq(1)].merge(unique[["wanted", "lock_id", "lock", "zone"]], on="wanted")
    missing = named[named["count"].eq(0)]
    names = known.sort_values(["name", "lock_id"]).drop_duplicates("wanted").set_index("wanted")["name"]
    nearest = {name: _nearest(name, names) for name in missing["wanted"].unique()}
    missing = missing.assign(nearest=missing["wanted"].map(nearest) + _looks(missing["lock_name"], names))
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


def _looks(written: pd.Series, names: pd.Series) -> pd.Series:
    """Return for each name that looks like a lock's and is another text how the two differ, else nothing."""
    seen = {skeleton(name): name for name in sorted(names, reverse=True)}
    shown = {text: seen.get(skeleton(text)) for text in written.unique()}
    hints = {
        text: f" ({name!r} looks the same: in Hector {difference(text, name)} in Salto)" if name else ""
        for text, name in shown.items()
    }
    return written.map(hints)


def unclear_doors(rooms: pd.DataFrame, locks: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Locks that reservations may mean although their places' names do not say which.

    A renamed lock, or a second lock of its name, says nothing about a reservation: its users keep the door.

    Args:
        rooms: DESIRED_PLACES.
        locks: SALTO_LOCKS.

    Returns:
        columns ``reference``, ``lock_id``: each lock of a name that several have; and the references whose place names
        no lock at all, which may mean any lock that no place names.
    """
    known = locks.assign(wanted=fold_all(locks["name"])).dropna(subset="wanted")
    asked = rooms[["reference", "lock_name"]].assign(wanted=fold_all(rooms["lock_name"])).dropna(subset="wanted")
    shared = known[known.duplicated("wanted", keep=False)]
    several = asked[asked["wanted"].isin(shared["wanted"])].merge(shared[["wanted", "lock_id"]], on="wanted")
    lost = asked.loc[~asked["wanted"].isin(known["wanted"]), "reference"].drop_duplicates()
    return several[["reference", "lock_id"]], lost


def locks_without_place(places: pd.DataFrame, locks: pd.DataFrame) -> pd.Series:
    """Return the ids of locks that no place of Hector names."""
    return locks.loc[~fold_all(locks["name"]).isin(fold_all(places["lock_name"]).dropna()), "lock_id"]


FEW, ALIKE = 3, 0.5


def silent_places(lines: pd.DataFrame, places: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Places that name no lock although reservations with access have them: their users wait at a shut door.

    One problem a place, whatever number of reservations: a site may well have rooms without a lock.

    Args:
        lines: RESERVATION_PLACES.
        places: HECTOR_PLACES.
        decisions: DECISIONS, as the plan made them: access is given where another place of the reservation has a lock.
    """
    booked = decisions.loc[decisions["decision"].eq(ACCESS), ["reservation_id", "reference"]]
    bare = places[places["active"] & fold_all(places["lock_name"]).isna()].rename(columns={"name": "place_name"})
    rows = lines.drop_duplicates().merge(booked, on="reservation_id").merge(bare, on="place_id")
    found = rows.groupby(["place_id", "place_name"], as_index=False).agg(references=("reference", sorted))
    return problems(
        "place_without_lock", found.assign(booked=[_list_references(names) for names in found["references"]])
    )


def _list_references(references: list[str]) -> str:
    """The first few by name."""
    return f"reservation{'' if len(references) == 1 else 's'} {few(references, FEW)}"


def _nameless(places: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """One row when there are places and none names a lock: a first run, or the attribute was removed."""
    return pd.DataFrame({"count": [len(places)] if len(places) and named.empty else []})


def _nearest(wanted: str, names: pd.Series) -> str:
    return ", ".join(repr(names[key]) for key in close_matches(wanted, list(names.index))) or "none"


def close_matches(wanted: str, names: list[str]) -> list[str]:
    """As ``difflib.get_close_matches``, and much sooner where many names are alike, as rooms in a row are.

    Names come in the order of how alike they can be at most, until none can be among the best any more.
    """
    matcher = difflib.SequenceMatcher(b=wanted)
    best: list[tuple[float, str]] = []
    for bound, name in sorted(zip(_most_alike(wanted, tuple(names)), names, strict=True), reverse=True):
        if bound < (best[-1][0] if len(best) == FEW else ALIKE):
            break
        matcher.set_seq1(name)
        if (ratio := matcher.ratio()) >= ALIKE:
            best = sorted([*best, (ratio, name)], reverse=True)[:FEW]
    return [name for _, name in best]


def _most_alike(wanted: str, names: tuple[str, ...]) -> list[float]:
    """Return ``SequenceMatcher.quick_ratio`` of each name: by the letters that both have, in any order."""
    places, counts = _letters(names)
    own = np.zeros(counts.shape[1], dtype="int64")
    for letter in wanted:
        if letter in places:
            own[places[letter]] += 1
    shared = np.minimum(counts, own).sum(axis=1)
    lengths = np.array([len(name) for name in names]) + len(wanted)
    return [float(ratio) for ratio in 2.0 * shared / np.maximum(lengths, 1)]


@lru_cache(maxsize=1)
def _letters(names: tuple[str, ...]) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Return a column for each letter, and how often each name has it."""
    places = {letter: place for place, letter in enumerate(sorted(set().union(*names)))}
    counts = np.zeros((len(names), len(places)), dtype="int64")
    for row, name in enumerate(names):
        for letter in name:
            counts[row, places[letter]] += 1
    return places, counts
