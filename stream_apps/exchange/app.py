"""The exchange as a process: one Faust app, one agent on units, one transactional producer."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from infra.runtime.custodian import held_keys
from infra.runtime.kafka import admin, consumer_config
from infra.runtime.metrics import serve
from infra.runtime.policy_log import PolicyReader
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers, signers_of
from schemas.errors import ConfigError, TransientError
from schemas.ids import EXCHANGE_GROUP, check_id, source_topic
from schemas.text import Text
from stream_apps.exchange import telemetry
from stream_apps.exchange.gaps import KeyHash
from stream_apps.exchange.hang_watch import HangWatch
from stream_apps.exchange.key_watch import KeyWatch
from stream_apps.exchange.outbox import Outbox
from stream_apps.exchange.policy_watch import PolicyWatch
from stream_apps.exchange.replay import Replayer
from stream_apps.exchange.retry import Retrier
from stream_apps.exchange.signer_watch import SignerWatch
from stream_apps.exchange.tools import Tools
from stream_apps.exchange.topics import KnownTopics
from stream_apps.exchange.views import RuleBook
from stream_apps.exchange.witness import Witness, witness
from stream_apps.exchange.worker import Exchange
from stream_apps.transport.app import UnitApp, create_app, on_units, run_app
from stream_apps.transport.source import Source
from stream_apps.transport.unit import Place

_HANGS_S = 2.0
"""Who keeps the exchange's lock for so long, while the process is to end, is not waited for."""


def run_exchange(settings: Settings, *, instance: str | None = None, metrics_port: int | None = None) -> None:
    """Exchange until SIGTERM or SIGINT. Blocks; call it in the main thread of a process that does nothing else.

    instance      names the worker; a restart under the same name takes over at once, and knows what the last one died of.
                  By default a new name is made
    metrics_port  where metrics are served (0: any free port, None: nowhere)
    Raises BusError for what ended it otherwise; whoever supervises starts another process, but not after a ConfigError, as
    where the master keys are not those that the control log announced, now or while it runs.
    """
    settings = settings.located("exchange")
    name = check_id(instance) if instance else secrets.token_hex(4)
    signers = trusted(settings)
    ring = held_keys(settings).ring
    registry, client = Registry(settings), admin(settings)
    port = serve(settings.metrics_host, metrics_port) if metrics_port is not None else None
    try:
        outbox = Outbox(settings, f"bus.exchange.{name}")
    except KafkaException as error:
        raise _unreachable(settings) from error
    seen = witness(settings, name) if instance else Witness()
    tools = Tools(
        outbox,
        RuleBook(ring, registry, signers),
        KnownTopics(client),
        KeyHash(ring),
        lambda places: _offsets(client, places, _EARLIEST),
        ends=lambda places: _offsets(client, places, _LATEST),
        outage_s=settings.tolerated_outage_s,
        witness=seen,
    )
    worker = _Worker(settings, tools, outbox)
    try:
        worker.watch.start()
        ring.verify(worker.watch.state.keys)
        if signers.folder is None:
            telemetry.not_verified()
        telemetry.started(name, outbox.transaction, port)
        gc.collect()
        gc.freeze()
        gc.disable()  # the hot path makes no cycles; looking for them took a tenth of the time
        worker.run()
    finally:
        gc.enable()
        worker.stop()
        seen.close()
        outbox.close()
        registry.close()


class _Worker:
    """The exchange, its threads and its app, tied together."""

    def __init__(self, settings: Settings, tools: Tools, outbox: Outbox) -> None:
        self.watch = PolicyWatch(PolicyReader(settings), self._turn, self._failed)
        self.exchange = Exchange(tools, self.watch)
        consumer = consumer_config(settings, EXCHANGE_GROUP, **{"queued.min.messages": 200_000})
        self.app: UnitApp = create_app("bus-exchange", Source(consumer, self.exchange, self._topics))
        self.exchange.feed = self.app.poller
        on_units(self.app, self.exchange.handle)
        self.replayer = Replayer(self.exchange, settings, self._failed)
        self.retrier = Retrier(self.exchange, settings, self._failed)
        self.keys = KeyWatch(self.exchange, lambda: held_keys(settings).ring, self._failed)
        self.signers = SignerWatch(settings, self.exchange.trust, self._failed)
        self.hangs = HangWatch(outbox, self._failed)

    def run(self) -> None:
        """Until told to stop; raises what ended it otherwise."""
        self.hangs.start()
        self.replayer.start()
        self.retrier.start()
        self.keys.start()
        self.signers.start()
        run_app(self.app)

    def stop(self) -> None:
        """End the threads. Where a unit hangs in a call of the producer and keeps the lock they wait for, they are left to end with
        the process (`hang_watch`): one that cannot end is started again by nobody."""
        self.hangs.stop()
        if not self.exchange.lock.acquire(timeout=_HANGS_S):
            telemetry.left_hanging(_HANGS_S)
            return
        self.exchange.lock.release()
        self.signers.stop()
        self.keys.stop()
        self.retrier.stop()
        self.replayer.stop()
        self.watch.stop()

    def _turn(self) -> None:
        self.exchange.turn()

    def _failed(self, error: BaseException) -> None:
        self.app.poller.fail(error)

    def _topics(self) -> list[str]:
        return [source_topic(resource) for resource in sorted(self.watch.state.contracts)]


def trusted(settings: Settings) -> Signers:
    """Whose signatures open grants. ConfigError where the cluster is a secured one and nobody has said whose: there the log
    is not what decides, and without signers anybody who comes to write it would."""
    if settings.signers is None and settings.security_protocol == "SASL_SSL":
        raise ConfigError(
            Text(
                "on a secured cluster the exchange releases only what both sides have signed, and it is not said who may sign.",
                "在启用安全的集群上, 交换程序仅放行双方已签名的授权, 但未指明签名人名册。",
            ),
            where="BUS_SIGNERS",
            hint=Text(
                "Set BUS_SIGNERS to the folder of signers (<department>.yaml, <department>.pub).",
                "请将 BUS_SIGNERS 设为签名人名册目录(<部门>.yaml、<部门>.pub)。",
            ),
        )
    return signers_of(settings)


_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


def _offsets(client: AdminClient, places: Sequence[Place], which: OffsetSpec) -> Mapping[Place, int]:
    """The first offset of each partition, or the one after its last. TransientError if the cluster does not say."""
    if not places:
        return {}
    asked = {TopicPartition(*place): which for place in places}
    try:
        answers = client.list_offsets(asked, request_timeout=10)
        return {Place(tp.topic, tp.partition): answer.result().offset for tp, answer in answers.items()}
    except KafkaException as error:
        raise TransientError(
            Text("the cluster does not say where partitions begin and end.", "无法获取分区的起止位点。")
        ) from error


def _unreachable(settings: Settings) -> TransientError:
    return TransientError(
        Text("the Kafka cluster does not answer.", "Kafka 集群无响应。"),
        where=settings.bootstrap_servers,
        hint=Text(
            "Run 'bus status', or check BUS_BOOTSTRAP_SERVERS.", "请运行 'bus status', 或检查 BUS_BOOTSTRAP_SERVERS。"
        ),
    )
