"""Words for people, in English and Chinese, side by side so that neither drifts from the other.

A `Text` is a value: it knows both languages and no environment. Only the edges (the `bus` command, reports) choose one.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["en", "zh"]


class Text(NamedTuple):
    """One message in both languages. `str()` gives English, the language of logs."""

    en: str
    zh: str

    def __str__(self) -> str:
        return self.en

    def to(self, language: Language) -> str:
        """The message in `language`."""
        return self.zh if language == "zh" else self.en
