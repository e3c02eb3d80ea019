"""The text of a key, and the Kafka key made of it (its UTF-8 bytes).

Parts are joined by `|`; a `|` or `\\` inside a part is preceded by `\\`. So two different keys never have one text, and
the key of most resources (one plain identifier) is that identifier.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

KeyPart = str | int | dt.date

SEPARATOR = "|"
ESCAPE = "\\"


def part_text(value: KeyPart) -> str:
    """One part: strings as they are, whole numbers in decimal, dates as YYYY-MM-DD; escaped."""
    text = value if isinstance(value, str) else value.isoformat() if isinstance(value, dt.date) else str(value)
    return text.replace(ESCAPE, ESCAPE * 2).replace(SEPARATOR, ESCAPE + SEPARATOR)


def key_text(parts: Iterable[KeyPart]) -> str:
    """The text of a key from its parts in key order."""
    return SEPARATOR.join(part_text(p) for p in parts)
