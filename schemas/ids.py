"""Identifiers of departments, resources and grants, and the one place that turns them into Kafka names.

An id is made of lower-case ASCII words and digits, joined by single `.`, `_` or `-`: `scjg.enterprise_registration`.
Because two separators never stand side by side, writing `_` as `--` in Kafka names is reversible, and no two ids meet in
one name even though Kafka itself holds `.` and `_` for the same character in topic metrics.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

_ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*\Z")
MAX_ID = 96
"""Characters; leaves room for prefix, generation and suffixes within Kafka's 249."""


def check_id(value: str) -> str:
    """`value` if it is an id; ValueError (for pydantic) says what is not allowed."""
    if len(value) > MAX_ID:
        raise ValueError(f"an id has at most {MAX_ID} characters / 编号最长 {MAX_ID} 个字符")
    if not _ID.match(value):
        raise ValueError(
            "an id is lower-case letters and digits in words joined by single . _ or - / "
            "编号由小写字母和数字组成, 词间用单个 . _ 或 - 连接"
        )
    return value


Id = Annotated[str, AfterValidator(check_id)]


def _fold(value: str) -> str:
    return check_id(value).replace("_", "--")


POLICY_TOPIC = "bus.grants"
"""The control log: contracts, grants and their ends, one partition, kept for ever. Its offsets are the policy epochs."""

REGISTER_TOPIC = "bus.register"
"""Directory and catalogue: departments, units, systems, districts, catalogue entries; one partition, kept for ever."""

APPLICATIONS_TOPIC = "bus.applications"
"""Signed acts: applications, approvals, standing approvals; one partition, kept for ever, stamped by the broker's clock."""

EVIDENCE_TOPIC = "bus.evidence"
"""Under which policy epoch, and when, each stretch of a source topic was judged; written with the outputs."""

DEAD_LETTER_TOPIC = "bus.dead-letters"

EXCHANGE_GROUP = "bus.exchange"
EXCHANGE_TRANSACTIONS = "bus.exchange."
"""How transactional.ids of the exchange's workers begin."""
OWN = ":"
"""Ends what a department's own groups begin with, and a resource's own transactional ids. No id holds it, so that a prefix
of one never covers another's, nor the bus's own names."""


def source_topic(resource: str) -> str:
    """Topic of a resource's change events; only its provider writes it, only the exchange reads it."""
    return "src." + _fold(resource)


@lru_cache(maxsize=65_536)  # the exchange asks for every partition at every turn
def resource_of(topic: str) -> str:
    """The resource a source topic belongs to; ValueError for any other topic."""
    if not topic.startswith("src."):
        raise ValueError(f"not a source topic: {topic}")
    return check_id(topic[4:].replace("--", "_"))


def quarantine_topic(resource: str) -> str:
    """Topic of the provider's rejected rows: row number, field, reason; never the row."""
    return "quarantine." + _fold(resource)


def positions_topic(resource: str) -> str:
    """Topic of how far a resource's publishers have come: one partition, compacted, written with the events. Every
    resource has its own, so that no provider can read or move another's."""
    return "positions." + _fold(resource)


def grant_topic(grant: str, generation: int) -> str:
    """Topic of one life of a grant; an amended, resumed or renewed grant gets the next generation."""
    return f"grant.{_fold(grant)}.g{generation}"


def desk_topic(department: str) -> str:
    """Topic of what concerns one department: a copy of the control log's events of its own resources and grants."""
    return "desk." + _fold(department)


def subject(topic: str) -> str:
    """Registry subject of a topic's values (Confluent's TopicNameStrategy)."""
    return topic + "-value"


def own_groups(department: str) -> str:
    """What the consumer groups of a department begin with; behind it the department may name them as it likes."""
    return check_id(department) + OWN


def own_transactions(resource: str) -> str:
    """What the transactional.ids of a resource's publishers begin with: whoever may use one of them could shut out the
    publisher that has it, so only the resource's provider may."""
    return f"publisher.{_fold(resource)}{OWN}"


def publisher_transaction(adapter: str, resource: str) -> str:
    """transactional.id of the one publisher an adapter may have for a resource."""
    return own_transactions(resource) + _fold(adapter)
