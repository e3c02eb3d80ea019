"""`bus bench policy`: what each mask and each filter costs, on columns (what runs) and on rows (its definition).

A batch of 10,000 values, once all different and once a hundred values over and over (`repeated`); the best of several
rounds in which masks take turns, so that a change of the machine's pace falls on all of them alike. `times_pseudonym` says
how much slower than the pseudonym a mask is on different values: the house rule is at most 3.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas.avro_types import AvroType
from schemas.codec import arrow_type
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from stream_apps.policy import PREVIEW_KEY, ViewKeys, compile_view
from stream_apps.policy.masks import Mask
from stream_apps.policy.where import parse_where, truth
from stream_apps.policy.where.rows import truth as row_truth

BATCH = 10_000
_FEW = 100
_ROWS = 1_000
"""Rows are slow: so many are timed."""

DATE = {"type": "int", "logicalType": "date"}
_KEYS = ViewKeys(PREVIEW_KEY, "bench")
_SM3 = ViewKeys(PREVIEW_KEY, "bench", suite="sm3")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"


def _id(i: int) -> str:
    return f"52010219{60 + i % 40}{i % 12 + 1:02d}{i % 28 + 1:02d}{i % 1000:03d}X"[:17] + f"{i % 10}"


def _name(i: int) -> str:
    head = "欧阳" if i % 50 == 0 else _SURNAMES[i % 20]
    return head + _GIVEN[i // 20 % 20] + _GIVEN[i // 400 % 20] * (i % 3 > 0) + _GIVEN[i // 8000 % 20]


def _mobile(i: int) -> str:
    return f"13{i * 7919 % 10**9:09d}"


def _address(i: int) -> str:
    return f"贵州省贵阳市{('云岩区', '南明区', '花溪区', '开阳县')[i % 4]}中华北路街道{i}号"


@dataclass(frozen=True, slots=True)
class Case:
    """A mask as a grant writes it, on values of a type."""

    label: str
    use: Any
    avro: AvroType
    value: Callable[[int], Any]
    keys: ViewKeys = _KEYS


CASES: tuple[Case, ...] = (
    Case("pass", "pass", "string", _name),
    Case("null", "null", "string", _name),
    Case("constant", {"mask": "constant", "value": "已脱敏"}, "string", _name),
    Case("partial keep_first 1", {"mask": "partial", "keep_first": 1}, "string", _name),
    Case("partial 姓名", {"mask": "partial", "preset": "name"}, "string", _name),
    Case("partial 身份证号", {"mask": "partial", "preset": "id"}, "string", _id),
    Case("partial 手机号", {"mask": "partial", "preset": "mobile"}, "string", _mobile),
    Case("partial 固定电话", {"mask": "partial", "preset": "landline"}, "string", lambda i: f"0851-8{i:07d}"),
    Case("partial 银行卡", {"mask": "partial", "preset": "bank_card"}, "string", lambda i: f"62220240{i:011d}"),
    Case("partial 邮箱", {"mask": "partial", "preset": "email"}, "string", lambda i: f"user.{i}@example.gov.cn"),
    Case("partial 车牌", {"mask": "partial", "preset": "plate"}, "string", lambda i: f"贵A{i:05d}"),
    Case("partial 地址", {"mask": "partial", "preset": "address"}, "string", _address),
    Case("partial 统一社会信用代码", {"mask": "partial", "preset": "uscc"}, "string", lambda i: f"91520102{i:010d}"),
    Case("truncate", {"mask": "truncate", "length": 6}, "string", _address),
    Case("pseudonym sha256", "pseudonym", "string", _id),
    Case("pseudonym sm3", "pseudonym", "string", _id, _SM3),
    Case("encrypt AES-256-GCM", "encrypt", "string", _id),
    Case("encrypt SM4-GCM", "encrypt", "string", _id, _SM3),
    Case("generalise month", {"mask": "generalise", "to": "month"}, DATE, lambda i: dt.date.fromordinal(712_000 + i)),
    Case(
        "generalise quarter", {"mask": "generalise", "to": "quarter"}, DATE, lambda i: dt.date.fromordinal(712_000 + i)
    ),
    Case("generalise year", {"mask": "generalise", "to": "year"}, DATE, lambda i: dt.date.fromordinal(712_000 + i)),
    Case(
        "generalise age_band",
        {"mask": "generalise", "to": "age_band", "width": 10},
        DATE,
        lambda i: dt.date.fromordinal(712_000 + i),
    ),
    Case("generalise bucket", {"mask": "generalise", "to": "bucket", "edges": [0, 1000, 5000]}, "long", lambda i: i),
    Case("generalise round", {"mask": "generalise", "to": "round", "step": 100}, "long", lambda i: i),
    Case("generalise city", {"mask": "generalise", "to": "city"}, "string", lambda i: f"5201{i % 90 + 10}{i:06d}"),
    Case("generalise county", {"mask": "generalise", "to": "county"}, "string", lambda i: f"5201{i % 90 + 10}{i:06d}"),
    Case("generalise grid", {"mask": "generalise", "to": "grid", "step": 0.01}, "double", lambda i: 26 + i / 7919),
    Case(
        "regex_replace",
        {"mask": "regex_replace", "pattern": "[0-9]+号", "replacement": "**号"},
        "string",
        _address,
    ),
)
"""Every mask of the catalogue but `drop`, which costs nothing; a test holds the list complete."""

FILTERS: tuple[str, ...] = (
    "district = '云岩区'",
    "district <> '观山湖区' AND amount >= 100",
    "district IN ('云岩区', '南明区', '花溪区')",
    "name LIKE '王%'",
    "born BETWEEN DATE '1970-01-01' AND DATE '1999-12-31'",
    "amount IS NULL OR NOT (amount > 500 AND district = '云岩区')",
)
_TYPES: dict[str, AvroType] = {"district": "string", "amount": ["null", "long"], "name": "string", "born": DATE}


def mask_of(case: Case) -> Mask:
    """The mask as the exchange would run it."""
    attributes = {
        "id": "bench.masks",
        "title": {"zh": "基准", "en": "Benchmark"},
        "provider": "bench",
        "key": ["id"],
        "sharing": "conditional",
    }
    fields = [{"name": "id", "type": "string"}, {"name": "value", "type": case.avro}]
    contract = parse_contract({"type": "record", "name": "Masks", "resource": attributes, "fields": fields})
    grant = parse_grant(
        {
            "id": "bench",
            "subscriber": "bench",
            "resource": "bench.masks",
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"value": case.use},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
    )
    return compile_view(contract, grant).fields[0].mask


def measure(rounds: int) -> dict[str, Any]:
    """The tables, from `rounds` turns of everything."""
    masks = [_prepared(case) for case in CASES]
    filters = [_prepared_filter(text) for text in FILTERS]
    for _ in range(rounds):
        for timed in (*masks, *filters):
            timed.turn()
    token = next(m for m in masks if m.label == "pseudonym sha256").best["distinct"]
    token_sm3 = next(m for m in masks if m.label == "pseudonym sm3").best["distinct"]
    shown = []
    for case, timed in zip(CASES, masks, strict=True):
        against = token_sm3 if case.keys is _SM3 else token
        shown.append(timed.row() | {"times_pseudonym": round(timed.best["distinct"] / against, 2)})
    return {"masks": shown, "filters": [f.row() for f in filters], "batch": BATCH}


@dataclass(slots=True)
class _Timed:
    """Works to time, each on so many values, and the best seconds a value of each so far."""

    label: str
    works: dict[str, tuple[int, Callable[[], Any]]]
    best: dict[str, float]

    def turn(self) -> None:
        for name, (count, work) in self.works.items():
            began = time.perf_counter()
            work()
            took = (time.perf_counter() - began) / count
            self.best[name] = min(took, self.best.get(name, took))

    def row(self) -> dict[str, Any]:
        return {"name": self.label, **{f"{name}_per_second": round(1 / took) for name, took in self.best.items()}}


def _prepared(case: Case) -> _Timed:
    mask, layout = mask_of(case), arrow_type(case.avro)
    distinct: Any = pa.array([case.value(i) for i in range(BATCH)], layout)
    repeated = pa.array([case.value(i % _FEW) for i in range(BATCH)], layout)
    row_keys = pa.array([f"row-{i}" for i in range(BATCH)])
    few: Sequence[Any] = distinct.slice(0, _ROWS).to_pylist()
    works = {
        "distinct": (BATCH, lambda: mask.columns(distinct, case.keys, row_keys)),
        "repeated": (BATCH, lambda: mask.columns(repeated, case.keys, row_keys)),
        "rows": (_ROWS, lambda: [mask.row(v, case.keys, "row") for v in few]),
    }
    return _Timed(case.label, works, {})


def _prepared_filter(text: str) -> _Timed:
    predicate = parse_where(text, _TYPES, "where")
    values = [
        {
            "district": ("云岩区", "南明区", "花溪区", "乌当区", "观山湖区")[i % 5],
            "amount": None if i % 10 == 0 else i % 1000,
            "name": _name(i),
            "born": dt.date.fromordinal(712_000 + i),
        }
        for i in range(BATCH)
    ]
    rows: Any = pa.array(values, pa.struct([pa.field(name, arrow_type(t)) for name, t in _TYPES.items()]))
    few = values[:_ROWS]
    works = {
        "columns": (BATCH, lambda: truth(predicate, rows)),
        "rows": (_ROWS, lambda: [row_truth(predicate, row) for row in few]),
    }
    return _Timed(text, works, {})
