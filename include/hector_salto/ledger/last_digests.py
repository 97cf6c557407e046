"""Whether a table of a snapshot is the same as at the last look: its digest is kept, so that it is not read back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from hector_salto.ledger.tables import BOOKED, LastSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True)
class LastDigests:
    """What is kept of an integration's last look.

    Attributes:
        digests: of its tables, by name; of those of which the same look again would change nothing.
        still_read: the moment from which on Hector was asked for reservations then; None: for all.
    """

    connection: Connection
    integration: str
    digests: Mapping[str, str]
    still_read: datetime | None

    @classmethod
    def lock(cls, connection: Connection, integration: str) -> LastDigests:
        """Return those of an integration; no other process compares a look of it until this transaction ends."""
        own = LastSnapshot.integration == integration
        query = select(LastSnapshot.digests, LastSnapshot.still_read).where(own).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            with suppress(IntegrityError), connection.begin_nested():  # another process may make it at the same moment
                connection.execute(insert(LastSnapshot).values(integration=integration, digests={}))
            row = connection.execute(query).one()
        return cls(connection, integration, row.digests, row.still_read)

    def find_same(
        self, digests: Mapping[str, str | None], names: Collection[str], still_read: datetime | None
    ) -> frozenset[str]:
        """Return the tables that are the same as at the last look, and that it settled.

        Which users and places of a reservation are known depends on the reservations too: the three are compared together,
        and a look that asks further back than the last may find more.
        """
        same = frozenset(
            name for name in names if digests[name] is not None and self.digests.get(name) == digests[name]
        )
        earlier = self.still_read is not None and (still_read is None or still_read < self.still_read)
        return same - BOOKED if earlier or not same >= BOOKED else same

    def replace(self, digests: Mapping[str, str | None], still_read: datetime | None) -> None:
        """Keep the digests of tables that were compared; None: the same again must be compared too."""
        booked = not BOOKED.isdisjoint(digests)
        others = {name: digest for name, digest in self.digests.items() if not booked or name not in BOOKED}
        kept = others | {name: digest for name, digest in digests.items() if digest is not None}
        asked = {"still_read": still_read} if booked else {}
        own = update(LastSnapshot).where(LastSnapshot.integration == self.integration)
        self.connection.execute(own.values(digests=kept, **asked))


def forget_digests(connection: Connection, integration: str) -> None:
    """Have the next look of an integration compared in full."""
    connection.execute(delete(LastSnapshot).where(LastSnapshot.integration == integration))
