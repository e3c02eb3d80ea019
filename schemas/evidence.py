"""Evidence of how data was handled: under which policy epoch, and when, each stretch of a source topic was judged.

The exchange writes one record for a unit's part of a partition, in the transaction that writes its outputs, so there is
evidence of exactly what happened. Places, epochs and grants; nothing of any record. Kept three years (Art. 29).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError

from schemas.errors import PermanentError
from schemas.ids import EVIDENCE_TOPIC, Id
from schemas.text import Text
from schemas.validation import Model

CATCHING_UP = "catching_up"
"""Why a grant got nothing of live records: it was being given those before them. It gets these in the same way, as history."""
OUTAGE = "outage_beyond_compaction"
"""Records before it may have been compacted away unread, ends of rows among them: it gets nothing more, its next generation all."""
NOT_STARTED = "not_started"
"""Its first day had not come. On that day it is given all there is, as history."""


class Stretch(Model):
    """Records of a source partition, offsets [begin, end), that were judged together.

    epoch     the policy in force
    at        the moment they were judged at, milliseconds since 1970 UTC
    history   the grants (ids) whose history this was, who alone were given it; None: live, for every grant
    withheld  grants that received nothing of it though they had not ended, with a word why; where that is `CATCHING_UP` or
              `NOT_STARTED`, they receive it as history
    """

    topic: str
    partition: int = Field(ge=0)
    begin: int = Field(ge=0)
    end: int = Field(ge=0)
    epoch: int
    at: int
    history: tuple[Id, ...] | None = None
    withheld: Mapping[str, str] = Field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """Kafka key of its record."""
        return place_key(self.topic, self.partition)

    def encode(self) -> bytes:
        """Kafka value of its record: compact JSON without what is not there."""
        return self.model_dump_json(exclude_defaults=True).encode()

    def covers(self, offset: int) -> bool:
        """Whether a record was judged with it."""
        return self.begin <= offset < self.end


def place_key(topic: str, partition: int) -> bytes:
    """Kafka key of the evidence of a partition."""
    return f"{topic}:{partition}".encode()


def read_stretch(value: bytes | None, offset: int) -> Stretch:
    """The evidence in a record's value. PermanentError for one that is not ours."""
    try:
        return Stretch.model_validate_json(value or b"")
    except ValidationError as error:
        raise PermanentError(
            Text("this is not evidence of the exchange.", "不是交换程序写入的处理记录。"),
            where=f"{EVIDENCE_TOPIC}@{offset}",
        ) from error
