"""Masks within records, arrays and maps. They are made of other masks when a grant addresses what is inside a field.

`Members` masks the named fields of a record and has no others; `Items` masks every item of an array; `Entries` masks every
key and every value of a map. None of them is in the catalogue: a grant names paths (`residence.street`, `members[].id_no`).

Columns of them say of everything within that it may be null, as it may where what it lies in is: the view's own layout,
which knows, is laid on at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro_types import AvroType, is_nullable, nullable, without_null
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import Mask
from stream_apps.policy.masks.passed import type_name


@dataclass(frozen=True, slots=True)
class Inner:
    """A mask on what lies within a value, and the Avro type of what it gives, null included where it may be."""

    mask: Mask
    type: AvroType

    def one(self, value: Any, keys: ViewKeys, row_key: str) -> Any:
        """One value that may be null."""
        return None if value is None and not self.mask.hides_null else self.mask.row(value, keys, row_key)


def inner(mask: Mask, avro: AvroType) -> Inner:
    """`mask` on a type that stands within another."""
    return Inner(mask, released_type(mask, avro))


def released_type(mask: Mask, avro: AvroType) -> AvroType:
    """Avro type of what `mask` gives of values of a type that may hold null."""
    plain = mask.result(without_null(avro))
    null_stays = is_nullable(avro) and not mask.hides_null
    return nullable(plain) if null_stays or mask.gives_null else plain


class Members(Mask):
    """`row(v) == {name: part.one(v[name], keys, row_key) for name, part in self.members}`"""

    name: ClassVar[str] = "members"
    members: tuple[tuple[str, Inner], ...]

    @property
    def salted(self) -> bool:
        """If any member's mask is."""
        return any(part.mask.salted for _, part in self.members)

    @property
    def keyed(self) -> bool:
        """Likewise."""
        return any(part.mask.keyed for _, part in self.members)

    def result(self, avro: AvroType) -> AvroType:
        """A record of the named members."""
        assert isinstance(avro, dict)
        fields = [{"name": name, "type": part.type} for name, part in self.members]
        return {"type": "record", **type_name(avro), "fields": fields}

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return {name: part.one(value[name], keys, row_key) for name, part in self.members}

    def refuses(self, column: Any) -> Any:
        """What any member refuses."""
        answer: Any = None
        for name, part in self.members:
            refused = part.mask.refuses(pc.struct_field(column, name))
            if refused is not None:
                refused = pc.fill_null(refused, False)
                answer = refused if answer is None else pc.or_(answer, refused)
        return answer

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Member by member."""
        parts = [part.mask.columns(pc.struct_field(column, name), keys, row_keys) for name, part in self.members]
        fields = [pa.field(name, p.type) for (name, _), p in zip(self.members, parts, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=fields, mask=_absent(column))

    def identity(self) -> Any:
        """Of every member by name."""
        return [self.name, [[name, part.mask.identity()] for name, part in self.members]]


class Items(Mask):
    """`row(v) == [self.each.one(item, keys, row_key) for item in v]`"""

    name: ClassVar[str] = "items"
    each: Inner

    @property
    def salted(self) -> bool:
        """If the item's mask is."""
        return self.each.mask.salted

    @property
    def keyed(self) -> bool:
        """Likewise."""
        return self.each.mask.keyed

    def result(self, avro: AvroType) -> AvroType:
        """An array."""
        return {"type": "array", "items": self.each.type}

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return [self.each.one(item, keys, row_key) for item in value]

    def refuses(self, column: Any) -> Any:
        """Rows of which the mask refuses an item."""
        return _any_within(self.each.mask.refuses(column.flatten()), column)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """All items of all rows as one column."""
        at = pc.list_parent_indices(column)
        items = self.each.mask.columns(column.flatten(), keys, None if row_keys is None else row_keys.take(at))
        layout = pa.list_(pa.field("item", items.type))
        return pa.ListArray.from_arrays(_offsets(column), items, type=layout, mask=_absent(column))

    def identity(self) -> Any:
        """Of the item's mask."""
        return [self.name, self.each.mask.identity()]


class Entries(Mask):
    """`row(v) == {self.key.one(k, keys, row_key): self.value.one(x, keys, row_key) for k, x in dict(v).items()}`

    The key's mask keeps keys apart. `v` is a mapping, or its pairs, as Arrow gives them.
    """

    name: ClassVar[str] = "entries"
    key: Inner
    value: Inner

    @property
    def salted(self) -> bool:
        """If either mask is."""
        return self.key.mask.salted or self.value.mask.salted

    @property
    def keyed(self) -> bool:
        """Likewise."""
        return self.key.mask.keyed or self.value.mask.keyed

    def result(self, avro: AvroType) -> AvroType:
        """A map."""
        return {"type": "map", "values": self.value.type}

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return {self.key.one(k, keys, row_key): self.value.one(x, keys, row_key) for k, x in dict(value).items()}

    def refuses(self, column: Any) -> Any:
        """Rows of which the mask refuses a value."""
        return _any_within(self.value.mask.refuses(_as_list(column).flatten().field("value")), column)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """All keys and all values of all rows as one column each."""
        listed = _as_list(column)
        pairs = listed.flatten()
        of_pairs = None if row_keys is None else row_keys.take(pc.list_parent_indices(listed))
        own = self.key.mask.columns(pc.struct_field(pairs, "key"), keys, of_pairs)
        values = self.value.mask.columns(pc.struct_field(pairs, "value"), keys, of_pairs)
        maps: Any = pa.MapArray
        return maps.from_arrays(
            _offsets(listed), own, values, type=pa.map_(own.type, values.type), mask=_absent(column)
        )

    def identity(self) -> Any:
        """Of both masks."""
        return [self.name, self.key.mask.identity(), self.value.mask.identity()]


def _absent(column: Any) -> Any:
    return pc.is_null(column)


def _as_list(column: Any) -> Any:
    """A map column as a list of key-value records: Arrow's own accessors of maps forget slices."""
    kind = column.type
    pair = pa.struct([pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)])
    return column.cast(pa.list_(pair))


def _offsets(column: Any) -> Any:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())


def _any_within(refused: Any, column: Any) -> Any:
    """Per row, whether any of its items is refused; None if none of any row can be."""
    if refused is None:
        return None
    listed = _as_list(column) if pa.types.is_map(column.type) else column
    flags = pc.fill_null(refused, False).to_numpy(zero_copy_only=False)
    rows = pc.list_parent_indices(listed).to_numpy(zero_copy_only=False)[flags]
    out = np.zeros(len(column), np.bool_)
    out[rows] = True
    return pa.array(out)
