"""What a batch comes to: rows to write, keys to delete, and pointers to what the database cannot hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from consumers.events import Batch, Place
from consumers.sinks.mysql import ddl
from consumers.sinks.mysql.values import NOT_FINITE, Unstorable, convert_of, primary_key
from consumers.values import key_of, row_of
from consumers.view import View

Values = tuple[Any, ...]


class Row(NamedTuple):
    """A row to write: its values, the table's primary key among them, and the event it comes from."""

    values: Values
    primary: Values
    place: Place


class Staged(NamedTuple):
    """`deletes` are primary keys, `rejected` pointers, each with the word why."""

    upserts: Sequence[Row]
    deletes: Sequence[Values]
    rejected: Sequence[tuple[Place, str]]

    def without(self, refused: Mapping[Place, str]) -> Staged:
        """The same with these rows rejected: an earlier row under their keys is not true any more."""
        gone = [row.primary for row in self.upserts if row.place in refused]
        kept = [row for row in self.upserts if row.place not in refused]
        return Staged(kept, [*self.deletes, *gone], [*self.rejected, *refused.items()])


class Staging:
    """Makes them for one view."""

    def __init__(self, view: View) -> None:
        self._view, self._hashed = view, ddl.is_hashed(view)
        self._converts = [(i, f) for i, f in enumerate(map(convert_of, view.columns)) if f is not None]

    def of(self, batch: Batch) -> Staged:
        """The batch's last change of each key. PermanentError for a key with a null in it."""
        upserts: list[Row] = []
        deletes: list[Values] = []
        rejected: list[tuple[Place, str]] = []
        for change in batch.latest():
            key = key_of(self._view, change)
            try:
                if change.row is not None:
                    row = self._stored(row_of(self._view, change, key))
                    primary = primary_key(self._view, key, row[: len(key)])
                    upserts.append(Row((*primary, *row) if self._hashed else row, primary, change.place))
                    continue
            except Unstorable:
                rejected.append((change.place, NOT_FINITE))
            try:
                deletes.append(primary_key(self._view, key, self._stored(key)))
            except Unstorable:
                continue  # no row of the table can have this key
        return Staged(upserts, deletes, rejected)

    def _stored(self, values: Values) -> Values:
        out = list(values)
        for i, convert in self._converts:
            if i < len(out) and out[i] is not None:
                out[i] = convert(out[i])
        return tuple(out)
