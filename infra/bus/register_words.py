"""The register in words: its attributes in both languages, what was applied, one document line by line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra.bus.output import confirm, facts, write
from infra.bus.session import Session
from schemas.text import Text

if TYPE_CHECKING:
    from infra.cluster import Progress
    from infra.control import Registered
    from infra.control.register.put import Told
    from schemas.register_log import Document, Kind

SHARING = {
    "unconditional": Text("unconditional", "无条件共享"),
    "conditional": Text("conditional", "有条件共享"),
    "refused": Text("refused", "不予共享"),
}
OPEN = {
    "unconditional": Text("unconditional", "无条件开放"),
    "conditional": Text("conditional", "有条件开放"),
    "refused": Text("refused", "不予开放"),
}
CLASSES = {
    "base": Text("base", "基础类"),
    "topic": Text("topic", "主题类"),
    "department": Text("department", "部门类"),
}
UPDATES = {
    "realtime": Text("realtime", "实时"),
    "daily": Text("daily", "每日"),
    "weekly": Text("weekly", "每周"),
    "monthly": Text("monthly", "每月"),
    "quarterly": Text("quarterly", "每季"),
    "yearly": Text("yearly", "每年"),
    "irregular": Text("irregular", "不定期"),
}
ACTIONS = {
    "created": Text("created", "新建"),
    "changed": Text("changed", "变更"),
    "unchanged": Text("unchanged", "无变化"),
}
KINDS = {
    "Department": Text("department", "部门"),
    "Unit": Text("unit", "单位"),
    "System": Text("system", "系统"),
    "CatalogueEntry": Text("catalogue entry", "目录条目"),
}
_FILES = 20
_SHOWN = 20
"""Documents listed one by one; of more than that nobody reads a list, and `--json` has all."""


def applied_rows(session: Session, found: Sequence[Registered]) -> list[list[Any]]:
    """Rows of action, kind, id, detail: each document where they are few, how many of each kind where they are many."""
    lang = session.language
    if len(found) > _SHOWN:
        counts = Counter((f.action, f.kind) for f in found)
        changed = [f for f in found if f.action == "changed"]
        rows: list[list[Any]] = [
            [ACTIONS[action].to(lang), KINDS[kind].to(lang), "", session.say(f"{n} of them", f"共 {n} 项")]
            for (action, kind), n in counts.items()
            if action != "changed" or len(changed) > _SHOWN
        ]
        found = changed if len(changed) <= _SHOWN else ()
    else:
        rows = []
    return rows + [[ACTIONS[f.action].to(lang), KINDS[f.kind].to(lang), f.id, ", ".join(f.changed)] for f in found]


def entries_told(told: Progress) -> Told:
    """A bar of entries written."""
    from infra.control.register.put import Told

    def expect(entries: int) -> None:
        told.step(Text(f"Writing {entries} entries", f"正在写入 {entries} 条"))

    return Told(expect)


def reading_told(told: Progress) -> Callable[[str], None]:
    """A line for every so many files read: a city's catalogue is a hundred."""
    count = 0

    def read(_file: str) -> None:
        nonlocal count
        count += 1
        if count % _FILES == 0:
            told.step(Text(f"{count} files read", f"已读取 {count} 个文件"))

    return read


def show(session: Session, document: Document, words: Mapping[str, Mapping[str, Text]]) -> None:
    """One line for each attribute that says something."""
    for name, value in document.model_dump(mode="json", by_alias=True).items():
        if value in (None, "", [], ()) or name == "kind":
            continue
        if isinstance(value, list):
            write(f"{name}:")
            for item in value:
                write("  " + (", ".join(str(v) for v in item.values() if v) if isinstance(item, dict) else str(item)))
        else:
            meaning = words.get(name, {}).get(str(value))
            write(
                f"{name}: {value}"
                + (f" ({meaning.to(session.language)})" if meaning and session.language == "zh" else "")
            )


def withdraw(session: Session, kind: Kind, name: str, yes: bool) -> None:
    """Take a document out of the register, once a person confirms."""
    from infra.control.register.put import withdraw_register

    settings = session.settings().located()
    confirm(session, Text(f"Withdraw {kind} {name}?", f"确定撤下 {kind} {name} 吗?"), yes=yes)
    withdraw_register(settings, (kind, name), by=session.person, now_ms=int(time.time() * 1000))
    if session.json:
        facts(session, {"kind": kind, "id": name, "action": "withdrawn"})
        return
    write(session.say(f"{name} is withdrawn.", f"{name} 已撤下。"))
