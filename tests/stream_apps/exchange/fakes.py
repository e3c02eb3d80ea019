"""Stand-ins for the producer, the transport and the cluster: only for tests of how a unit is processed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.change_event import change_event_schema
from schemas.codec import Codec, codec_for, rows
from schemas.contract import Contract, parse_contract
from schemas.errors import TransientError
from schemas.grant import parse_grant
from schemas.ids import DEAD_LETTER_TOPIC, source_topic
from schemas.key_ring import KeyRing, MasterSecret
from schemas.policy_log import ContractPublished, GrantEnded, GrantOpened
from schemas.policy_state import PolicyState
from schemas.text import Text
from schemas.view_event import fingerprint
from stream_apps.exchange.gaps import KeyHash
from stream_apps.exchange.marks import Mark, read_mark
from stream_apps.exchange.outbox import Aborted, Output
from stream_apps.exchange.tools import Tools
from stream_apps.exchange.views import RuleBook
from stream_apps.exchange.witness import Witness
from stream_apps.exchange.worker import Exchange
from stream_apps.policy import compile_view
from stream_apps.transport.unit import Committed, Place, Slice, Unit

RING = KeyRing({1: MasterSecret(1, b"k" * 32)}, 1)
NOW = 1_795_000_000_000


@dataclass
class FakeMessage:
    """As much of a Kafka message as the exchange asks for."""

    at: int
    k: bytes
    v: bytes | None
    ms: int = NOW

    def timestamp(self) -> tuple[int, int]:
        return 1, self.ms

    def value(self) -> bytes | None:
        return self.v

    def key(self) -> bytes:
        return self.k

    def offset(self) -> int:
        return self.at

    def __len__(self) -> int:
        return len(self.v or b"")


@dataclass
class Transaction:
    outputs: list[Output]
    offsets: dict[Place, tuple[int, Mark]]
    group: Any

    def entries(self, topic: str) -> list[dict[str, Any]]:
        return [e for o in self.outputs if o.topic == topic for e in o.entries]


@dataclass
class FakeSender:
    transaction: str = "bus.exchange.test"
    done: list[Transaction] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    """Reasons to abort the next transactions with."""

    def commit(self, outputs: Sequence[Output], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        if self.refuse:
            raise Aborted(self.refuse.pop(0))
        self.done.append(Transaction(list(outputs), {p: (at, read_mark(t)) for p, (at, t) in offsets.items()}, group))


@dataclass
class FakeFeed:
    finished: list[Unit] = field(default_factory=list)
    rewound: list[Mapping[Place, int]] = field(default_factory=list)
    paused: list[Place] = field(default_factory=list)
    resumed: list[Place] = field(default_factory=list)
    topics: Sequence[str] = ()
    next: Sequence[Slice] = ()

    def done(self, unit: Unit) -> None:
        self.finished.append(unit)

    def rewind(self, unit: Unit, places: Mapping[Place, int]) -> None:
        self.rewound.append(dict(places))

    def subscribe(self, topics: Sequence[str]) -> None:
        self.topics = topics

    def pause(self, places: Sequence[Place]) -> None:
        self.paused += places

    def resume(self, places: Sequence[Place]) -> None:
        self.resumed += places

    def group(self) -> Any:
        return "newest"

    def lag(self) -> Mapping[Place, int]:
        return {}

    def upcoming(self, timeout: float) -> Sequence[Slice]:
        return self.next

    def fail(self, error: BaseException) -> None:
        raise AssertionError(error)


@dataclass
class FakeHistory:
    """What a partition holds, from an offset on; what is appended to `log` is there at once."""

    log: list[FakeMessage]
    at: int = 0
    late: int = 0
    """Reads that find nothing yet."""
    closed: bool = False

    def read(self, most: int, until: int, seconds: float) -> tuple[list[Any], int]:
        if self.late:
            self.late -= 1
            return [], self.at
        found = [m for m in self.log if self.at <= m.at < until][:most]
        self.at = found[-1].at + 1 if len(found) == most else until
        return found, self.at

    def ready(self, until: int, seconds: float) -> bool:
        return not self.late

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeTopics:
    gone: set[str] = field(default_factory=set)
    anew: dict[str, str] = field(default_factory=dict)
    """The ids of topics that were made anew."""
    news: int = 0

    def ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        return {t: self.anew.get(t, f"id of {t}") for t in topics if t not in self.gone}

    def unusable(self, topics: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(set(topics) & self.gone, "no_topic")

    def refuse(self, refused: Mapping[str, str]) -> None:
        self.gone |= refused.keys()

    def forget(self) -> None: ...


@dataclass
class FakePolicy:
    state: PolicyState = field(default_factory=PolicyState)
    asked: list[int] = field(default_factory=list)

    def at_end(self, at_least: int) -> PolicyState:
        self.asked.append(at_least)
        return self.state


@dataclass
class FakeRegistry:
    """Knows no schema; out of reach if `down`."""

    down: bool = False

    def subjects_of(self, schema_id: int) -> list[str]:
        if self.down:
            raise TransientError(Text("down", "down"))
        return []


class Bench:
    """An exchange with everything around it faked, for resources with an `id`, a `district` and a `note`."""

    def __init__(self, witness: Witness | None = None) -> None:
        self.sender, self.feed, self.topics, self.policy = FakeSender(), FakeFeed(), FakeTopics(), FakePolicy()
        self.registry = FakeRegistry()
        tools = Tools(
            self.sender,
            RuleBook(RING, self.registry),  # type: ignore[arg-type]
            self.topics,
            KeyHash(RING),
            lambda places: dict.fromkeys(places, 0),
            lambda: NOW,
            witness=witness or Witness(),
        )
        self.exchange = Exchange(tools, self.policy)
        self.exchange.feed = self.feed
        self.codecs: dict[str, Codec] = {}

    def fold(self, event: Any) -> int:
        self.policy.state = self.policy.state.after(self.policy.state.epoch + 1, event)
        return self.policy.state.epoch

    def contract(self, resource: str) -> Contract:
        fields = [
            {"name": "id", "type": "string"},
            {"name": "district", "type": "string", "filterable": True},
            {"name": "note", "type": ["null", "string"], "default": None},
        ]
        about = {
            "id": resource,
            "title": {"zh": "测", "en": "T"},
            "provider": "p",
            "key": ["id"],
            "sharing": "conditional",
        }
        return parse_contract({"type": "record", "name": "R", "resource": about, "fields": fields})

    def publish_contract(self, resource: str = "p.r") -> None:
        contract = self.contract(resource)
        self.codecs[resource] = codec_for(change_event_schema(contract), 7)
        self.fold(ContractPublished(resource=resource, schema_id=7, contract=contract.source, at=0, by="t"))

    def open(
        self, grant: str = "s.g", resource: str = "p.r", generation: int = 1, key_version: int = 1, **more: Any
    ) -> str:
        """Its topic."""
        document = {
            "id": grant,
            "subscriber": "s",
            "resource": resource,
            "purpose": "t",
            "basis": "t",
            "fields": {"id": "pass", "note": "pass"},
            "valid": {"from": "2020-01-01", "until": "2099-12-31"},
        } | more
        parsed = parse_grant(document)
        view = compile_view(self.contract(resource), parsed)
        topic = f"grant.{grant}.g{generation}"
        self.fold(
            GrantOpened(
                grant=parsed,
                generation=generation,
                topic=topic,
                schema_id=100 + self.policy.state.epoch,
                fingerprint=fingerprint(view.schema),
                key_version=key_version,
                at=0,
                by="t",
            )
        )
        return topic

    def end(self, grant: str = "s.g") -> None:
        self.fold(GrantEnded(grant=grant, generation=1, reason="revoked", at=0, by="t"))

    def own(self, resource: str = "p.r", offset: int | None = None, metadata: str = "") -> Place:
        place = Place(source_topic(resource), 0)
        self.exchange.assigned({place: Committed(offset, metadata)})
        return place

    def event(self, at: int, op: str, before: Any, after: Any, resource: str = "p.r") -> FakeMessage:
        codec = self.codecs[resource]
        row = after or before
        columns: dict[str, Any] = {
            "op": op,
            "key": {"id": row["id"]},
            "before": before,
            "after": after,
            "event_id": "e",
            "source": "s",
            "position": "0",
            "occurred_at": None,
            "published_at": NOW,
        }
        arrays = [pa.array([columns[f.name]], f.type) for f in codec.arrow]
        value = codec.encode(pa.RecordBatch.from_arrays(arrays, schema=codec.arrow))[0]
        return FakeMessage(at, str(row["id"]).encode(), value)

    def unit(self, *slices: Slice, group: Any = "captured") -> Unit:
        return Unit(slices, group, 1, sum(len(s.messages) for s in slices))

    def handle(self, place: Place, messages: Sequence[FakeMessage], start: int, end: int | None = None) -> None:
        part = Slice(place, messages, start, start + len(messages) if end is None else end)  # type: ignore[arg-type]
        self.exchange.handle(self.unit(part))

    def ops(self, topic: str) -> list[str | None]:
        """Operations in a topic in order; None is a tombstone."""
        return [e and e["op"] for e in self.events(topic)]

    def events(self, topic: str) -> list[dict[str, Any] | None]:
        grant = next(g for g in (*self.policy.state.grants.values(), *self.policy.state.ended) if g.topic == topic)
        view = compile_view(self.contract(grant.grant.resource), grant.grant)
        codec = codec_for(view.schema, grant.schema_id)
        found = [e["value"] for t in self.sender.done for e in t.entries(topic)]
        return [None if v is None else dict(next(iter(rows(codec.decode([v]).batch)))) for v in found]

    def letters(self) -> list[bytes]:
        return [e["value"] for t in self.sender.done for e in t.entries(DEAD_LETTER_TOPIC)]


def row(i: int, note: str | None = None, district: str = "a") -> dict[str, Any]:
    return {"id": f"k{i}", "district": district, "note": note}
