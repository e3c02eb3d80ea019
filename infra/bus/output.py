"""How facts, notes and questions reach a person or a machine.

Facts go to standard output: JSON with `--json`, else a table on a terminal and plain tab-separated lines elsewhere. Notes and
progress go to standard error; with `--json` every line there is JSON as well. Nothing shown acts on the terminal: control and
invisible characters of data are written as JSON escapes them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from infra.bus.session import Session, in_colour
from schemas.characters import visible
from schemas.errors import ConfigError
from schemas.text import Text


def plain(value: Any, session: Session) -> Any:
    """`value` as JSON types: dataclasses and models become objects, a `Text` the session's language."""
    if isinstance(value, Text):
        return value.to(session.language)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), session) for f in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"), session)
    if isinstance(value, Mapping):
        return {str(k): plain(v, session) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v, session) for v in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def facts(session: Session, value: Any) -> None:
    """Print `value` as one line of JSON."""
    write(as_json(plain(value, session)))


def as_json(value: Any) -> str:
    """One line of JSON, every character that is not plain text escaped, also those JSON would let pass."""
    return visible(json.dumps(value, ensure_ascii=False))


def write(line: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(visible(line) + "\n")
    sys.stdout.flush()


def note(session: Session, text: Text) -> None:
    """A line for a person on standard error."""
    _aside(_as_json("note", session, text) if session.json else text.to(session.language))


def warn(session: Session, text: Text) -> None:
    """A line a person must not miss."""
    line = text.to(session.language)
    if session.json:
        line = _as_json("warning", session, text)
    _aside(line, "\x1b[33m" if in_colour() and not session.json else "")


def _as_json(kind: str, session: Session, text: Text) -> str:
    return as_json({kind: text.to(session.language)})


def _aside(line: str, colour: str = "") -> None:
    sys.stderr.write(colour + visible(line) + ("\x1b[0m" if colour else "") + "\n")
    sys.stderr.flush()


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    styles: Sequence[str] | None = None,
    cut: Collection[int] = (),
) -> None:
    """A table where a person looks, tab-separated lines (headings first) elsewhere.

    styles  per row, how the table shows it (`dim`, a colour, or nothing); never colours where somebody said NO_COLOR
    cut     columns cut with … to a share of a terminal's width; all others are wrapped
    """
    cells = [["" if c is None else visible(str(c), one_line=True) for c in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [[visible(h, one_line=True) for h in headings], *cells]:
            write("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Words

    out = Table(box=None, pad_edge=False, header_style="bold")
    console = Console()
    for n, heading in enumerate(headings):
        words = Words(visible(heading, one_line=True))
        if n in cut:
            out.add_column(words, overflow="ellipsis", no_wrap=True, max_width=max(console.width // 4, 8))
        else:
            out.add_column(words, overflow="fold")
    for row, style in zip(cells, styles or [""] * len(cells), strict=True):
        out.add_row(*(Words(c) for c in row), style=style)
    console.print(out)


def confirm(session: Session, question: Text, *, yes: bool) -> None:
    """Let a person confirm what cannot be undone. ConfigError if nobody is there to ask, or the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            Text("this cannot be undone and nobody is here to confirm it.", "该操作不可撤回, 且无人可确认。"),
            hint=Text("Add --yes.", "请加上 --yes。"),
        )
    sys.stderr.write(visible(question.to(session.language)) + session.say(" [y/N] ", " [y/N] "))
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
        raise ConfigError(Text("not confirmed; nothing was done.", "未确认, 未执行任何操作。"))
