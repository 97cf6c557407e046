"""Which tag goes to whom, which comes off, and which cannot be given (design section 4, "Tags").

A tag is never taken from a user who is not ours. Numbers are compared through their fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from hector_salto.access.columns import among
from hector_salto.access.near_codes import unknown_codes
from hector_salto.access.problems import problems


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
    wanting = _with_tag(acting[acting["tag"].notna()], tags)
    held = tags.dropna(subset="site_user_id")
    right = wanting["holder_id"].eq(wanting["site_user_id"]) & wanting["holder_id"].notna()
    right |= wanting["salto_tag"].eq(wanting["tag"]) & wanting["salto_tag"].notna()
    elsewhere = wanting["holder_id"].notna() & ~right
    releasable = _releasable(people, salto[~among(salto["marker"], frozen)])
    unknown, ambiguous, blocked = wanting["found"].eq(0), wanting["found"].gt(1), wanting["tag_blocked"]
    refused = elsewhere & ~among(wanting["holder_id"], releasable["site_user_id"]) | wanting["is_pod_tag"]
    give = ~unknown & ~ambiguous & ~blocked & ~refused & ~right
    on = wanting.loc[give, ["user_id", "site_user_id", "tag_id"]]
    carried = acting.dropna(subset="site_user_id").merge(
        held[["tag_id", "tag", "site_user_id"]].rename(columns={"tag": "carried"}), on="site_user_id"
    )
    wrong = carried[carried["carried"].ne(carried["tag"]) | carried["carried"].isna()]
    another = among(wrong["user_id"], on["user_id"])
    replaced, stale = wrong[another], wrong[wrong["ours"] & ~another]
    taken = held[among(held["tag_id"], on["tag_id"])].merge(releasable, on="site_user_id")
    off = pd.concat(
        [
            replaced.assign(reason="another tag takes its place"),
            stale.assign(reason="it is no longer the user's unique code in Hector"),
            taken.assign(reason="it is somebody else's unique code now"),
        ]
    ).drop_duplicates("tag_id")
    bare = acting[acting["tag"].isna() & acting["first_window"].notna()]
    bare = bare[among(bare["user_id"], stale["user_id"])]
    holder = ("Salto user " + wanting["holder_id"]).fillna("a pod")
    return TagMoves(
        off=off[["site_user_id", "user_id", "tag_id", "reason"]].reset_index(drop=True),
        on=on.reset_index(drop=True),
        problems=pd.concat(
            [
                _code_gone(bare),
                unknown_codes(wanting[unknown], tags),
                problems("tag_ambiguous", wanting.assign(count=wanting["found"])[ambiguous]),
                problems("tag_blocked", wanting[~ambiguous & blocked]),
                problems(
                    "tag_held", wanting.assign(holder=holder)[~unknown & ~ambiguous & ~blocked & refused & ~right]
                ),
            ]
        ),
    )


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
    gone = salto[salto["marker"].notna() & ~salto["protected"] & ~among(salto["site_user_id"], people["site_user_id"])]
    ours = pd.concat([here, gone[["site_user_id", "marker"]].rename(columns={"marker": "user_id"})])
    ours = ours.merge(salto[["site_user_id", "tag"]].rename(columns={"tag": "carried"}), on="site_user_id")
    known = ours.merge(people[["user_id", "tag", "usable", "tag_conflict"]], on="user_id", how="left")
    keeps = known["carried"].eq(known["tag"]) & known["tag"].notna()
    unclear = known["usable"].eq(other=False) | known["tag_conflict"].eq(other=True)
    return known.loc[~keeps & ~unclear, ["site_user_id", "user_id"]]
