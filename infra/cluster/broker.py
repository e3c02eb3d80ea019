"""How the broker is configured and started: one node that is broker and controller, on loopback; `secured.py` secures it."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Literal

from infra.cluster import secured
from infra.cluster.artefacts import Installation
from infra.cluster.jvm import environment
from infra.cluster.ports import HOST, Ports
from infra.security.certificates import write_private
from schemas.errors import PermanentError
from schemas.text import Text

NETWORK_THREADS = 2
"""Of each listener."""
_LOG4J = Path(__file__).with_name("log4j2.xml")
_FORMAT_S = 60.0
_CONFIG, _DATA = "server.properties", "data"


def properties(data: str, ports: Ports) -> str:
    """The text of server.properties for a broker that keeps its log in the folder `data`.

    A relative one: Kafka reads this file as Latin-1, and folders are called 数据 as well.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"BROKER://{HOST}:{ports.broker},CONTROLLER://{HOST}:{ports.controller}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{HOST}:{ports.controller}",
        "log.dirs": data,
        # a topic exists because somebody created it with the right partitions and retention, never by a typing error
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 8,
        "offsets.topic.replication.factor": 1,
        "offsets.retention.minutes": 365 * 24 * 60,  # a subscriber may be away for months
        "transaction.state.log.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # after a kill the next owner of a transactional.id waits for the timeout and then for this sweep (default 10 s)
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "transaction.max.timeout.ms": 300_000,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # a killed broker is let in again when its old session has run out
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "message.max.bytes": 9 << 20,  # clients send up to 8 MB, plus the batch's own bytes
        "log.cleaner.dedupe.buffer.size": 8 << 20,
        "log.segment.delete.delay.ms": 1000,
        "num.network.threads": NETWORK_THREADS,
        "num.io.threads": 4,
    }
    if ports.internal is not None:
        settings |= secured.properties(ports)
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def holds(folder: Path) -> Literal["nothing", "secured", "unsecured"]:
    """What kind of cluster's data a broker's folder keeps."""
    if not (folder / _DATA).exists():
        return "nothing"
    config = folder / _CONFIG
    said = config.read_text(encoding="ascii") if config.exists() else ""
    return "secured" if "authorizer.class.name=" in said else "unsecured"


def prepare(installed: Installation, folder: Path, ports: Ports) -> list[str]:
    """Write the configuration, format the storage the first time, and give the command line that starts the broker.

    It is to be run in `folder`, with `jvm.environment()`. PermanentError if the storage cannot be formatted.
    """
    folder.mkdir(exist_ok=True)
    java = [
        str(installed.java),
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Xms128m",
        "-Xmx1g",  # a ceiling, taken when needed: 8,000 partitions (5,000 grants on 1,000 resources) do not fit in 384 MiB
        f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}",
        "-Dbus.log=broker.log",
        "-Djava.io.tmpdir=.",
        "-cp",
        ":".join(str(jar) for jar in installed.jars),
    ]
    write_private(folder / _CONFIG, properties(_DATA, ports))  # before there is data: it says whose data that is
    if not (folder / _DATA).exists():
        _format(java, folder, ports)
    return [*java, "kafka.Kafka", _CONFIG]


def _format(java: list[str], folder: Path, ports: Ports) -> None:
    """Beside its place, then renamed: an interrupted format must not pass for a finished one."""
    fresh, config = "data.new", "format.properties"
    shutil.rmtree(folder / fresh, ignore_errors=True)
    write_private(folder / config, properties(fresh, ports))
    tool = [*java, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--standalone"]
    command = [*tool, "-t", _new_cluster_id(), "-c", config]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=_FORMAT_S, check=False
    )
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).strip().splitlines()[-1:])
        raise PermanentError(
            Text(f"Kafka's storage cannot be formatted: {last}", f"无法格式化 Kafka 存储: {last}"), where=str(folder)
        )
    (folder / config).unlink()
    (folder / fresh).replace(folder / _DATA)


def _new_cluster_id() -> str:
    """A random UUID as Kafka writes it, never with the leading dash that would look like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
