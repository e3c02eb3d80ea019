"""The sample city: eight resources of eight departments, as rows that are true before any dirt falls on them.

Everything follows from a seed. Each resource has a first state and a second one (rows changed, gone and added), so that
publishing both states gives creates, updates and deletes in known numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from infra.bus.demo import people

Row = dict[str, Any]
"""Field name -> true value: str, int, float, bool, date or None."""

UPDATED, DELETED, ADDED = 0.26, 0.03, 0.02
"""Shares of the first state's rows that the second state changes, lacks and adds. Deletes stay under the 5 % at which
the file adapter asks."""


@dataclass(frozen=True)
class Register:
    """A resource's two states.

    first, second  rows in file order
    """

    resource: str
    first: list[Row]
    second: list[Row]


@dataclass(frozen=True)
class _Kind:
    key: tuple[str, ...]
    make: Callable[[Random, int], Row]
    change: Callable[[Random, Row], Row]
    weight: float


def build_city(events: int, seed: int) -> list[Register]:
    """Registers whose publication gives about `events` change events (within rounding), the same for the same seed."""
    rng = Random(seed)
    rows = events / (1 + UPDATED + DELETED + ADDED)
    return [
        _register(name, kind, max(20, round(rows * kind.weight)), Random(rng.random())) for name, kind in _KINDS.items()
    ]


def _register(resource: str, kind: _Kind, size: int, rng: Random) -> Register:
    made = _unique(kind, size + int(size * ADDED), rng)
    first = made[:size]
    fate = rng.sample(range(size), k=int(size * (UPDATED + DELETED)))
    gone = set(fate[: int(size * DELETED)])
    changed = set(fate[int(size * DELETED) :])
    second = [kind.change(rng, row) if n in changed else row for n, row in enumerate(first) if n not in gone]
    return Register(resource, first, second + made[size:])


def more_rows(register: Register, count: int, seed: int) -> list[Row]:
    """`count` further rows of a register, none with a key it ever had."""
    kind, rng = _KINDS[register.resource], Random(seed)
    taken = {tuple(row[k] for k in kind.key) for rows in (register.first, register.second) for row in rows}
    fresh = _unique(kind, count + len(taken) // 10 + 100, rng)
    return [row for row in fresh if tuple(row[k] for k in kind.key) not in taken][:count]


def _unique(kind: _Kind, size: int, rng: Random) -> list[Row]:
    """`size` rows of which no two have one key, though random identity numbers do meet."""
    rows: dict[tuple[Any, ...], Row] = {}
    while len(rows) < size:
        row = kind.make(rng, len(rows))
        rows.setdefault(tuple(row[k] for k in kind.key), row)
    return list(rows.values())


def _district(rng: Random) -> str:
    return rng.choices(list(people.DISTRICTS), weights=[20, 22, 12, 6, 7, 14, 5, 3, 4, 7])[0]


def _maybe(rng: Random, value: Any, share: float = 0.96) -> Any:
    return value if rng.random() < share else None


def _enterprise(rng: Random, _: int) -> Row:
    district = _district(rng)
    return {
        "uscc": people.credit_code(rng, district),
        "name": people.company_name(rng),
        "registered_on": _maybe(rng, people.day(rng, 1985, 2025)),
        "legal_representative": _maybe(rng, people.person_name(rng)),
        "capital_cents": _maybe(rng, rng.choice((3, 10, 50, 100, 500, 1200, 5000, 20000)) * 1_000_000, 0.85),
        "district": district,
        "address": people.address(rng, district),
    }


def _resident(rng: Random, _: int) -> Row:
    district, born = _district(rng), people.day(rng, 1940, 2020)
    return {
        "id_no": people.id_number(rng, district, born),
        "name": people.person_name(rng),
        "phone": _maybe(rng, people.mobile(rng), 0.9),
        "birth_date": born,
        "district": _maybe(rng, district, 0.98),
        "address": _maybe(rng, people.address(rng, district)),
    }


def _insured(rng: Random, _: int) -> Row:
    district = _district(rng)
    return {
        "id_no": people.id_number(rng, district, people.day(rng, 1960, 2005)),
        "kind": rng.choice(("养老", "失业", "工伤")),
        "name": people.person_name(rng),
        "employer_uscc": _maybe(rng, people.credit_code(rng, district), 0.8),
        "base_cents": _maybe(rng, rng.randrange(300_000, 3_000_000)),
        "insured_on": people.day(rng, 1998, 2026),
        "active": rng.random() < 0.85,
    }


def _housing(rng: Random, n: int) -> Row:
    district = _district(rng)
    area = rng.randrange(4000, 22000) / 100
    return {
        "contract_no": f"GY{people.DISTRICTS[district]}{n:08d}",
        "buyer_id_no": people.id_number(rng, district, people.day(rng, 1955, 2003)),
        "buyer": people.person_name(rng),
        "area_m2": area,
        "price_cents": _maybe(rng, int(area * rng.randrange(4000, 16000)) * 100),
        "signed_on": _maybe(rng, people.day(rng, 2008, 2025)),
        "district": district,
    }


def _marriage(rng: Random, n: int) -> Row:
    district = _district(rng)
    return {
        "certificate_no": f"J{people.DISTRICTS[district]}-{rng.randrange(2000, 2026)}-{n:06d}",
        "man_id_no": people.id_number(rng, district, people.day(rng, 1955, 2003)),
        "woman_id_no": people.id_number(rng, district, people.day(rng, 1955, 2003)),
        "registered_on": people.day(rng, 2000, 2025),
        "office": f"{district}民政局婚姻登记处",
    }


def _institution(rng: Random, n: int) -> Row:
    district = _district(rng)
    return {
        "licence_no": f"PDY{people.DISTRICTS[district]}{n:06d}",
        "name": f"贵阳{district}{rng.choice(('人民', '中医', '妇幼', '社区'))}医院{n}",
        "grade": _maybe(rng, rng.choice(("三级甲等", "二级甲等", "一级", "未定")), 0.9),
        "beds": _maybe(rng, rng.randrange(5, 2000)),
        "licensed_on": people.day(rng, 1995, 2025),
        "district": district,
        "address": people.address(rng, district),
    }


def _vehicle(rng: Random, n: int) -> Row:
    district = _district(rng)
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return {
        "plate": f"贵A{letters[n // 10000 % 24]}{n % 10000:04d}" if n < 240_000 else f"贵A{n:08d}",
        "owner": people.person_name(rng),
        "owner_id_no": _maybe(rng, people.id_number(rng, district, people.day(rng, 1955, 2005))),
        "kind": rng.choice(("小型汽车", "大型汽车", "摩托车", "新能源汽车")),
        "first_registered_on": _maybe(rng, people.day(rng, 2003, 2025)),
        "district": district,
    }


def _student(rng: Random, n: int) -> Row:
    grade = rng.randrange(1, 13)
    return {
        "student_no": f"G5201{rng.randrange(2010, 2026)}{n:08d}",
        "name": people.person_name(rng),
        "school": f"贵阳市第{rng.randrange(1, 40)}{'小学' if grade <= 6 else '中学'}",
        "grade": _maybe(rng, grade, 0.99),
        "enrolled_on": people.day(rng, 2014, 2025),
        "district": _maybe(rng, _district(rng)),
    }


def _changing(*fields: str, make: Callable[[Random, int], Row]) -> Callable[[Random, Row], Row]:
    """A change of one of `fields` to what a fresh row would have there. Some of them no grant names, so that `unchanged`
    occurs as it does in life."""

    def change(rng: Random, row: Row) -> Row:
        field = rng.choice(fields)
        while True:  # a register holds no update that changes nothing
            value = make(rng, 0)[field]
            if value != row[field]:
                return {**row, field: value}

    return change


_KINDS: dict[str, _Kind] = {
    "scjg.enterprise_registration": _Kind(
        ("uscc",),
        _enterprise,
        _changing("legal_representative", "capital_cents", "district", "address", make=_enterprise),
        0.16,
    ),
    "gongan.population": _Kind(
        ("id_no",), _resident, _changing("phone", "district", "address", "name", make=_resident), 0.28
    ),
    "rsj.social_insurance": _Kind(
        ("id_no", "kind"), _insured, _changing("base_cents", "active", "employer_uscc", make=_insured), 0.20
    ),
    "zhujian.housing_contract": _Kind(
        ("contract_no",), _housing, _changing("price_cents", "buyer", "district", make=_housing), 0.10
    ),
    "minzheng.marriage": _Kind(("certificate_no",), _marriage, _changing("office", make=_marriage), 0.06),
    "wjw.medical_institution": _Kind(
        ("licence_no",), _institution, _changing("grade", "beds", "address", make=_institution), 0.02
    ),
    "jiaojing.vehicle": _Kind(("plate",), _vehicle, _changing("owner", "owner_id_no", "district", make=_vehicle), 0.10),
    "jyj.student": _Kind(("student_no",), _student, _changing("grade", "school", "name", make=_student), 0.08),
}
