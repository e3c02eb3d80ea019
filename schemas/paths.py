"""Where in a row a value is: `district`, `residence.street`, `members[].id_no`.

A path is a field name, then steps: `.name` goes to a field of a record, `[]` to every item of an array or every value of a
map, `{}` to every key of a map. A map's keys are data like any other, so they have an address of their own.
"""

from __future__ import annotations

import re

Path = tuple[str, ...]
"""The steps: `("members", "[]", "id_no")`."""

ITEMS = "[]"
KEYS = "{}"

_STEP = re.compile(r"(?:\A|\.)([A-Za-z_][A-Za-z0-9_]*)|(\[\]|\{\})")


def parse_path(text: str) -> Path:
    """The steps of a path. ValueError if it is none."""
    steps: list[str] = []
    at = 0
    while at < len(text) or not steps:
        found = _STEP.match(text, at)
        if found is None or (found[2] and not steps):
            raise ValueError(f"'{text}' is not a field name, nor a path such as residence.street or members[].id_no")
        steps.append(found[1] or found[2])
        at = found.end()
    return tuple(steps)


def path_text(path: Path) -> str:
    """The path as people write it."""
    return path[0] + "".join(step if step in (ITEMS, KEYS) else f".{step}" for step in path[1:])
