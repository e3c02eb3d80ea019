"""What every subscriber of the sample city must receive, worked out without the exchange.

Plain Python over the generator's own rows: each grant is written down a second time, by hand, as a condition and a
release function. Nothing of `stream_apps` is used but the keys, which are secrets and not logic. If the policy engine,
the adapter or a sink errs, the counts or the tables differ from these.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from infra.bus.demo.city import Row

Change = tuple[Row | None, Row | None]
"""A row as it was and as it is; None where there is none."""

Pseudonym = Callable[[str, str], str]
"""Token of a value of some meaning: a format, or `resource:field` where the contract gives none."""


@dataclass(frozen=True)
class Reference:
    """One grant by hand: the row condition (True releases) and what is released of a row."""

    resource: str
    where: Callable[[Row], bool]
    release: Callable[[Row, Pseudonym], Row]


@dataclass
class Expectation:
    """What a subscriber must have received.

    events  released view events in order: (operation, raw key, released row or None)
    table   what its table must hold in the end, by raw key
    """

    events: list[tuple[str, tuple[Any, ...], Row | None]] = field(default_factory=list)
    table: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    withheld: int = 0


def expect(reference: Reference, key: tuple[str, ...], changes: Iterable[Change], token: Pseudonym) -> Expectation:
    """The expectation of one grant over the changes of its resource, in the order they were published."""
    out = Expectation()
    for before, after in changes:
        was = reference.release(before, token) if before is not None and reference.where(before) else None
        now = reference.release(after, token) if after is not None and reference.where(after) else None
        row = after if after is not None else before
        assert row is not None
        raw = tuple(row[k] for k in key)
        if was == now:  # also where the row is in the view neither before nor after
            out.withheld += 1
            continue
        out.events.append(("c" if was is None else "d" if now is None else "u", raw, now))
        if now is None:
            del out.table[raw]
        else:
            out.table[raw] = now
    return out


def prefix_table(expectation: Expectation, length: int) -> dict[tuple[Any, ...], Row]:
    """What the table holds after the first `length` events: for a grant that was revoked in mid-flow."""
    table: dict[tuple[Any, ...], Row] = {}
    for op, raw, now in expectation.events[:length]:
        if op == "d" or now is None:
            del table[raw]
        else:
            table[raw] = now
    return table


def _stars(value: str | None, first: int, last: int = 0) -> str | None:
    if value is None:
        return None
    if len(value) <= first + last:
        return "*" * len(value)
    return value[:first] + "*" * (len(value) - first - last) + (value[-last:] if last else "")


def _bucket(value: float | None, *edges: int) -> str | None:
    if value is None:
        return None
    if value < edges[0]:
        return f"<{edges[0]}"
    for low, high in pairwise(edges):
        if value < high:
            return f"[{low},{high})"
    return f">={edges[-1]}"


def _year(value: dt.date | None) -> int | None:
    return None if value is None else value.year


def _always(_: Row) -> bool:
    return True


def _between(value: dt.date | None, low: dt.date, high: dt.date) -> bool:
    return value is not None and low <= value <= high


REFERENCES: dict[str, Reference] = {
    "shuiwu.enterprise_registration.2026-001": Reference(
        "scjg.enterprise_registration",
        lambda r: (
            _between(r["registered_on"], dt.date(2000, 1, 1), dt.date.max) and r["district"] in ("云岩区", "南明区")
        ),
        lambda r, t: {
            "uscc": r["uscc"],
            "name": r["name"],
            "legal_representative": _stars(r["legal_representative"], 1),
            "capital_cents": _bucket(r["capital_cents"], 0, 100000000, 1000000000),
            "registered_on": r["registered_on"],
        },
    ),
    "tjj.enterprise_registration.2026-001": Reference(
        "scjg.enterprise_registration",
        _always,
        lambda r, t: {
            "uscc": t(r["uscc"], "cn-uscc"),
            "capital_cents": _bucket(r["capital_cents"], 0, 100000000, 1000000000),
            "registered_on": _year(r["registered_on"]),
            "district": r["district"],
        },
    ),
    "public.enterprise_registration.2026-001": Reference(
        "scjg.enterprise_registration",
        _always,
        lambda r, t: {"uscc": r["uscc"], "name": r["name"], "registered_on": _year(r["registered_on"])},
    ),
    "rsj.population.2026-001": Reference(
        "gongan.population",
        _always,
        lambda r, t: {
            "id_no": r["id_no"],
            "name": r["name"],
            "birth_date": r["birth_date"],
            "phone": _stars(r["phone"], 3, 4),
        },
    ),
    "tjj.population.2026-001": Reference(
        "gongan.population",
        _always,
        lambda r, t: {"id_no": t(r["id_no"], "cn-id"), "birth_date": _year(r["birth_date"]), "district": r["district"]},
    ),
    "wjw.population.2026-001": Reference(
        "gongan.population",
        lambda r: r["district"] in ("云岩区", "南明区", "花溪区"),
        lambda r, t: {
            "name": _stars(r["name"], 1),
            "phone": _stars(r["phone"], 3, 4),
            "address": r["address"][:6] if r["address"] is not None else None,
            "district": r["district"],
        },
    ),
    "shuiwu.social_insurance.2026-001": Reference(
        "rsj.social_insurance",
        lambda r: r["active"] and _between(r["insured_on"], dt.date(2005, 1, 1), dt.date(2026, 12, 31)),
        lambda r, t: {
            "id_no": _stars(r["id_no"], 6),
            "kind": r["kind"],
            "employer_uscc": r["employer_uscc"],
            "base_cents": _bucket(r["base_cents"], 0, 500000, 1000000, 2000000),
            "active": r["active"],
        },
    ),
    "shuiwu.housing_contract.2026-001": Reference(
        "zhujian.housing_contract",
        lambda r: (
            r["signed_on"] is not None and r["district"] is not None and r["district"] not in ("开阳县", "息烽县")
        ),
        lambda r, t: {
            "contract_no": r["contract_no"],
            "buyer_id_no": t(r["buyer_id_no"], "cn-id"),
            "area_m2": r["area_m2"],
            "price_cents": _bucket(r["price_cents"], 50000000, 100000000, 200000000),
            "signed_on": r["signed_on"],
            "district": r["district"],
        },
    ),
    "zhujian.marriage.2026-001": Reference(
        "minzheng.marriage",
        _always,
        lambda r, t: {
            "certificate_no": t(r["certificate_no"], "minzheng.marriage:certificate_no"),
            "man_id_no": t(r["man_id_no"], "cn-id"),
            "woman_id_no": t(r["woman_id_no"], "cn-id"),
            "registered_on": _year(r["registered_on"]),
        },
    ),
    "public.medical_institution.2026-001": Reference(
        "wjw.medical_institution",
        lambda r: r["grade"] is not None and "级" in r["grade"],
        lambda r, t: {k: r[k] for k in ("licence_no", "name", "grade", "beds", "district", "address")},
    ),
    "huanbao.vehicle.2026-001": Reference(
        "jiaojing.vehicle",
        lambda r: (
            _between(r["first_registered_on"], dt.date.min, dt.date(2014, 12, 31))
            and r["kind"] is not None
            and r["kind"] != "摩托车"
        ),
        lambda r, t: {
            "plate": _stars(r["plate"], 2, 1),
            "kind": r["kind"],
            "first_registered_on": r["first_registered_on"],
            "district": r["district"],
        },
    ),
    "tuanwei.student.2026-001": Reference(
        "jyj.student",
        lambda r: r["grade"] is not None and r["grade"] >= 7,
        lambda r, t: {
            "student_no": t(r["student_no"], "jyj.student:student_no"),
            "school": r["school"],
            "grade": r["grade"],
            "enrolled_on": _year(r["enrolled_on"]),
        },
    ),
}
