"""What a person sees of a demonstration: steps as they happen, a bar where someone watches, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from infra.bus.output import note, table
from infra.bus.session import Session, a_person_watches
from schemas.text import Text


class Story:
    """Tells a demonstration on standard error; tables go to standard output."""

    def __init__(self, session: Session) -> None:
        self._session, self._began = session, time.monotonic()

    def step(self, en: str, zh: str) -> None:
        """What happens now, with the seconds since the beginning."""
        note(self._session, Text(f"[{self.seconds:5.1f}s] {en}", f"[{self.seconds:5.1f}s] {zh}"))

    def table(self, headings: Sequence[Text], rows: Sequence[Sequence[Any]]) -> None:
        """Facts in columns."""
        table([h.to(self._session.language) for h in headings], rows)

    def sample(self, title: str, fields: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A few rows as they arrived, for a person to look at; not in JSON mode."""
        if not self._session.json:
            self.step(f"arrived under {title}:", f"{title} 收到:")
            table(fields, rows)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    @contextmanager
    def counting(self, what: Text, total: int) -> Iterator[Counting]:
        """A bar over `total` things, for a person; nothing elsewhere."""
        if not a_person_watches():
            yield Counting()
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task(what.to(self._session.language), total=total)
            yield Counting(lambda done: bar.update(task, completed=done))


class Counting:
    """Takes how many are done."""

    def __init__(self, show: Any = None) -> None:
        self._show = show

    def __call__(self, done: int) -> None:
        if self._show is not None:
            self._show(done)
