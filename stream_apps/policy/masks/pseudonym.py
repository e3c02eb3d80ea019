"""`pseudonym`: a token that stands for the value and can be joined, but not turned back without the custodian's key."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from schemas.avro_types import AvroType, logical, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask, Place
from stream_apps.policy.masks.reveal import TOKEN, Reveal
from stream_apps.policy.normal import normal, normalised
from stream_apps.policy.tokens import token, tokens

_FEW = 10_000
"""A field of fewer values than this is no identifier: how often each token comes would tell which value it is."""
_GROUPS = frozenset({"cn-division"})
"""Formats whose values name groups of people, not one."""


class Pseudonym(Mask):
    """What a grant writes; bound to its place it is a `Token`.

    Keyed, because an identity number can be enumerated: a hash without a key would be no secret at all. One value has one
    token in all views of one subscriber and purpose where it means the same (`format`), and another one everywhere else.
    """

    name: ClassVar[str] = "pseudonym"
    about: ClassVar[About] = About(
        does=Text(
            "a keyed token: the same for the same value within one subscriber, purpose and format; cannot be turned back",
            "带密钥的标识符: 同一需求方、同一用途、同一格式内同值同码; 不可还原",
        ),
        of=Text(
            "identifiers: strings and whole numbers; refused where there are few values",
            "标识类字段: 文本与整数; 取值过少者拒绝",
        ),
        examples=(
            Example(
                "pseudonym",
                "520102199001010014",
                "1-53ceac54c4492b7dd2be7694bc3bd6d3",
                format="cn-id",
                depends=Text(
                    "the subscriber's key (here the preview's, version 1), the purpose (here 综合治税) and the field's format",
                    "需求方密钥(此处为预览密钥, 版本 1)、用途(此处为综合治税)与字段格式",
                ),
            ),
        ),
        parameters=(
            (
                "domain",
                Text(
                    "join with other purposes that use this domain; the contract must list it",
                    "与使用同一域的其他用途可关联; 须在契约中列明",
                ),
            ),
            (
                "previous",
                Text(
                    "also release the token of before a key rotation, as _previous_FIELD, while the old key may be used",
                    "密钥轮换窗口期内另以 _previous_字段 放行旧标识",
                ),
            ),
        ),
    )
    domain: str | None = Field(default=None, min_length=1, max_length=96)
    previous: bool = Field(default=False, strict=True)

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """What a token is made of."""
        return Token.suits(avro)

    def bound(self, place: Place) -> Token:
        """Joined within the purpose, or within a domain of its own if the contract lists it. ConfigError otherwise."""
        if place.field.format in _GROUPS or _few(place.field.rules):
            place.refuse(
                f"'{place.path[-1]}' has too few values for a pseudonym: how often each token comes would give it away.",
                f"'{place.path[-1]}' 取值过少, 不可使用假名: 各标识出现的频率会泄露其值。",
            )
        if self.domain is not None and not _lists_domain(place, self.domain):
            place.refuse(
                f"the joint domain '{self.domain}' is not approved: the contract does not list it for this field.",
                f"联合域 '{self.domain}' 未经批准: 契约未对该字段列明。",
            )
        within = f"purpose:{place.purpose}" if self.domain is None else f"domain:{self.domain}"
        return Token(within=within, meaning=place.meaning)


class Token(Mask):
    """`row(v) == token(normal(str(v), self.meaning), keys.token(self.within, self.meaning))`"""

    name: ClassVar[str] = "pseudonym"
    keeps_keys_apart: ClassVar[bool] = True
    within: str
    meaning: str

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings and whole numbers; an enumeration has too few values."""
        return primitive(avro) in ("string", "int", "long") and logical(avro) in (None, "uuid")

    @property
    def keyed(self) -> bool:
        """By the subscriber's secret."""
        return True

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return token(normal(str(value), self.meaning), keys.token(self.within, self.meaning))

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Equal values are hashed once."""
        return tokens(normalised(column, self.meaning), keys.token(self.within, self.meaning))

    def reveals(self) -> Reveal:
        """Which values are equal."""
        return TOKEN


class PreviousToken(Mask):
    """`row(v) == None if keys.previous is None else self.token.row(v, keys.previous)`

    The token of before the last rotation of keys; null once nothing may be made with the old key.
    """

    name: ClassVar[str] = "previous"
    gives_null: ClassVar[bool] = True
    token: Token

    @property
    def keyed(self) -> bool:
        """By the subscriber's secret."""
        return True

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return None if keys.previous is None else self.token.row(value, keys.previous)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """See the class."""
        if keys.previous is None:
            return pa.nulls(len(column), pa.string())
        return self.token.columns(column, keys.previous)

    def reveals(self) -> Reveal:
        """Which values are equal."""
        return TOKEN


def _few(rules: dict[str, Any]) -> bool:
    """Whether the contract itself says how few values there are."""
    low, high = rules.get("min"), rules.get("max")
    whole = isinstance(low, int) and isinstance(high, int)
    return "enum" in rules or (whole and high - low < _FEW)  # type: ignore[operator]  # both are numbers then


def _lists_domain(place: Place, domain: str) -> bool:
    listed = [
        p.bounds["domain"].one_of for p in place.field.masks or () if p.mask == "pseudonym" and "domain" in p.bounds
    ]
    return any(names is not None and domain in names for names in listed)
