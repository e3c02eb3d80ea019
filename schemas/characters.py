"""Characters that act on whoever reads them instead of being read: terminal controls, overrides of the writing direction,
invisible marks, half characters. What people write may not hold them; where data is shown they are made visible.
"""

from __future__ import annotations

import re

ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, less tab and line feed
    "\u2028\u2029"  # separators of lines and paragraphs
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"  # format characters, less the joiners that some scripts and emoji are written with
    "\ud800-\udfff]"  # halves of surrogate pairs, which no encoding writes
)


def visible(text: str, *, one_line: bool = False) -> str:
    """`text` with each such character as JSON escapes it (`\\u001b`); with `one_line` also tabs and line feeds."""
    shown = ACTING.sub(_escaped, text)
    return shown.replace("\n", r"\n").replace("\t", r"\t") if one_line else shown


def _escaped(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
