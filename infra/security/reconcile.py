"""The broker's ACLs brought to what is wanted: what is missing is added, what somebody added by hand is taken away.

A DENY is reported and left: it can only close, and somebody meant it to. What is taken away goes before what is added.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from infra.runtime.kafka import passes
from infra.security.acls import Acl
from schemas.errors import PermanentError, TransientError
from schemas.text import Text

TIMEOUT_S = 15.0
_BATCH = 2_000
"""ACLs in one request."""
_KINDS: dict[str, ResourceType] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transaction": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
_NAMES = {value: name for name, value in _KINDS.items()}


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """An ACL as the broker holds it, whoever made it."""

    principal: str
    kind: str
    name: str
    pattern: str
    operation: str
    host: str = "*"
    allow: bool = True


@dataclass(frozen=True, slots=True)
class Drift:
    """How the broker differs from what is wanted. `left`: what is there besides and stays, DENY entries above all."""

    missing: tuple[Held, ...]
    surplus: tuple[Held, ...]
    left: tuple[Held, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)


def drift(wanted: Collection[Acl], held: Collection[Held]) -> Drift:
    """What is missing and what is too much."""
    should = {Held(f"User:{a.user}", a.kind, a.name, a.pattern, a.operation) for a in wanted}
    ours = {h for h in held if h.allow and h.kind in _KINDS}
    return Drift(tuple(sorted(should - ours)), tuple(sorted(ours - should)), tuple(sorted(set(held) - ours)))


def held(client: AdminClient) -> frozenset[Held] | None:
    """Every ACL of the cluster; None if it has no authorizer: then everybody may do everything.

    Raises TransientError if the cluster is out of reach, PermanentError if we may not ask.
    """
    anything = _filter(ResourceType.ANY, None, ResourcePatternType.ANY)
    try:
        found = client.describe_acls(anything, request_timeout=TIMEOUT_S).result()
        if not found:
            _ask(client)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.SECURITY_DISABLED:
            return None
        raise refused(error) from error
    return frozenset(_read(binding) for binding in found)


def _ask(client: AdminClient) -> None:
    """Whether there is an authorizer, and we may ask it: the client tells neither where it describes, only an empty list.
    What this would delete, nobody has."""
    nothing = exactly(Held("User:nobody", "topic", "no-such-topic", "literal", "read", "no-such-host"))
    for done in client.delete_acls([nothing], request_timeout=TIMEOUT_S).values():
        done.result()


def repair(client: AdminClient, found: Drift) -> None:
    """Take away what is too much, then add what is missing. Raises what `held` raises; running it again goes on."""
    for some in _parts(found.surplus):
        for done in client.delete_acls([exactly(h) for h in some], request_timeout=TIMEOUT_S).values():
            _result(done)
    for some in _parts(found.missing):
        for done in client.create_acls([_binding(h) for h in some], request_timeout=TIMEOUT_S).values():
            _result(done)


def withdraw(client: AdminClient, topics: Iterable[str]) -> Callable[[], int]:
    """Take away whatever lets anybody do anything with exactly these topics: one request, whatever else the cluster holds.

    It is sent at once; what is returned waits for the answer, says how many ACLs that were, and raises what `held` raises.
    A cluster without an authorizer has none to take away.
    """
    filters = [
        _filter(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, allow=True) for topic in dict.fromkeys(topics)
    ]
    asked = client.delete_acls(filters, request_timeout=TIMEOUT_S) if filters else {}

    def answered() -> int:
        gone = 0
        for done in asked.values():
            try:
                gone += len(done.result())
            except KafkaException as error:
                if error.args[0].code() != KafkaError.SECURITY_DISABLED:
                    raise refused(error) from error
        return gone

    return answered


def _parts(held: tuple[Held, ...]) -> Iterable[tuple[Held, ...]]:
    return (held[n : n + _BATCH] for n in range(0, len(held), _BATCH))


def _result(done: Any) -> None:
    try:
        done.result()
    except KafkaException as error:
        raise refused(error) from error


def _filter(
    kind: ResourceType, name: str | None, pattern: ResourcePatternType, *, allow: bool | None = None
) -> AclBindingFilter:
    permission = AclPermissionType.ALLOW if allow else AclPermissionType.ANY
    anybody: Any = None  # what the client takes for "any", though its types do not say so
    return AclBindingFilter(kind, name or anybody, pattern, anybody, anybody, AclOperation.ANY, permission)


def _read(binding: Any) -> Held:
    return Held(
        principal=binding.principal,
        kind=_NAMES.get(binding.restype, binding.restype.name.lower()),
        name=binding.name,
        pattern=binding.resource_pattern_type.name.lower(),
        operation=binding.operation.name.lower(),
        host=binding.host,
        allow=binding.permission_type == AclPermissionType.ALLOW,
    )


def _parts_of(held: Held) -> tuple[Any, ...]:
    return (
        _KINDS[held.kind],
        held.name,
        ResourcePatternType[held.pattern.upper()],
        held.principal,
        held.host,
        AclOperation[held.operation.upper()],
        AclPermissionType.ALLOW if held.allow else AclPermissionType.DENY,
    )


def _binding(held: Held) -> AclBinding:
    return AclBinding(*_parts_of(held))


def exactly(held: Held) -> AclBindingFilter:
    """A filter that finds this ACL and no other."""
    return AclBindingFilter(*_parts_of(held))


def refused(error: KafkaException) -> PermanentError | TransientError:
    """What the cluster answered, as our error."""
    answer: KafkaError = error.args[0]
    if passes(answer):
        return TransientError(
            Text(f"the Kafka cluster does not answer: {answer.name()}.", f"Kafka 集群无响应: {answer.name()}。"),
            where="ACL",
            hint=Text(
                "Run 'bus acls --repair' once it does; who lost access may still have it.",
                "恢复后请运行 'bus acls --repair'; 在此之前已终止的访问权限可能仍在。",
            ),
        )
    return PermanentError(
        Text(f"Kafka refuses to change ACLs: {answer.name()}.", f"Kafka 拒绝修改 ACL: {answer.name()}。"),
        where="ACL",
        hint=Text("Run it as the user 'control'.", "请以用户 'control' 运行。"),
    )
