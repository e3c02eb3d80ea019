"""Small documents of a register, as people write them."""

from __future__ import annotations

from typing import Any

from schemas.catalogue_entry import CatalogueEntry
from schemas.directory import Department, System, Unit


def department(name: str, **more: Any) -> Department:
    return Department(id=name, **{"title": f"部门{name}"} | more)


def unit(name: str, of: str) -> Unit:
    return Unit(id=name, title=f"单位{name}", department=of)


def system(name: str, of: str, unit: str | None = None) -> System:
    return System(id=name, title=f"系统{name}", department=of, unit=unit)


def entry(name: str, provider: str, **more: Any) -> CatalogueEntry:
    facts = {
        "code": f"520100-{name}",
        "title": f"资源{name}",
        "class": "base",
        "domain": "法人",
        "sharing": "unconditional",
        "update": "daily",
    }
    return CatalogueEntry.model_validate({"id": name, "provider": provider} | facts | more)
