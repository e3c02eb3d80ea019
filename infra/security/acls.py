"""Which ACLs the broker must hold, derived from what is in force: contracts say who publishes, grants who reads.

Deny by default does the rest. Nobody but those named here may do anything; what a grant no longer gives is not in the set,
so whoever reconciles it with the broker (`infra.security.reconcile`) takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.runtime.log import CONTROL_GROUP
from schemas.errors import ConfigError
from schemas.ids import (
    APPLICATIONS_TOPIC,
    DEAD_LETTER_TOPIC,
    EVIDENCE_TOPIC,
    EXCHANGE_GROUP,
    EXCHANGE_TRANSACTIONS,
    POLICY_TOPIC,
    REGISTER_TOPIC,
    desk_topic,
    own_groups,
    own_transactions,
    positions_topic,
    quarantine_topic,
    source_topic,
)
from schemas.policy_state import PolicyState
from schemas.text import Text

CONTROL = "control"
"""The user that changes what is in force: the `bus` commands and the controller."""
EXCHANGE = "exchange"
"""The user of the exchange's workers."""
APPLICATIONS = "applications"
"""The user of the application desk, where people file and decide with keys of their own: it writes signed acts and nothing
else, so that whoever works there holds nothing that could grant, revoke, or change what users may do."""
OWN_USERS = (CONTROL, EXCHANGE, APPLICATIONS)
"""The bus's own."""
REPLAY_GROUP = "bus.exchange-replay"

Kind = Literal["topic", "group", "transaction", "cluster"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal[
    "read", "write", "create", "delete", "alter", "describe", "describe_configs", "alter_configs", "idempotent_write"
]
CLUSTER = "kafka-cluster"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One thing a user may do. Everything is allowed from any host: what counts is who shows the password."""

    user: str
    kind: Kind
    name: str
    pattern: Pattern
    operation: Operation


def wanted(state: PolicyState, users: Mapping[str, Sequence[str]]) -> frozenset[Acl]:
    """The ACLs that what is in force at `state` amounts to.

    users   user names of each department's systems; all systems of a department may do what the department may
    A grant counts from its opening to its end; whether the exchange releases anything under it is the exchange's affair,
    and what it has released is the subscriber's. Raises ConfigError if two departments share a user, or one has the bus's.
    """
    _check(users)
    return frozenset(
        [
            *_control(),
            *_exchange(),
            *_application_desk(),
            *_departments(users),
            *_providers(state, users),
            *_readers(state, users),
        ]
    )


def _check(users: Mapping[str, Sequence[str]]) -> None:
    owner: dict[str, str] = dict.fromkeys(OWN_USERS, "bus")
    for department, names in users.items():
        for name in names:
            if owner.setdefault(name, department) != department or name in OWN_USERS:
                raise ConfigError(
                    Text(
                        f"the user '{name}' of department '{department}' is somebody else's as well.",
                        f"部门 '{department}' 的用户 '{name}' 同时属于他人。",
                    ),
                    where=department,
                    hint=Text(
                        f"Give every system a user of its own; {', '.join(OWN_USERS)} are the bus's.",
                        f"请为每个系统分配各自的用户; {'、'.join(OWN_USERS)} 为总线所用。",
                    ),
                )


def _control() -> Iterator[Acl]:
    """Makes and removes topics, keeps the logs, sees where topics end and what the group committed; it reads no data."""
    for prefix in ("bus.", "desk."):
        for operation in ("read", "write"):
            yield Acl(CONTROL, "topic", prefix, "prefixed", operation)
    for prefix in ("bus.", "desk.", "src.", "quarantine.", "positions.", "grant."):
        for operation in _MANAGES:
            yield Acl(CONTROL, "topic", prefix, "prefixed", operation)
    yield Acl(CONTROL, "group", CONTROL_GROUP, "literal", "read")
    yield Acl(CONTROL, "group", EXCHANGE_GROUP, "literal", "describe")
    # its own turn at the log, and taking over the id of a worker that stays silent
    yield Acl(CONTROL, "transaction", "bus.", "prefixed", "write")
    for operation in _GOVERNS:
        yield Acl(CONTROL, "cluster", CLUSTER, "literal", operation)


_MANAGES: tuple[Operation, ...] = ("create", "delete", "describe", "describe_configs", "alter_configs")
_GOVERNS: tuple[Operation, ...] = ("alter", "describe", "alter_configs", "describe_configs")
"""ACLs and credentials are the cluster's to alter, quotas its configuration."""


def _exchange() -> Iterator[Acl]:
    """Reads every source and nothing else of departments'; writes grants' topics, dead letters and evidence."""
    for name, pattern in (("src.", "prefixed"), (POLICY_TOPIC, "literal")):
        yield Acl(EXCHANGE, "topic", name, pattern, "read")  # type: ignore[arg-type]  # the literals above
    yield Acl(EXCHANGE, "topic", "grant.", "prefixed", "write")
    for name in (DEAD_LETTER_TOPIC, EVIDENCE_TOPIC):
        yield Acl(EXCHANGE, "topic", name, "literal", "write")
    for group in (EXCHANGE_GROUP, REPLAY_GROUP, CONTROL_GROUP):
        yield Acl(EXCHANGE, "group", group, "literal", "read")
    yield Acl(EXCHANGE, "transaction", EXCHANGE_TRANSACTIONS, "prefixed", "write")


def _application_desk() -> Iterator[Acl]:
    """Reads what applications are about and what became of them; writes acts, which the fold judges by who signed them."""
    for topic in (POLICY_TOPIC, REGISTER_TOPIC, APPLICATIONS_TOPIC):
        yield Acl(APPLICATIONS, "topic", topic, "literal", "read")
    yield Acl(APPLICATIONS, "topic", APPLICATIONS_TOPIC, "literal", "write")
    yield Acl(APPLICATIONS, "group", CONTROL_GROUP, "literal", "read")


def _departments(users: Mapping[str, Sequence[str]]) -> Iterator[Acl]:
    """What every department has: its desk, and consumer groups by names of its own."""
    for department, names in users.items():
        for user in names:
            yield Acl(user, "topic", desk_topic(department), "literal", "read")
            yield Acl(user, "group", own_groups(department), "prefixed", "read")


def _providers(state: PolicyState, users: Mapping[str, Sequence[str]]) -> Iterator[Acl]:
    """A provider writes its resources' topics, and reads of them only how far it has come."""
    for resource, entry in state.contracts.items():
        for user in users.get(entry.provider, ()):
            for topic in (source_topic(resource), quarantine_topic(resource), positions_topic(resource)):
                yield Acl(user, "topic", topic, "literal", "write")
            yield Acl(user, "topic", positions_topic(resource), "literal", "read")
            yield Acl(user, "transaction", own_transactions(resource), "prefixed", "write")


def _readers(state: PolicyState, users: Mapping[str, Sequence[str]]) -> Iterator[Acl]:
    """A subscriber reads the topics of its grants that have not ended; never those of earlier generations."""
    for grant in state.grants.values():
        if grant.ended is None:
            for user in users.get(grant.grant.subscriber, ()):
                yield Acl(user, "topic", grant.topic, "literal", "read")
