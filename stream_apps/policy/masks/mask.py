"""What a mask is.

A mask with its parameters is a frozen model: the parameters are its fields, an unknown one is an error. It is defined
twice, once per value (`row`, the definition) and once per column (`columns`, what runs); a test holds them equal.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from schemas.avro_types import AvroType
from schemas.contract import ContractField
from schemas.errors import ConfigError
from schemas.paths import Path, path_text
from schemas.text import Text
from schemas.validation import Model
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.reveal import ALL, Reveal


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mask is used: what it may need to know of contract and grant.

    where    names the place in errors
    field    type (not null) and attributes of what is masked
    key      whether it is one of the resource's key fields
    """

    where: str
    resource: str
    path: Path
    field: ContractField
    key: bool
    subscriber: str
    purpose: str
    valid_from: dt.date

    @property
    def meaning(self) -> str:
        """What the value is, for tokens: its format, which means the same everywhere, else this very field."""
        return self.field.format or f"{self.resource}:{path_text(self.path)}"

    def refuse(self, en: str, zh: str) -> NoReturn:
        """The mask may not be used here, and why."""
        raise ConfigError(Text(en, zh), where=self.where)


@dataclass(frozen=True, slots=True)
class Example:
    """One use of a mask as a grant writes it, one value, and what becomes of it. Tests run it.

    format   the field's, where the result depends on it
    depends  what else the result depends on, and what that is in the example
    """

    use: str
    value: Any
    gives: Any
    avro: Any = "string"
    format: str | None = None
    depends: Text | None = None


@dataclass(frozen=True, slots=True)
class About:
    """A mask in words, for `bus masks` and the reference page.

    does        one line
    of          which fields it is for
    parameters  each parameter's meaning
    """

    does: Text
    of: Text
    examples: tuple[Example, ...]
    parameters: tuple[tuple[str, Text], ...] = ()


class Mask(Model):
    """One mask with its parameters. Stateless; nulls stay null and never reach `row`, unless the mask hides them too."""

    name: ClassVar[str]
    about: ClassVar[About]
    keeps_keys_apart: ClassVar[bool] = False
    """Whether two values always stay two values, so that a row may be keyed by the masked one (DESIGN 3.2)."""
    hides_null: ClassVar[bool] = False
    """Whether a null is masked like any value."""
    gives_null: ClassVar[bool] = False
    """Whether the result may be null though the value is not."""

    @property
    def keyed(self) -> bool:
        """Whether the result depends on the subscriber's keys."""
        return self.salted

    @property
    def salted(self) -> bool:
        """Whether the result depends on the row it is in: `columns` is then given the text of each row's key."""
        return False

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Whether fields of this (non-null) Avro type may be masked so."""
        raise NotImplementedError

    def bound(self, place: Place) -> Mask:
        """This mask with what it takes from its place. ConfigError if it may not be used there."""
        return self

    def result(self, avro: AvroType) -> AvroType:
        """Avro type of the masked field, from the (non-null) type of the field."""
        raise NotImplementedError

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """The masked value of one value, as Python sees both."""
        raise NotImplementedError

    def refuses(self, column: Any) -> Any:
        """Which values of a column (booleans or null) cannot be masked: their events are withheld. None: all can be.

        What `columns` raises is caught too, at the cost of searching for the row that made it raise.
        """
        return None

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The masked column (pyarrow array) of a column, of the same length. `row_keys`: only for a `salted` mask."""
        raise NotImplementedError

    def reveals(self) -> Reveal:
        """What its receiver knows of a value. A mask that does not say reveals all."""
        return ALL

    def identity(self) -> Any:
        """Everything that decides the result but the keys, as JSON has it: part of the view's id."""
        return [self.name, self.model_dump(mode="json")]
