"""What a mask is.

A mask with its parameters is a frozen model: the parameters are its fields, an unknown one is an error. It is defined
twice, once per value (`row`, the definition) and once per column (`columns`, what runs); a test holds them equal.
"""

from __future__ import annotations

from typing import Any, ClassVar

from schemas.avro_types import AvroType
from schemas.validation import Model
from stream_apps.policy.keys import ViewKeys


class Mask(Model):
    """One mask with its parameters. Stateless; nulls stay null and never reach `row`."""

    name: ClassVar[str]
    keeps_keys_apart: ClassVar[bool] = False
    """Whether two values always stay two values, so that a row may be keyed by the masked one (DESIGN 3.2)."""
    keyed: ClassVar[bool] = False
    """Whether the result depends on the subscriber's key."""

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Whether fields of this (non-null) Avro type may be masked so."""
        raise NotImplementedError

    def result(self, avro: AvroType) -> AvroType:
        """Avro type of the masked field, from the (non-null) type of the field."""
        raise NotImplementedError

    def row(self, value: Any, keys: ViewKeys) -> Any:
        """The masked value of one value, as Python sees both."""
        raise NotImplementedError

    def refuses(self, column: Any) -> Any:
        """Which values of a column (booleans or null) cannot be masked: their events are withheld. None: all can be.

        What `columns` raises is caught too, at the cost of searching for the row that made it raise.
        """
        return None

    def columns(self, column: Any, keys: ViewKeys) -> Any:
        """The masked column (pyarrow array) of a column, of the same length."""
        raise NotImplementedError
