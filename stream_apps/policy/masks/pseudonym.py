"""`pseudonym`: a token that stands for the value and can be joined, but not turned back without the subscriber's key."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, ClassVar

from schemas.avro_types import AvroType, logical, primitive
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import Mask
from stream_apps.policy.tokens import tokens


class Pseudonym(Mask):
    """`row(v) == hmac.new(key, str(v).encode(), sha256).hexdigest()`: 64 hexadecimal digits.

    Keyed per subscriber, because an identity number can be enumerated: a hash without a key would be no secret at all.
    """

    name: ClassVar[str] = "pseudonym"
    keeps_keys_apart: ClassVar[bool] = True
    keyed: ClassVar[bool] = True

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings and whole numbers; on small enumerations the frequencies would give the values away."""
        return primitive(avro) in ("string", "int", "long") and logical(avro) in (None, "uuid")

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys) -> Any:
        """See the class."""
        return hmac.new(keys.pseudonym, str(value).encode(), hashlib.sha256).hexdigest()

    def columns(self, column: Any, keys: ViewKeys) -> Any:
        """Equal values are hashed once."""
        return tokens(column, keys.pseudonym)
