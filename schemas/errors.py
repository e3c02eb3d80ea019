"""The errors of the bus. Their class says who may try again.

    BusError
      ConfigError      what a person wrote is wrong (file, setting, command line); nothing is retried, the exit code is 2
      PermanentError   a proven fault of the data or the installation; retrying changes nothing, the exit code is 1
      TransientError   something is out of reach for now (broker, registry, disk, database); only runners retry it

Every error carries what, where, why and how to go on. None of them ever carries a value of a record: fields are named,
rows are numbered, contents stay where they are.
"""

from __future__ import annotations

from schemas.text import Language, Text


class BusError(Exception):
    """What went wrong, for people.

    what   what is wrong and why
    where  the place: a file and the path inside it, a topic and offset, an address
    hint   how to go on
    """

    exit_code = 1

    def __init__(self, what: Text, *, where: str | None = None, hint: Text | None = None) -> None:
        super().__init__(str(what))
        self.what = what
        self.where = where
        self.hint = hint

    def message(self, language: Language = "en") -> str:
        """One line for a person: what, then the way out."""
        parts = [self.what.to(language)]
        if self.hint is not None:
            parts.append(self.hint.to(language))
        return " ".join(parts)

    def __str__(self) -> str:
        return f"{self.where}: {self.message()}" if self.where else self.message()


class ConfigError(BusError):
    """A person can mend it: a contract, grant, mapping, setting or command line is wrong."""

    exit_code = 2


class PermanentError(BusError):
    """Trying again gives the same result."""


class TransientError(BusError):
    """Trying again later may work; runners retry with back-off, everyone else lets it pass."""
