"""How a person follows something slow. The rich rendering lives at the edge (`infra.bus`); here is the protocol."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO

from schemas.text import Language, Text

_LINE_EVERY = 0.1
"""A plain line for each tenth of a download."""


class Progress(Protocol):
    """Told what `up` does. Called from one thread at a time; must not raise.

    step      a new phase begins; its words are for people
    expect    the current phase moves this many bytes in all (never called for phases without a measure)
    advance   so many more bytes are done
    """

    def step(self, text: Text) -> None: ...

    def expect(self, total_bytes: int) -> None: ...

    def advance(self, number_of_bytes: int) -> None: ...


class Silent:
    """Says nothing."""

    def step(self, text: Text) -> None:
        """Nothing."""

    def expect(self, total_bytes: int) -> None:
        """Nothing."""

    def advance(self, number_of_bytes: int) -> None:
        """Nothing."""


class Plain:
    """One line a phase and one each tenth of a download, for logs and terminals without a person."""

    def __init__(self, language: Language = "en", stream: TextIO | None = None) -> None:
        self._language: Language = language
        self._stream = stream or sys.stderr
        self._total = self._done = 0
        self._shown = 0.0

    def step(self, text: Text) -> None:
        """A line."""
        self._total = self._done = 0
        self._shown = 0.0
        self._say(text.to(self._language))

    def expect(self, total_bytes: int) -> None:
        """Remember what ten tenths are."""
        self._total = total_bytes

    def advance(self, number_of_bytes: int) -> None:
        """A line when another tenth is complete."""
        self._done += number_of_bytes
        if self._total and self._done / self._total >= self._shown + _LINE_EVERY:
            self._shown = self._done / self._total
            self._say(f"  {self._done / 1e6:.0f} / {self._total / 1e6:.0f} MB")

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
