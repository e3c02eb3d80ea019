"""The directory: who takes part. Departments, their units and systems, districts, as people write them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.ids import Id
from schemas.validation import Model, build


class Contact(Model):
    """Whom to call."""

    name: str
    phone: str = ""
    email: str = ""


class Department(Model):
    """A department, or a district's government."""

    kind: Literal["Department"] = "Department"
    id: Id
    title: str = Field(min_length=1)
    code: str = ""
    """Unified social credit code (GB 32100), or division code (GB/T 2260) of a district."""
    level: Literal["city", "district"] = "city"
    audience: Literal["government", "enterprise", "public"] = "government"
    certified: tuple[str, ...] = ()
    """Purposes it is certified for (`综合治税`): standing approvals name them."""
    contacts: tuple[Contact, ...] = ()


class Unit(Model):
    """A unit of a department."""

    kind: Literal["Unit"] = "Unit"
    id: Id
    title: str = Field(min_length=1)
    department: Id
    code: str = ""
    contacts: tuple[Contact, ...] = ()


class System(Model):
    """An information system: it publishes, subscribes, and has credentials of its own."""

    kind: Literal["System"] = "System"
    id: Id
    title: str = Field(min_length=1)
    department: Id
    unit: Id | None = None
    contacts: tuple[Contact, ...] = ()


Directory = Department | Unit | System
KINDS: dict[str, type[Department] | type[Unit] | type[System]] = {
    "Department": Department,
    "Unit": Unit,
    "System": System,
}


def parse_directory(document: dict[str, Any], where: str = "directory") -> Directory:
    """An entry of the directory from parsed YAML or JSON, by its kind. ConfigError with `where`, place and reason."""
    return build(KINDS[document["kind"]], document, where)
