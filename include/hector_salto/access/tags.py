"""Which tag goes to whom, which comes off, and which cannot be given (design section 4, "Tags").

A tag is never taken from a user who is not ours. Numbers are compared through their fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hector_salto.access.frame_lookup import is_in
from hector_salto.access.near_codes import unknown_codes
from hector_salto.access.problems import problems

UNKNOWN_CODE, AMBIGUOUS, BLOCKED, RIGHT, HELD_BY_ANOTHER, GIVE = (
    "unknown code",
    "ambiguous",
    "blocked",
    "right",
    "held by another",
    "give",
)


@dataclass(frozen=True)
class TagMoves:
    """off: site_user_id, user_id, tag_id, reason; on: user_id, site_user_id (null: made in this run), tag_id."""

    off: pd.DataFrame
    on: pd.DataFrame
    problems: pd.DataFrame


def tag_moves(people: pd.DataFrame, tags: pd.DataFrame, salto: pd.DataFrame, frozen: pd.Series) -> TagMoves:
    """Compare the tag each person should carry with the tag they carry.

    Args:
        people: from ``people.matched_people`` with ``first_window``; those not usable or protected are left alone.
        tags: SALTO_TAGS.
        salto: from ``people.salto_people``: every user of the site, to know whose a held tag is.
        frozen: Hector user ids about whom Hector contradicts itself; what they hold stays with them.
    """
    acting = people[people["usable"] & ~people["protected"] & ~people["tag_conflict"]]
    releasable = _releasable(people, salto[~is_in(salto["marker"], frozen)])
    wanting = _with_tag(acting[acting["tag"].notna()], tags)
    wanting = wanting.assign(case=_cases(wanting, releasable))
    on = wanting.loc[wanting["case"].eq(GIVE), ["user_id", "site_user_id", "tag_id"]]
    off, bare = _tags_to_take(acting, tags.dropna(subset="site_user_id"), releasable, on)
    return TagMoves(
        off=off[["site_user_id", "user_id", "tag_id", "reason"]].reset_index(drop=True),
        on=on.reset_index(drop=True),
        problems=pd.concat([_code_gone(bare), *_tag_problems(wanting, tags)]),
    )


def _cases(wanting: pd.DataFrame, releasable: pd.DataFrame) -> np.ndarray:
    """Name the case of each user who should carry a tag; of the cases that hold, the first in this order decides."""
    right = wanting["holder_id"].eq(wanting["site_user_id"]) & wanting["holder_id"].notna()
    right |= wanting["salto_tag"].eq(wanting["tag"]) & wanting["salto_tag"].notna()
    taken = wanting["holder_id"].notna() & ~is_in(wanting["holder_id"], releasable["site_user_id"])
    cases = {
        UNKNOWN_CODE: wanting["found"].eq(0),
        AMBIGUOUS: wanting["found"].gt(1),
        BLOCKED: wanting["tag_blocked"],
        RIGHT: right,
        HELD_BY_ANOTHER: taken | wanting["is_pod_tag"],
    }
    return np.select(list(cases.values()), list(cases), default=GIVE)


def _tag_problems(wanting: pd.DataFrame, tags: pd.DataFrame) -> list[pd.DataFrame]:
    def of(case: str) -> pd.DataFrame:
        return wanting[wanting["case"].eq(case)]

    held = of(HELD_BY_ANOTHER)
    return [
        unknown_codes(of(UNKNOWN_CODE), tags),
        problems("tag_ambiguous", of(AMBIGUOUS).assign(count=of(AMBIGUOUS)["found"])),
        problems("tag_blocked", of(BLOCKED)),
        problems("tag_held", held.assign(holder=("Salto user " + held["holder_id"]).fillna("a pod"))),
    ]


def _tags_to_take(
    acting: pd.DataFrame, held: pd.DataFrame, releasable: pd.DataFrame, on: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tags to take, with a ``reason``, and users who lose theirs although they hold a reservation."""
    carried = acting.dropna(subset="site_user_id").merge(
        held[["tag_id", "tag", "site_user_id"]].rename(columns={"tag": "carried"}), on="site_user_id"
    )
    wrong = carried[carried["carried"].ne(carried["tag"]) | carried["carried"].isna()]
    another = is_in(wrong["user_id"], on["user_id"])
    stale = wrong[wrong["ours"] & ~another]
    taken = held[is_in(held["tag_id"], on["tag_id"])].merge(releasable, on="site_user_id")
    off = pd.concat(
        [
            wrong[another].assign(reason="another tag takes its place"),
            stale.assign(reason="it is no longer the user's unique code in Hector"),
            taken.assign(reason="it is somebody else's unique code now"),
        ]
    ).drop_duplicates("tag_id")
    bare = acting[acting["tag"].isna() & acting["first_window"].notna()]
    return off, bare[is_in(bare["user_id"], stale["user_id"])]


def _code_gone(people: pd.DataFrame) -> pd.DataFrame:
    """The run that takes their tag off says so: after it they are people without a tag like any others."""
    found = problems("code_missing", people)
    words = " holds a reservation but has no unique code in Hector, so the tag they carry in Salto is to come off"
    return found.assign(message=found["subject"] + words)


def _with_tag(wanting: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    """People with the tag their code names: how many tags have that number, and whose the first one is."""
    repeated = tags.loc[tags.duplicated("tag", keep=False), "tag"].value_counts()
    first = tags.sort_values("tag_id").drop_duplicates("tag")
    first = first.rename(columns={"site_user_id": "holder_id", "blocked": "tag_blocked"})
    joined = wanting.merge(first[["tag", "tag_id", "holder_id", "tag_blocked", "is_pod_tag"]], on="tag", how="left")
    return joined.assign(
        found=joined["tag"].map(repeated).fillna(1).where(joined["tag_id"].notna(), 0).astype("int64"),
        tag_blocked=joined["tag_blocked"].eq(other=True),
        is_pod_tag=joined["is_pod_tag"].eq(other=True),
    )


def _releasable(people: pd.DataFrame, salto: pd.DataFrame) -> pd.DataFrame:
    """Users of ours whose tag may go to another user: it is not the code of a user who should keep it.

    A user of ours who should carry the very tag, or about whom Hector contradicts itself, keeps it.
    """
    here = people.loc[people["ours"], ["site_user_id", "user_id"]]  # with those who become ours in this run
    gone = salto[salto["marker"].notna() & ~salto["protected"] & ~is_in(salto["site_user_id"], people["site_user_id"])]
    ours = pd.concat([here, gone[["site_user_id", "marker"]].rename(columns={"marker": "user_id"})])
    ours = ours.merge(salto[["site_user_id", "tag"]].rename(columns={"tag": "carried"}), on="site_user_id")
    known = ours.merge(people[["user_id", "tag", "usable", "tag_conflict"]], on="user_id", how="left")
    keeps = known["carried"].eq(known["tag"]) & known["tag"].notna()
    unclear = known["usable"].eq(other=False) | known["tag_conflict"].eq(other=True)
    return known.loc[~keeps & ~unclear, ["site_user_id", "user_id"]]
