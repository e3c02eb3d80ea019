"""A state machine: whatever happens at the source, in whatever batches, and whatever is lost on the way, the events of a
view applied to an empty table yield exactly what the subscriber may see now, by a model in plain Python.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from schemas.change_event import change_event_schema
from schemas.codec import arrow_schema, codec_for, rows
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from schemas.keys import key_text
from stream_apps.policy import Failure, Outcome, View, ViewKeys, compile_view, delete_for_keys, evaluate
from tests.schemas.contracts import avro_contract, grant_document

Row = dict[str, Any]
Key = tuple[str, int]

HOME = {
    "type": "record",
    "name": "Home",
    "fields": [{"name": "street", "type": ["null", "string"]}, {"name": "no", "type": "int"}],
}
MEMBER = {"type": "record", "name": "Member", "fields": [{"name": "id_no", "type": "string", "format": "cn-id"}]}
FIELDS = [
    {"name": "id", "type": "string", "format": "cn-mobile"},
    {"name": "n", "type": "int"},
    {"name": "name", "type": ["null", "string"]},
    {"name": "district", "type": ["null", "string"], "filterable": True},
    {"name": "home", "type": ["null", HOME], "filterable": True},
    {"name": "members", "type": {"type": "array", "items": MEMBER}},
]
KEYS = ViewKeys(b"p" * 32, "g")
AT = 1_793_500_000_000

IDS = st.sampled_from(("13800000001", "13800000002", "|"))
BODIES = st.fixed_dictionaries(
    {
        "name": st.sampled_from((None, "", "王", "王伟", "欧阳修文")),
        "district": st.sampled_from((None, "云岩区", "南明区")),
        "home": st.none()
        | st.fixed_dictionaries({"street": st.sampled_from((None, "中华北路", "新华路")), "no": st.integers(0, 1)}),
        "members": st.lists(st.fixed_dictionaries({"id_no": st.sampled_from(("52010219900101001X", "1"))}), max_size=2),
    }
)


def token(label: tuple[str, str] | None, text: str) -> str:
    key = (KEYS.view_key() if label is None else KEYS.token(*label)).key
    return f"1-{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]}"


def surname(name: str | None) -> str | None:
    return None if name is None else "*" * len(name) if len(name) <= 1 else name[0] + "*" * (len(name) - 1)


def raw(row: Row) -> str:
    return token(None, key_text([row["id"], row["n"]]))


PURPOSE = "purpose:综合治税"
GRANTS: dict[str, tuple[dict[str, Any], Callable[[Row], tuple[str, Row]]]] = {
    "keyed by its fields": (
        {"id": "pseudonym", "n": "pass", "name": {"mask": "partial", "keep_first": 1}, "home.street": "pass"},
        lambda r: (
            f"{token((PURPOSE, 'cn-mobile'), r['id'])}|{r['n']}",
            {
                "id": token((PURPOSE, "cn-mobile"), r["id"]),
                "n": r["n"],
                "name": surname(r["name"]),
                "home": r["home"] and {"street": r["home"]["street"]},
            },
        ),
    ),
    "keyed by a token": (
        {"n": "pass", "name": "null", "members[].id_no": "pseudonym", "home": "drop"},
        lambda r: (
            raw(r),
            {
                "n": r["n"],
                "name": None,
                "members": [{"id_no": token((PURPOSE, "cn-id"), m["id_no"])} for m in r["members"]],
            },
        ),
    ),
}
FILTERS: dict[str | None, Callable[[Row], bool]] = {
    None: lambda r: True,
    "district = '云岩区'": lambda r: r["district"] == "云岩区",
    "home.no = 1 OR district IS NULL": lambda r: (r["home"] is not None and r["home"]["no"] == 1) or not r["district"],
    "NOT home.street LIKE '中%'": lambda r: bool(
        r["home"] and r["home"]["street"] is not None and not r["home"]["street"].startswith("中")
    ),
}


@dataclass
class World:
    """A view, and the layout its source has."""

    view: View
    layout: pa.Schema
    sees: Callable[[Row], bool]
    masked: Callable[[Row], tuple[str, Row]]
    before_image: str


def world(grant: str, where: str | None, before_image: str, *, before: bool) -> World:
    contract = parse_contract(avro_contract(fields=FIELDS, resource={"key": ["id", "n"], "before": before_image}))
    fields, masked = GRANTS[grant]
    view = compile_view(contract, parse_grant(grant_document(fields=fields, where=where, before=before)))
    layout = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(contract))])
    return World(view, layout, FILTERS[where], masked, before_image)


class Subscriber(RuleBasedStateMachine):
    """`table` is the source, `told` what of it has been judged, `seen` the subscriber's table.

    `lost`: keys whose newest row was lost on the way: the subscriber must not have them until their next event.
    """

    living = Bundle("living")

    @initialize(
        grant=st.sampled_from(list(GRANTS)),
        where=st.sampled_from(list(FILTERS)),
        before_image=st.sampled_from(("required", "optional", "never")),
        before=st.booleans(),
    )
    def begin(self, grant: str, where: str | None, before_image: str, before: bool) -> None:
        self.world = world(grant, where, before_image, before=before)
        self.table: dict[Key, Row] = {}
        self.pending: list[Row] = []
        self.told: dict[Key, Row] = {}
        self.seen: dict[str, Row] = {}
        self.lost: set[Key] = set()
        self.gaps: set[Key] = set()

    # -- at the source

    @rule(target=living, id_=IDS, n=st.sampled_from((1, 2)), body=BODIES, op=st.sampled_from(("c", "r")))
    def create(self, id_: str, n: int, body: Row, op: str) -> Key:
        key, row = (id_, n), {"id": id_, "n": n, **body}
        if key in self.table:  # a source says u of a row it knows
            self._event("u", self.table[key], row)
        else:
            self._event(op, None, row)
        self.table[key] = row
        return key

    @rule(key=living, body=BODIES)
    def update(self, key: Key, body: Row) -> None:
        if key in self.table:
            row = {**self.table[key], **body}
            self._event("u", self.table[key], row)
            self.table[key] = row

    @rule(key=consumes(living))
    def delete(self, key: Key) -> None:
        if key in self.table:
            self._event("d", self.table.pop(key), None)

    @precondition(lambda self: self.world.before_image != "never")
    @rule(target=living, key=consumes(living), id_=IDS)
    def move(self, key: Key, id_: str) -> Key:
        new = (id_, key[1])
        if key in self.table and new not in self.table:
            old = self.table.pop(key)
            self.table[new] = {**old, "id": id_}
            self._event("u", old, self.table[new])
            return new
        return key

    def _event(self, op: str, before: Row | None, after: Row | None) -> None:
        row = after or before
        assert row is not None
        key = {"id": row["id"], "n": row["n"]}
        if self.world.before_image == "never":
            before = None
        self.pending.append({"op": op, "key": key, "before": before, "after": after})

    # -- on the way

    @rule(size=st.integers(1, 6))
    def release(self, size: int) -> None:
        events, self.pending = self.pending[:size], self.pending[size:]
        if events:
            known = np.array([not (self._keys(e) & self.gaps) for e in events])
            for n, e in enumerate(events):  # within a batch too, only the first event after a gap is unknown
                known[n] |= any(self._keys(e) & self._keys(other) for other in events[:n])
            released = evaluate(self.world.view, self._batch(events), keys=KEYS, at_ms=AT, known=known)
            self._judged(events, released)
            self._apply(released)

    @precondition(lambda self: self.pending)
    @rule()
    def lose(self) -> None:
        """An event that does not decode: its row is deleted by its key, its key has a gap."""
        event, self.pending = self.pending[0], self.pending[1:]
        key = (event["key"]["id"], event["key"]["n"])
        before = event["before"]
        if event["op"] == "u" and before and (before["id"], before["n"]) != key:
            self.pending.insert(0, event)  # a key change is one record under the new key; its loss is no matter of here
            return
        self._apply(delete_for_keys(self.world.view, [key_text(key)], keys=KEYS, at_ms=AT))
        self._note(event)
        self.gaps.add(key)
        if event["after"] is not None:
            self.lost.add(key)

    def _batch(self, events: list[Row]) -> pa.RecordBatch:
        rest = dict.fromkeys(("event_id", "source", "position", "occurred_at", "published_at"))
        return pa.RecordBatch.from_pylist([e | rest for e in events], schema=self.world.layout)

    def _keys(self, event: Row) -> set[Key]:
        keys = {(event["key"]["id"], event["key"]["n"])}
        return keys | ({(event["before"]["id"], event["before"]["n"])} if event["before"] else set())

    def _note(self, event: Row) -> None:
        if event["before"] is not None:
            self.told.pop((event["before"]["id"], event["before"]["n"]), None)
        key = (event["key"]["id"], event["key"]["n"])
        self.told.pop(key, None)
        if event["after"] is not None:
            self.told[key] = event["after"]

    def _judged(self, events: list[Row], released: Any) -> None:
        for n, event in enumerate(events):
            self._note(event)
            self.lost -= self._keys(event)
            self.gaps -= self._keys(event)
            if released.outcome[n] == Outcome.FAILED:
                assert self.world.before_image == "optional"
        assert {why for _, why in released.failed} <= {Failure.MISSING_BEFORE}

    def _apply(self, released: Any) -> None:
        codec_for(self.world.view.schema, 1).encode(released.events)
        for key, event in zip(released.kafka_keys.to_pylist(), rows(released.events), strict=True):
            if event["op"] == "d":
                assert event["after"] is None
                self.seen.pop(key.decode(), None)
            else:
                self.seen[key.decode()] = event["after"]

    # -- always

    @invariant()
    def the_subscriber_has_exactly_what_it_may_see(self) -> None:
        there = [row for key, row in self.told.items() if key not in self.lost and self.world.sees(row)]
        assert self.seen == dict(self.world.masked(row) for row in there)


TestSubscriber = Subscriber.TestCase
TestSubscriber.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
