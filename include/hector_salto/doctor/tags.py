"""Unique codes of Hector against tag numbers of Salto: forms and counts, never a number."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hector_salto.access.near_codes import WAYS, CodeForm
from hector_salto.access.people import active_users
from hector_salto.access.texts import few
from hector_salto.doctor.finding import judged, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.subject import Subject
    from hector_salto.http_client.tag_numbers import TagPattern

MOST = 4  # patterns that a row shows
ENROL = "enrol the missing tags in Salto (Site > Tags > Add Tags), or correct these users' unique codes in Hector"


def look(subject: Subject) -> Iterator[Finding]:
    yield shapes(subject.hector.reader.code_patterns(), subject.probe.tag_patterns())
    yield from look_at_matches(subject)


def look_at_matches(subject: Subject) -> Iterator[Finding]:
    active = active_users(subject.people.users)
    coded = active[active["tag"].notna()]
    seen = f"{len(coded)} of {len(active)} active users have a unique code"
    without = few(sorted(active.loc[active["tag"].isna(), "user_id"]))
    yield judged(
        "hector-codes",
        0 < len(coded) == len(active),
        seen,
        f"enter the unique codes of {without or 'users'}",
        matters=False,
    )
    yield from matches(coded, subject.tags)


def shapes(codes: Counter[TagPattern], tags: Counter[TagPattern]) -> Finding:
    if not codes or not tags:
        return unknown("tag-shape", f"{sum(codes.values())} codes, {sum(tags.values())} tags")
    seen = f"codes: {_histogram(codes)}; tags: {_histogram(tags)}"
    step = "enter unique codes as Salto shows the tags: in a spreadsheet, keep the column as text"
    return judged("tag-shape", set(codes) <= set(tags), seen, step, matters=False)


def _histogram(patterns: Counter[TagPattern]) -> str:
    shown = [f"{count} of {pattern}" for pattern, count in patterns.most_common(MOST)]
    return "; ".join(shown) + (f"; {len(patterns) - MOST} more forms" if len(patterns) > MOST else "")


def matches(coded: pd.DataFrame, tags: pd.DataFrame) -> Iterator[Finding]:
    """Judge how many codes are tags as they are, and how many would be but for their form."""
    there = coded["tag"].isin(tags["tag"].dropna())
    missing = coded[~there]
    seen = f"{int(there.sum())} of {len(coded)} codes are tags of the site"
    yield judged(
        "tag-match",
        0 < int(there.sum()) == len(coded),
        seen,
        f"{ENROL}: {few(sorted(missing['user_id'])) or 'none has one'}",
        matters=not there.any(),
    )
    near = missing[missing["near"].notna() & missing["near"].isin(tags["near"].dropna())]
    yield judged(
        "tag-near", near.empty, _ways(near, tags), f"correct the unique codes of {few(sorted(near['user_id']))}"
    )


def _ways(near: pd.DataFrame, tags: pd.DataFrame) -> str:
    """Count the users by what would make their code match."""
    if near.empty:
        return "no code would match in another form"
    lengths = tags.dropna(subset="near").drop_duplicates("near").set_index("near")["length"]
    ways: Counter[str] = Counter()
    for row in near.to_dict("records"):
        forms = [WAYS[CodeForm(form)] for form in str(row["code_forms"] or "").split() if form in set(CodeForm)]
        if int(lengths[row["near"]]) > int(row["code_length"]):
            forms.append("zero-padded")
        ways.update(forms or ["in other letter case or without leading zeros"])
    return "would match: " + "; ".join(f"{count} {way}" for way, count in ways.most_common())
