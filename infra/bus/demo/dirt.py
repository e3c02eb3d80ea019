"""How the sample city's rows look in the files its departments send: the dirt of real exports, in known amounts.

What the mapping can undo falls on good rows (it must not change what is published): `N/A`, full-width characters, blanks
around values, several ways to write a date, money in 元 or 万元 with separators, lower-case x. What nobody can undo is
put in rows of its own, which must end in quarantine: wrong check digits, impossible dates, missing keys.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from infra.bus.demo.city import Row
from schemas.contract import Contract, ContractField

BAD_SHARE = 0.004
"""Rows per good row that must be quarantined; at least two per file."""

_FULL_WIDTH = {ord(c): ord(c) + 0xFEE0 for c in "0123456789"}


def write_csv(path: Path, contract: Contract, rows: list[Row], encoding: str, rng: Random) -> int:
    """Write `rows` with their dirt and some bad rows among them; how many bad rows there are.

    The header holds the fields' Chinese names. `encoding` is `utf-8-sig` or `gb18030`.
    """
    bad = _bad_rows(contract, rows, rng)
    places = set(rng.sample(range(1, len(rows)), k=min(len(bad), len(rows) - 1)))
    pending = iter(bad)
    with path.open("w", encoding=encoding, newline="") as file:
        out = csv.writer(file)
        out.writerow([f.doc for f in contract.fields])
        for n, row in enumerate(rows):
            if n in places:
                out.writerow(next(pending))
            out.writerow([_written(f, row[f.name], rng) for f in contract.fields])
    return len(places)


def _written(field: ContractField, value: Any, rng: Random) -> str:
    if value is None:
        return rng.choice(("N/A", "", "NULL"))
    if field.name.endswith("_cents"):
        return _money(value, rng)
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, dt.date):
        return rng.choice((f"{value:%Y-%m-%d}", f"{value:%Y-%m-%d}", f"{value:%Y/%m/%d}", f"{value:%Y%m%d}"))
    if not isinstance(value, str):
        return str(value)
    return _text(field, value, rng)


def _text(field: ContractField, value: str, rng: Random) -> str:
    chance = rng.random()
    if chance < 0.03:
        return f" {value} "
    if field.name == "address" and chance < 0.2:
        return value.translate(_FULL_WIDTH)
    if field.format == "cn-id" and value.endswith("X") and chance < 0.5:
        return value[:-1] + "x"
    return value


def _money(cents: int, rng: Random) -> str:
    if cents % 1_000_000 == 0 and rng.random() < 0.5:
        return f"{cents // 1_000_000:,}(万元)"
    text = f"{cents / 100:,.2f}" if cents % 100 else f"{cents // 100:,}"
    return text + rng.choice(("(元)", "（元）", "元"))


def _bad_rows(contract: Contract, rows: list[Row], rng: Random) -> list[list[str]]:
    faults = [fault for fault in (_no_key, _bad_code, _bad_date) if fault(contract, rows[0], rng) is not None]
    count = max(2, round(len(rows) * BAD_SHARE))
    out: list[list[str]] = []
    while len(out) < count:
        made = faults[len(out) % len(faults)](contract, rows[-1 - rng.randrange(len(rows) // 2)], rng)
        if made is not None:
            out.append(made)
    return out


_Fault = Callable[[Contract, Row, Random], list[str] | None]


def _clean(contract: Contract, row: Row, rng: Random) -> dict[str, str]:
    return {f.name: _written(f, row[f.name], rng) for f in contract.fields}


def _no_key(contract: Contract, row: Row, rng: Random) -> list[str] | None:
    return list((_clean(contract, row, rng) | {contract.key[0]: ""}).values())


def _bad_code(contract: Contract, row: Row, rng: Random) -> list[str] | None:
    """A key whose check digit is wrong: the last digit of a body digit is moved by one."""
    field = contract.by_name[contract.key[0]]
    if field.format not in ("cn-id", "cn-uscc"):
        return None
    value = str(row[field.name])
    moved = value[:-2] + str((int(value[-2]) + 1) % 10 if value[-2].isdigit() else 0) + value[-1]
    return list((_clean(contract, row, rng) | {field.name: moved}).values())


def _bad_date(contract: Contract, row: Row, rng: Random) -> list[str] | None:
    """A day that does not exist, in a row with a key of its own so that no published row is touched."""
    field = next((f for f in contract.fields if isinstance(row[f.name], dt.date)), None)
    key = contract.by_name[contract.key[0]]
    if field is None or key.format is not None:
        return None
    changes = {field.name: "2003-02-30", key.name: f"ZZ{rng.randrange(10**10):010d}"}
    return list((_clean(contract, row, rng) | changes).values())
