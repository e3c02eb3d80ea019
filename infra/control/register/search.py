"""Finding entries of the catalogue: words anywhere in them, titles first, narrowed by what they are.

Every entry is looked at: 18,725 of them take SQLite some 20 ms, and any part of a word is found. An index of trigrams would not
find words of one or two characters, which most Chinese words are.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.control.register.projection import Projection, folded


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; None: does not matter.

    text    words with blanks between them; all must be in the entry (id, code, title, domain, description, items)
    domain  as `base:法人`, or the part after the colon
    """

    text: str = ""
    provider: str | None = None
    class_: str | None = None
    domain: str | None = None
    sharing: str | None = None
    open: str | None = None
    update: str | None = None
    level: str | None = None
    personal: str | None = None
    connected: bool | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """One entry as a list shows it. `connected`: there is a contract (已挂接)."""

    id: str
    code: str
    title: str
    provider: str
    domain: str
    sharing: str
    update: str
    connected: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The best hits, and how many there are in all."""

    total: int
    hits: tuple[Hit, ...]


def search(projection: Projection, query: Query) -> Found:
    """Entries that match, best first: the very title, titles that begin so, titles with more of the words, shorter ones."""
    words = folded(query.text).split()
    conditions = ["instr(found_text, ?) > 0"] * len(words)
    values: list[str | int] = list(words)
    for column, wanted in _exact(query):
        conditions.append(f"{column} = ?")
        values.append(wanted)
    if query.connected is not None:
        conditions.append(f"id {'' if query.connected else 'NOT '}IN (SELECT id FROM contract)")
    where = " AND ".join(conditions) or "1"
    whole = " ".join(words)
    in_title = " + ".join(["(instr(found_title, ?) > 0)"] * len(words)) or "''"
    total = projection.sql.execute(f"SELECT count(*) FROM entry WHERE {where}", values).fetchone()[0]
    rows = projection.sql.execute(  # counted apart, so that SQLite sorts only as many as are wanted
        "SELECT id, code, title, provider, class || ':' || domain, sharing, refresh, id IN (SELECT id FROM contract)"
        f" FROM entry WHERE {where}"
        f" ORDER BY found_title = ? DESC, instr(found_title, ?) = 1 DESC, {in_title} DESC, length(title), id LIMIT ?",
        [*values, whole, whole, *words, query.limit],
    ).fetchall()
    hits = tuple(Hit(*row[:7], connected=bool(row[7])) for row in rows)  # type: ignore[misc]  # rows are Any
    return Found(total, hits)


def _exact(query: Query) -> list[tuple[str, str]]:
    wanted = {
        "provider": query.provider,
        "class": query.class_,
        "sharing": query.sharing,
        "open": query.open,
        "refresh": query.update,
        "level": query.level,
        "personal": query.personal,
    }
    found = [(column, value) for column, value in wanted.items() if value is not None]
    if query.domain is not None:
        column = "class || ':' || domain" if ":" in query.domain else "domain"
        found.append((column, query.domain))
    return found
