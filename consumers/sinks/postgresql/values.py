"""Values as PostgreSQL stores them, and the one it has no place for."""

from __future__ import annotations

from typing import Any

from consumers.values import Convert, in_utc, json_text
from consumers.view import Kind

NUL_REASON = "text-holds-nul"
"""PostgreSQL's text and jsonb cannot hold U+0000. Replacing it would deliver what nobody sent; so the row is withheld,
any earlier row under its key is deleted because it is no longer true, and a pointer to the event is kept."""


class Unstorable(Exception):
    """A value PostgreSQL has no place for."""


def _text(value: Any) -> str:
    text = str(value)
    if "\0" in text:
        raise Unstorable
    return text


def _json(value: Any) -> str:
    text = json_text(value)
    # every U+0000 is written so; the sequence after a backslash is text that was sent as such
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise Unstorable
    return text


CONVERT: dict[Kind, Convert] = {"text": _text, "json": _json, "timestamp": in_utc}
