"""What one run of `bus` knows before any verb: the language, whether facts are wanted as JSON, and the settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import ConfigError
from schemas.text import Language, Text

if TYPE_CHECKING:
    from infra.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Session:
    """Handed to every verb."""

    language: Language = "en"
    json: bool = False

    def say(self, en: str, zh: str) -> str:
        """One of two texts."""
        return Text(en, zh).to(self.language)

    def settings(self) -> Settings:
        """The process's settings. ConfigError names the BUS_ variable that is wrong (never its value)."""
        from pydantic import ValidationError

        from infra.runtime.settings import Settings
        from schemas.pydantic_words import first_wrong

        try:
            return Settings()
        except ValidationError as error:
            place, words = first_wrong(error)
            name = f"BUS_{place[0].upper()}" if place else "BUS_*"
            raise ConfigError(Text(f"{words.en}.", f"设置有误: {words.zh}。"), where=name) from error

    @property
    def person(self) -> str:
        """Who runs this, as evidence in the control log. What `infra.bus.actor` says of errors holds."""
        from infra.bus.actor import actor

        return actor(self.settings())

    def person_unless_asked(self, settings: Settings) -> str:
        """The same for commands that themselves ask who acts where signers are known: it is not looked up twice."""
        return self.person if settings.signers is None else "bus"


def read_globals(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Session, list[str]]:
    """The session, and the arguments without `--lang` and `--json`, which may stand anywhere before a `--`.

    ConfigError for a language there is not.
    """
    rest: list[str] = []
    json, language = False, _of_environment(environ)
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--json":
            json = True
        elif word == "--lang":
            language = _named(next(words, ""))
        elif word.startswith("--lang="):
            language = _named(word.removeprefix("--lang="))
        else:
            rest.append(word)
    return Session(language, json), rest


def _named(value: str) -> Language:
    if value not in ("en", "zh"):
        raise ConfigError(Text("the languages are en and zh.", "可用语言为 en 与 zh。"), where="--lang")
    return "zh" if value == "zh" else "en"


def _of_environment(environ: Mapping[str, str]) -> Language:
    """As other programs do: LC_ALL beats LC_MESSAGES beats LANG."""
    value = next((v for n in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := environ.get(n))), "")
    return "zh" if value.lower().startswith("zh") else "en"


def a_person_watches() -> bool:
    """Whether standard error is a terminal: only then are there colours, tables and bars."""
    return sys.stderr.isatty()


def in_colour() -> bool:
    """Whether a line on standard error may be coloured: a terminal, and nobody said NO_COLOR."""
    return a_person_watches() and not os.environ.get("NO_COLOR")
