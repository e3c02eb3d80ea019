"""The benchmark's resource: person records of eleven fields, half of the events updates with `before`.

The row filter keeps four of five. Values vary as they do in life: identifiers and phones are all different, names and
addresses repeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from confluent_kafka import Producer

from infra.runtime.kafka import producer_config
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.contract import Contract, parse_contract
from schemas.errors import TransientError
from schemas.grant import Grant, parse_grant
from schemas.ids import source_topic
from schemas.text import Text

BATCH = 10_000
_DISTRICTS = ("云岩区", "南明区", "花溪区", "乌当区", "观山湖区")
_NAMES = ("张三丰", "李小明", "王伟", "欧阳修文", "赵敏", "陈建国", "刘洋", "杨雪")
_EMPLOYERS = ("贵阳某某科技有限公司", "贵州某某建筑有限公司", "贵阳市某某学校", None)
_DATE = {"type": "int", "logicalType": "date"}

_MASKS: tuple[dict[str, Any], ...] = (
    {
        "id_no": "pseudonym",
        "spouse_id_no": {"mask": "partial", "preset": "id"},
        "name": {"mask": "partial", "preset": "name"},
        "phone": {"mask": "partial", "preset": "mobile"},
        "address": {"mask": "truncate", "length": 6},
        "birth": "pass",
        "gender": "pass",
        "district": "pass",
        "insured": "pass",
    },
    {"id_no": "pass", "name": "pass", "birth": "date_to_year", "phone": {"mask": "partial", "keep_last": 4}},
    {"id_no": "pseudonym", "district": "pass", "birth": "date_to_year", "employer": "pass"},
    {"name": {"mask": "partial", "preset": "name"}, "address": {"mask": "truncate", "length": 6}, "insured": "pass"},
)
"""The grants of the benchmark: the first alone for one view, all of them for four."""


def contract(resource: str) -> Contract:
    """The contract of a benchmark resource."""
    fields = [
        {"name": "id_no", "type": "string"},
        {"name": "spouse_id_no", "type": ["null", "string"], "default": None},
        {"name": "name", "type": "string"},
        {"name": "phone", "type": ["null", "string"], "default": None},
        {"name": "address", "type": ["null", "string"], "default": None},
        {"name": "birth", "type": _DATE},
        {"name": "gender", "type": "string"},
        {"name": "district", "type": "string", "filterable": True},
        {"name": "employer", "type": ["null", "string"], "default": None},
        {"name": "insured", "type": "boolean"},
        {"name": "updated_at", "type": "long"},
    ]
    attributes = {
        "id": resource,
        "title": {"zh": "基准", "en": "Benchmark"},
        "provider": "bench",
        "key": ["id_no"],
        "sharing": "conditional",
    }
    return parse_contract({"type": "record", "name": "Person", "resource": attributes, "fields": fields})


def grants(resource: str, count: int) -> list[Grant]:
    """`count` (1 to 4) different grants on the resource."""
    return [
        parse_grant(
            {
                "id": f"{resource}.grant-{n}",
                "subscriber": f"subscriber-{n}",
                "resource": resource,
                "purpose": "benchmark",
                "basis": "benchmark",
                "fields": fields,
                "where": "district <> '观山湖区'",
                "valid": {"from": "2026-01-01", "until": "2099-12-31"},
            }
        )
        for n, fields in enumerate(_MASKS[:count])
    ]


def rows(first: int, count: int, version: int) -> list[dict[str, Any]]:
    """Rows number `first` and on. Another `version` of a row differs in address and time."""
    return [
        {
            "id_no": f"5201021990{i:08d}",
            "spouse_id_no": None if i % 3 == 0 else f"5201021985{i * 7919 % 10**8:08d}",
            "name": _NAMES[i % 8],
            "phone": None if i % 97 == 0 else f"13{i * 7919 % 10**9:09d}",
            "address": None if i % 89 == 0 else f"贵阳市{_DISTRICTS[(i + version) % 4]}中华北路{i % 900}号",
            "birth": 9000 + i % 9000,
            "gender": "男女"[i % 2],
            "district": _DISTRICTS[i % 5],
            "employer": _EMPLOYERS[i % 4],
            "insured": i % 3 > 0,
            "updated_at": 1_760_000_000_000 + i + version,
        }
        for i in range(first, first + count)
    ]


def load(settings: Settings, resource: str, schema_id: int, events: int) -> None:
    """Write `events` change events to the resource's source topic: first half creates, second half updates of them.

    Raises TransientError if the broker does not take them all.
    """
    codec = codec_for(change_event_schema(contract(resource)), schema_id)
    producer = Producer(producer_config(settings))
    for events_, keys in _batches(codec.arrow, events):
        values = codec.encode(events_)
        messages = [{"value": v, "key": k} for v, k in zip(values, keys, strict=True)]
        if producer.produce_batch(source_topic(resource), messages, partition=0) != len(messages):
            raise TransientError(
                Text("the producer's queue is full.", "生产者队列已满。"), where=source_topic(resource)
            )
    if producer.flush(120):
        raise TransientError(
            Text("the broker did not take the load.", "代理未接收全部数据。"), where=source_topic(resource)
        )


def _batches(schema: pa.Schema, events: int) -> Iterator[tuple[pa.RecordBatch, list[bytes]]]:
    half = events // 2
    for start in range(0, events, BATCH):
        n = min(BATCH, events - start)
        update = start >= half
        first = start - half if update else start
        after = rows(first, n, int(update))
        before: list[dict[str, Any] | None] = [*rows(first, n, 0)] if update else [None] * n
        yield batch(schema, "u" if update else "c", before, after, start), [r["id_no"].encode() for r in after]


def batch(
    schema: pa.Schema, op: str, before: list[dict[str, Any] | None], after: list[dict[str, Any]], start: int
) -> pa.RecordBatch:
    """Change events of one operation, laid out as `schema`. `start` numbers them."""
    n = len(after)
    columns: dict[str, list[Any]] = {
        "op": [op] * n,
        "key": [{"id_no": r["id_no"]} for r in after],
        "before": before,
        "after": after,
        "event_id": [f"{start + i:032x}" for i in range(n)],
        "source": ["bench"] * n,
        "position": [json.dumps(start + i) for i in range(n)],
        "occurred_at": [None] * n,
        "published_at": [1_760_000_000_000 + start + i for i in range(n)],
    }
    arrays = [_array(columns[f.name], f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: list[Any], type_: pa.DataType) -> pa.Array[Any]:
    if pa.types.is_struct(type_) and any(pa.types.is_date32(f.type) for f in type_):
        loose = pa.struct([pa.field(f.name, pa.int32() if pa.types.is_date32(f.type) else f.type) for f in type_])
        return pa.array(values, loose).cast(type_)
    return pa.array(values).cast(type_) if pa.types.is_dictionary(type_) else pa.array(values, type_)
