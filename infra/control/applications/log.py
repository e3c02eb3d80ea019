"""The log of acts as Kafka holds it: read with the list of signers, and written one signed act at a time.

An act is appended first and judged when it is read back: of two people who act at once the log's order decides, and the
second is told that theirs had no effect.
"""

from __future__ import annotations

import secrets
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra.control.applications.case import Cases
from infra.control.applications.fold import after, why_without_effect
from infra.control.applications.why import why_text
from infra.control.identity import Identity, identity, signers_of
from infra.runtime.kafka import MAX_MESSAGE_BYTES, producer_config
from infra.runtime.log import READ_TIMEOUT_S, STAMPED, LogReader, unreachable
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers
from schemas.act import Act, Deed, act_text, decode_act, encode_act
from schemas.errors import ConfigError, TransientError
from schemas.ids import APPLICATIONS_TOPIC
from schemas.text import Text

_CONFIG = {**STAMPED, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
_ROOM = 64 << 10
"""Bytes left for what Kafka adds."""


class ApplicationsReader(LogReader[Cases]):
    """All applications, followed. What `LogReader` says holds; an entry that is no act has no effect and stops nobody."""

    def __init__(self, settings: Settings, signers: Signers | None = None, *, wait_ms: int = 50) -> None:
        known = signers_of(settings) if signers is None else signers

        def fold(cases: Cases, offset: int, at_ms: int, value: bytes | None) -> Cases:
            return after(cases, offset, at_ms, decode_act(value), known)

        super().__init__(settings, APPLICATIONS_TOPIC, Cases(), fold, config=_CONFIG, wait_ms=wait_ms)

    def __enter__(self) -> ApplicationsReader:
        return self


def read_cases(settings: Settings, signers: Signers | None = None) -> Cases:
    """All applications as they stand now. TransientError if the cluster is out of reach."""
    with ApplicationsReader(settings, signers, wait_ms=5) as reader:
        return reader.read_to_end()


def signed(who: Identity, deed: Deed) -> Act:
    """The deed as this person's act."""
    nonce = secrets.token_hex(16)
    return Act(
        deed=deed, by=who.person.id, nonce=nonce, signature=who.signing.sign(act_text(deed, who.person.id, nonce))
    )


def act(settings: Settings, deed: Deed) -> Cases:
    """Do it, as the person whose key BUS_IDENTITY names; the cases with it.

    Raises ConfigError if nobody is known to act, or the deed had no effect (it stays in the log, and says why),
    TransientError if the cluster is out of reach: whether the act was written is then not known, and doing it again is
    harmless, because the second would have no effect.
    """
    signers = signers_of(settings)
    value = encode_act(signed(identity(settings, signers), deed))
    if len(value) > MAX_MESSAGE_BYTES - _ROOM:
        raise ConfigError(
            Text(
                f"it comes to {len(value) >> 20} MB, more than the log takes in one entry.",
                f"内容达 {len(value) >> 20} MB, 超过日志单条上限。",
            ),
            where=APPLICATIONS_TOPIC,
            hint=Text("Split the application.", "请拆分申请。"),
        )
    with ApplicationsReader(settings, signers, wait_ms=5) as reader:
        offset = _append(settings, value)
        cases = reader.read_to_end(at_least=offset)
    why = why_without_effect(cases, offset)
    if why is not None:
        words = why_text(why)
        raise ConfigError(
            Text(f"it had no effect: {words.en}.", f"操作未生效: {words.zh}。"), where=f"{APPLICATIONS_TOPIC}@{offset}"
        )
    return cases


def _append(settings: Settings, value: bytes) -> int:
    """Its offset, once every replica that must have it has it."""
    landed: list[tuple[KafkaError | None, int]] = []

    def told(error: KafkaError | None, message: Message) -> None:
        landed.append((error, -1 if error is not None else int(message.offset() or 0)))

    more: dict[str, Any] = {
        "linger.ms": 0,
        "compression.type": "zstd",
        "message.timeout.ms": int(READ_TIMEOUT_S * 1000),
    }
    producer = Producer(producer_config(settings, **more))
    try:
        producer.produce(APPLICATIONS_TOPIC, value, b"", partition=0, on_delivery=told)
        producer.flush(READ_TIMEOUT_S)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    if not landed:
        raise TransientError(
            Text("the Kafka cluster does not confirm the entry.", "Kafka 集群未确认写入。"), where=APPLICATIONS_TOPIC
        )
    failed, offset = landed[0]
    if failed is not None:
        raise unreachable(settings, KafkaException(failed))
    return offset
