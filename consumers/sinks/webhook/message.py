"""What a request says: JSON of consecutive view events of one partition, or that a table begins anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.events import Change, Place, Row, Tombstone, ViewEvent
from consumers.values import in_utc, json_text, key_of
from consumers.view import View
from schemas.change_event import Op
from schemas.errors import PermanentError
from schemas.text import Text

Record = ViewEvent | Tombstone
_LONG = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Request:
    """Consecutive offsets of one partition, sent as one. `body` is None where nothing in them is told.

    events     view events among them
    upserted, deleted   changes told
    """

    partition: int
    first: int
    next: int
    events: int = 0
    upserted: int = 0
    deleted: int = 0
    body: str | None = None

    def id(self, topic_id: str, fill: str) -> str:
        """The same for the same offsets of the same filling, whenever and however often it is sent."""
        return f"{topic_id}_{fill}_{self.partition}_{self.first}_{self.next}"


def opening(view: View) -> str:
    """The message that a table begins anew, with its columns."""
    data = {
        "grant": view.grant,
        "generation": view.origin.generation,
        "topic": view.origin.topic,
        "title": view.title,
        "columns": [{"name": c.field, "kind": c.kind, "key": c.key, "title": c.title} for c in view.columns],
    }
    return json_text({"type": "view.opened", "data": data})


class Writer:
    """Records of a view as requests within limits."""

    def __init__(self, view: View, most_events: int, most_bytes: int) -> None:
        self._view, self._most_events, self._most_bytes = view, most_events, most_bytes
        self._instants = {c.field for c in view.columns if c.kind == "timestamp"}
        self._whole = {c.field for c in view.columns if c.kind in ("int", "long")}

    def requests(
        self, partition: int, records: Sequence[Record], first: int, end: int, announced: int | None
    ) -> list[Request]:
        """Requests that bring a partition from `first` to `end`. The first one keeps the end it was `announced` with.

        PermanentError, by place, for a record that has no JSON or no key.
        """
        out: list[Request] = []
        rest = [_Told(record, self._text(record)) for record in records]
        if announced is not None:
            held = [t for t in rest if t.record.place.offset < announced]
            out.append(self._request(partition, first, announced, held))
            rest, first = rest[len(held) :], announced
        for group in self._grouped(rest):
            until = group[-1].record.place.offset + 1
            out.append(self._request(partition, first, end if group[-1] is rest[-1] else until, group))
            first = out[-1].next
        if first < end:
            out.append(Request(partition, first, end))
        return out

    def _grouped(self, told: Iterable[_Told]) -> Iterator[list[_Told]]:
        group: list[_Told] = []
        size = 0
        for one in told:
            length = len(one.text.encode())
            if group and (len(group) >= self._most_events or size + length > self._most_bytes):
                yield group
                group, size = [], 0
            group.append(one)
            size += length
        if group:
            yield group

    def _request(self, partition: int, first: int, end: int, group: Sequence[_Told]) -> Request:
        kept = _without_echoes(group)
        deleted = sum(one.deletes for one in kept)
        events = sum(isinstance(one.record, ViewEvent) for one in group)
        body = self._body(partition, first, end, kept) if kept else None
        return Request(partition, first, end, events, len(kept) - deleted, deleted, body)

    def _body(self, partition: int, first: int, end: int, told: Sequence[_Told]) -> str:
        origin = self._view.origin
        data = {"grant": self._view.grant, "generation": origin.generation, "topic": origin.topic}
        place = {"partition": partition, "first": first, "next": end}
        head = json_text({**data, **place}).removesuffix("}")
        return f'{{"type":"view.events","data":{head},"events":[{",".join(one.text for one in told)}]}}}}'

    def _text(self, record: Record) -> str:
        event: dict[str, Any] = {"op": Op.DELETE.value, "released_at": None, "key": self._key_of(record)}
        if isinstance(record, ViewEvent):
            rows = {
                name: self._row(row, record.place) for name, row in (("before", record.before), ("after", record.after))
            }
            event |= {"op": record.op.value, "released_at": record.released_at, **rows}
        else:
            event |= {"before": None, "after": None}
        try:
            text = json_text({**event, "place": record.place._asdict()})
            text.encode()
        except (TypeError, ValueError, OverflowError):
            raise self._unspeakable(record.place) from None
        return text

    def _key_of(self, record: Record) -> dict[str, Any]:
        key = key_of(self._view, Change(record.key, None, record.place))
        return self._telling(dict(zip((c.field for c in self._view.key), key, strict=True)), record.place)

    def _row(self, row: Row | None, place: Place) -> dict[str, Any] | None:
        """What the view has columns for, in their order."""
        if row is None:
            return None
        names = [c.field for c in self._view.columns if not c.key or c.field in row]
        return self._telling({name: row.get(name) for name in names}, place)

    def _telling(self, out: dict[str, Any], place: Place) -> dict[str, Any]:
        """Instants with their zone, which the codecs leave out. Whole numbers must be Avro's."""
        for name in self._instants & out.keys():
            if out[name] is not None:
                out[name] = in_utc(out[name])
        if any(out[name] is not None and out[name] not in _LONG for name in self._whole & out.keys()):
            raise self._unspeakable(place) from None
        return out

    def _unspeakable(self, place: Place) -> PermanentError:
        return PermanentError(
            Text("a view event holds a value that has no JSON form.", "视图事件含有无法以 JSON 表示的值。"),
            where=f"{self._view.origin.topic}[{place.partition}]@{place.offset}",
        )


@dataclass(frozen=True, slots=True)
class _Told:
    """A record and its JSON."""

    record: Record
    text: str

    @property
    def deletes(self) -> bool:
        return isinstance(self.record, Tombstone) or self.record.op is Op.DELETE


def _without_echoes(group: Iterable[_Told]) -> list[_Told]:
    """Without the tombstones that only follow a delete told just before: what is left tells the same."""
    gone: dict[tuple[Any, ...], bool] = {}
    kept = []
    for one in group:
        key = tuple(one.record.key.values())
        if not (isinstance(one.record, Tombstone) and gone.get(key)):
            kept.append(one)
        gone[key] = one.deletes
    return kept
