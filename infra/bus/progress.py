"""How slow things look: a bar where a person watches, plain lines elsewhere, nothing in JSON mode."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infra.bus.session import Session, a_person_watches
from infra.cluster import Plain, Progress, Silent
from schemas.text import Text


@contextmanager
def progress(session: Session) -> Iterator[Progress]:
    """Who is told; on leaving, a bar is complete or gone."""
    if session.json and not a_person_watches():
        yield Silent()
    elif a_person_watches():
        with _bars(session) as bars:
            yield bars
    else:
        yield Plain(session.language)


@contextmanager
def _bars(session: Session) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Rich

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())

    class Bars:
        """One row a phase."""

        def __init__(self, rich: Rich) -> None:
            self._rich = rich
            self._task: TaskID | None = None

        def step(self, text: Text) -> None:
            self.finish()
            self._task = self._rich.add_task(text.to(session.language), total=None)

        def expect(self, total_bytes: int) -> None:
            if self._task is not None:
                self._rich.update(self._task, total=total_bytes)

        def advance(self, number_of_bytes: int) -> None:
            if self._task is not None:
                self._rich.advance(self._task, number_of_bytes)

        def finish(self) -> None:
            if self._task is not None:
                self._rich.update(self._task, total=1, completed=1)

    with Rich(*columns, DownloadColumn(), console=Console(file=sys.stderr)) as rich:
        bars = Bars(rich)
        yield bars
        bars.finish()
