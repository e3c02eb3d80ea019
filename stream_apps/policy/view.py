"""What a grant compiles to: row filter, projection and masks, with a schema of its own (DESIGN 2)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

from schemas.avro_types import AvroType
from schemas.codec import arrow_schema
from schemas.contract import BeforeImage
from schemas.grant import Precision, Validity
from schemas.view_event import HASHED_KEY, canonical, fingerprint, view_event_schema
from stream_apps.policy.masks import Mask
from stream_apps.policy.where import Predicate


@dataclass(frozen=True, slots=True)
class ViewField:
    """A released field: its name, its mask with parameters, the Avro type of what is released, and the field it is of."""

    name: str
    mask: Mask
    type: Any
    source: str


@dataclass(frozen=True)
class View:
    """A compiled grant. Nothing in it is secret, and nothing in it is a person's.

    fields         the released fields, in the contract's order
    raw_key        the contract's key fields with their Avro types, in key order
    key_mode       "fields": keyed by its released key fields; "token": by an HMAC of the raw key, because some key field
                   is not released, or so that two rows could become one
    before         whether the row as it was is released too
    before_image   whether the source gives it
    """

    resource: str
    fields: tuple[ViewField, ...]
    raw_key: tuple[tuple[str, AvroType], ...]
    where: Predicate | None
    key_mode: Literal["fields", "token"]
    before: bool
    before_image: BeforeImage
    release_time: Precision
    valid: Validity

    @cached_property
    def key_fields(self) -> tuple[ViewField, ...]:
        """In mode "fields": the released key fields, in key order. Else none."""
        if self.key_mode == "token":
            return ()
        by_name = {f.name: f for f in self.fields}
        return tuple(by_name[name] for name, _ in self.raw_key)

    @cached_property
    def keyed(self) -> bool:
        """Whether what is released depends on the subscriber's keys."""
        return self.key_mode == "token" or any(f.mask.keyed for f in self.fields)

    @cached_property
    def salted(self) -> bool:
        """Whether any mask wants to know the row it is in."""
        return any(f.mask.salted for f in self.fields)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Avro schema of the view's events: types and names of what is released, no documentation, no defaults."""
        key = [{"name": f.name, "type": f.type} for f in self.key_fields] or [{"name": HASHED_KEY, "type": "string"}]
        return view_event_schema(key, [{"name": f.name, "type": f.type} for f in self.fields], before=self.before)

    @cached_property
    def arrow(self) -> pa.Schema:
        """Layout of a batch of the view's events."""
        return arrow_schema(self.schema)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the schema: what a grant is pinned to when it is opened."""
        return fingerprint(self.schema)

    @cached_property
    def id(self) -> str:
        """SHA-256 of all that decides what is released of an event, so that equal views are computed once.

        Part of it: resource, key with types, fields in the contract's order with masks, parameters and types, row filter in
        canonical form, `before` and how far it is known, release time. Not part of it: who subscribes, the purpose (but for
        pseudonyms, whose mask holds its domain), the legal basis, the validity (the moment is judged per grant) and the
        keys (views of different keys may share an id). The table in README.md says the same; a test holds it true.
        """
        parts = {
            "schema": canonical(self.schema),
            "resource": self.resource,
            "masks": [[f.name, f.source, f.mask.identity()] for f in self.fields],
            "key": [list(k) for k in self.raw_key],
            "where": repr(self.where),
            "before_image": self.before_image,
            "time": self.release_time,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
