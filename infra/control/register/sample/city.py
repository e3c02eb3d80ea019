"""The city's register, the same for the same seed: 34 departments, 14 districts, 375 units, 1,748 systems, 18,725 entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from random import Random

from infra.control.register.sample import words
from schemas.catalogue_entry import CatalogueClass, CatalogueEntry, CatalogueItem
from schemas.contract import Personal, Sharing
from schemas.directory import Contact, Department, System, Unit

CITY = "贵阳市"
UNITS = 375
SYSTEMS = 1_748
ENTRIES = 18_725
_SHARINGS: tuple[Sharing, ...] = ("unconditional", "conditional", "refused")
_ASSESSED = dt.date(2026, 1, 5)


def departments(seed: int = 1) -> list[Department]:
    """City departments first, then districts; the later ones of each in the order of `words`."""
    rng = Random(seed)
    city = [
        Department(
            id=name,
            title=CITY + title,
            certified=tuple(rng.sample(words.PURPOSES, rng.choice((0, 0, 1, 2)))),
            contacts=(_contact(n),),
        )
        for n, (name, title, _) in enumerate(words.DEPARTMENTS)
    ]
    local = [
        Department(id=name, title=f"{CITY}{title}", code=code, level="district", contacts=(_contact(40 + n),))
        for n, (name, title, code) in enumerate(words.DISTRICTS)
    ]
    return [*city, *local]


def units(count: int = UNITS) -> list[Unit]:
    """Units, dealt to the departments in turn."""
    owners, kinds = departments(), words.UNITS.split()
    found = []
    for n in range(count):
        owner, round_ = owners[n % len(owners)], n // len(owners)
        title = owner.title + kinds[round_ % len(kinds)]
        found.append(Unit(id=f"{owner.id}.u{round_ + 1:02}", title=title, department=owner.id))
    return found


def systems(count: int = SYSTEMS) -> list[System]:
    """Systems, dealt to the departments in turn; two of three belong to a unit."""
    owners, kinds = departments(), words.SYSTEMS.split()
    by_owner: dict[str, list[Unit]] = {}
    for unit in units():
        by_owner.setdefault(unit.department, []).append(unit)
    found = []
    for n in range(count):
        owner, round_ = owners[n % len(owners)], n // len(owners)
        subjects = _subjects(owner.id)
        title = owner.title + subjects[round_ % len(subjects)] + kinds[round_ // len(subjects) % len(kinds)]
        mine = by_owner.get(owner.id, [])
        unit_of = mine[round_ % len(mine)].id if mine and round_ % 3 else None
        found.append(System(id=f"{owner.id}.s{round_ + 1:03}", title=title, department=owner.id, unit=unit_of))
    return found


def entries(count: int = ENTRIES, seed: int = 1) -> list[CatalogueEntry]:
    """Entries, dealt to the departments in turn, each title once."""
    rng = Random(seed)
    owners = departments()
    titles = {owner.id: _titles(owner.id, owner.title) for owner in owners}
    found = []
    for n in range(count):
        owner = owners[n % len(owners)]
        found.append(_entry(n, owner.id, *next(titles[owner.id]), rng))
    return found


def _entry(n: int, owner: str, subject: str, title: str, rng: Random) -> CatalogueEntry:
    personal = any(word in subject for word in words.PEOPLE)
    sharing = rng.choices(_SHARINGS, (5, 4, 1) if not personal else (0, 9, 1))[0]
    class_: CatalogueClass = rng.choices(("base", "topic", "department"), (3, 3, 4))[0]
    domain = {"base": rng.choice(words.DOMAINS), "topic": rng.choice(words.TOPICS), "department": subject}[class_]
    marks: Personal = "personal" if personal else "none"
    return CatalogueEntry.model_validate(
        {
            "id": f"{owner}.r{n:05}",
            "code": f"520100{n:010}",
            "title": title,
            "provider": owner,
            "class": class_,
            "domain": "人口" if class_ == "base" and personal else domain,
            "sharing": sharing,
            "basis": "政务数据共享条例 第十四条" if sharing == "refused" else "",
            "conditions": "仅限履行法定职责所需, 按申请范围使用" if sharing == "conditional" else "",
            "open": "unconditional" if sharing == "unconditional" and not personal else "refused",
            "update": rng.choices(
                ("realtime", "daily", "weekly", "monthly", "quarterly", "yearly", "irregular"), (2, 5, 2, 4, 2, 2, 1)
            )[0],
            "level": "important" if sharing == "refused" else "general",
            "personal": marks,
            "items": _items(subject, personal),
            "assessed": _ASSESSED,
            "signed_off": "主要负责人",
        }
    )


def _items(subject: str, personal: bool) -> tuple[CatalogueItem, ...]:
    first = ("id_no", "公民身份号码") if personal else ("uscc", "统一社会信用代码")
    return tuple(CatalogueItem(name=n, title=t) for n, t in (first, ("name", f"{subject}名称"), ("status", "状态")))


def _titles(owner: str, of: str) -> Iterator[tuple[str, str]]:
    """Subject and title, subjects in turn so that the first titles already show what the department does."""
    for scope in words.SCOPES:
        for aspect in words.ASPECTS.split():
            for subject in _subjects(owner):
                yield subject, f"{of}{subject}{aspect}{scope}"


def _subjects(owner: str) -> Sequence[str]:
    return _SUBJECTS.get(owner, _LOCAL)


def _contact(n: int) -> Contact:
    return Contact(name="数据专员", phone=f"0851-8000{n:04}")


_SUBJECTS = {name: tuple(subjects.split()) for name, _, subjects in words.DEPARTMENTS}
_LOCAL = tuple(words.LOCAL.split())
