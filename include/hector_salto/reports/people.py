"""Users by name and email wherever a person reads about them; the ids stay beside them. Logs have ids only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

# "user u_1", "Salto user p_1", "users u_1, u_2": how problems, causes and operations name users
MENTION = re.compile(r"\b(Salto user|(?:Hector )?users?) ([^\s,;:()<>]+(?:, [^\s,;:()<>]+)*)")


@dataclass(frozen=True, slots=True)
class Person:
    """One user.

    Attributes:
        name: first and last name; empty: not known.
        email: empty: not known.
        label: by id, as logs name the user: "user u_1", "Salto user p_1".
    """

    name: str
    email: str
    label: str

    @property
    def label_text(self) -> str:
        """Return name and email, as far as they are known; else the label."""
        return ", ".join(filter(None, (self.name, self.email))) or self.label


class People:
    """Users by their ids.

    :param by_label: each under "user <id of Hector>" and "Salto user <platform id>", as far as it has them.
    """

    def __init__(self, by_label: Mapping[str, Person]) -> None:
        self._by_label = dict(by_label)

    @classmethod
    def of(cls, seen: pd.DataFrame) -> People:
        """Return the users of a table with user_id, platform_user_id, name and email (SEEN_PEOPLE)."""
        found: dict[str, Person] = {}
        columns = ["user_id", "platform_user_id", "name", "email"]
        plain = seen[columns].astype("object").where(seen[columns].notna(), None)
        for user_id, platform_user_id, name, email in plain.itertuples(index=False):
            labels = [f"user {user_id}"] * bool(user_id) + [f"Salto user {platform_user_id}"] * bool(platform_user_id)
            for label in labels:
                found[label] = Person(name or "", email or "", labels[0])
        return cls(found)

    def user(self, user_id: object, platform_user_id: object = None) -> Person:
        """Return a user by the ids of an operation; one who is not known has the label only."""
        label = f"user {user_id}" if isinstance(user_id, str) else f"Salto user {platform_user_id}"
        return self.by_label(label)

    def everyone(self) -> list[Person]:
        """Return each user once."""
        return list(dict.fromkeys(self._by_label.values()))

    def by_label(self, label: str) -> Person:
        return self._by_label.get(label, Person("", "", label))

    def replace_ids(self, text: str) -> str:
        """Return a text in which each user who is named by id is named by name and email first."""
        return MENTION.sub(lambda found: "".join(map(_plain, self._split_mentions(found))), text)

    def replace_ids_in_html(self, text: str) -> Markup:
        """Return the same as HTML, ids small; everything in it is escaped."""
        parts, end = [], 0
        for found in MENTION.finditer(text):
            parts.append(escape(text[end : found.start()]))
            parts += [one if isinstance(one, Markup) else _small(one) for one in self._split_mentions(found)]
            end = found.end()
        return Markup("").join([*parts, escape(text[end:])])

    def _split_mentions(self, found: re.Match[str]) -> Iterator[Person | Markup]:
        """Return what takes the place of a mention: users, and the text between them."""
        kind = "Salto user" if found[1] == "Salto user" else "user"
        for number, one in enumerate(found[2].split(", ")):
            bare = one.rstrip(".'\"")
            person = self.by_label(f"{kind} {bare}")
            yield escape(", " if number else "")
            yield person if person.label_text != person.label else escape(bare if number else f"{found[1]} {bare}")
            yield escape(one[len(bare) :])


def _plain(part: Person | Markup) -> str:
    return part.unescape() if isinstance(part, Markup) else f"{part.label_text} ({part.label})"


def _small(person: Person) -> Markup:
    return Markup("{} <small>{}</small>").format(person.label_text, person.label)


NOBODY_KNOWN = People({})
