"""Who takes part: resources, grants with what they release written down a second time by hand, and sinks. Data, no logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.contract import Contract, parse_contract
from schemas.grant import Grant, parse_grant
from tests.chaos.model import Release, Row

BATCH = 20
"""Events a publisher commits in one transaction."""


@dataclass(frozen=True, slots=True)
class Granted:
    """One grant: how the bus is told, and by hand what it releases of a row."""

    id: str
    resource: str
    fields: Mapping[str, Any]
    release: Release
    where: str | None = None

    def document(self) -> Grant:
        about = {
            "id": self.id,
            "subscriber": self.id.partition(".")[0],
            "resource": self.resource,
            "purpose": "test",
            "basis": "test",
            "fields": dict(self.fields),
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
        return parse_grant(about | ({"where": self.where} if self.where else {}))


def contract(resource: str, partitions: int) -> Contract:
    """A key, a filterable district, a name, a version and a field few are granted."""
    return parse_contract(
        {
            "type": "record",
            "name": "R",
            "resource": {
                "id": resource,
                "title": {"zh": "测试", "en": "Test"},
                "provider": resource.partition(".")[0],
                "key": ["id"],
                "sharing": "conditional",
                "partitions": partitions,
            },
            "fields": [
                {"name": "id", "type": "string"},
                {"name": "district", "type": "string", "filterable": True},
                {"name": "name", "type": ["null", "string"], "default": None},
                {"name": "version", "type": "long"},
                {"name": "hidden", "type": ["null", "string"], "default": None},
            ],
        }
    )


def _whole(row: Row) -> Row | None:
    return dict(row)


def _in_district_a(row: Row) -> Row | None:
    return {"id": row["id"], "version": row["version"]} if row["district"] == "a" else None


def _without_name(row: Row) -> Row | None:
    return {"id": row["id"], "district": row["district"], "version": row["version"]}


def _two_characters(row: Row) -> Row | None:
    name = row["name"]
    return {"id": row["id"], "name": None if name is None else name[:2], "version": row["version"]}


def grants_on(resource: str) -> dict[str, Granted]:
    """The four kinds of grants, by kind."""
    word = resource.replace(".", "_")
    passed = dict.fromkeys(("id", "district", "name", "version", "hidden"), "pass")
    return {
        "whole": Granted(f"taxes.{word}", resource, passed, _whole),
        "district": Granted(
            f"water.{word}", resource, {"id": "pass", "version": "pass"}, _in_district_a, "district = 'a'"
        ),
        "dropped": Granted(
            f"parks.{word}", resource, {"id": "pass", "district": "pass", "version": "pass"}, _without_name
        ),
        "truncated": Granted(
            f"roads.{word}",
            resource,
            {"id": "pass", "name": {"mask": "truncate", "length": 2}, "version": "pass"},
            _two_characters,
        ),
    }


@dataclass(frozen=True, slots=True)
class Delivery:
    """A deliverer: its name, and (kind of grant, resource, kind of sink) of everything it delivers."""

    name: str
    pairs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody. `rate`: transactions of `BATCH` events a second and resource."""

    resources: tuple[str, ...]
    deliveries: tuple[Delivery, ...]
    workers: tuple[str, ...] = ("anna", "bert")
    partitions: int = 2
    rate: float = 8.0


SINKS = ("postgresql", "sqlite")
"""Kinds of sinks that promise an effect of exactly once."""

CITY = Cast(
    ("police.people", "market.firms"),
    (
        Delivery("deliver-taxes", (("whole", "police.people", "postgresql"),)),
        Delivery("deliver-water", (("district", "police.people", "postgresql"),)),
        Delivery("deliver-firms", (("whole", "market.firms", "sqlite"),)),
        Delivery(
            "deliver-rest",
            (
                ("dropped", "police.people", "sqlite"),
                ("truncated", "police.people", "sqlite"),
                ("district", "market.firms", "postgresql"),
                ("truncated", "market.firms", "postgresql"),
            ),
        ),
    ),
)
"""For `make chaos`."""

TOWN = Cast(
    ("police.people",),
    (
        Delivery("deliver-taxes", (("whole", "police.people", "postgresql"),)),
        Delivery("deliver-water", (("district", "police.people", "sqlite"),)),
    ),
)
"""For the tests: the fewest processes that have every kind of part."""
