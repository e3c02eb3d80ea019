"""How a broker is configured and started: a node that is broker and controller, on loopback; `secured.py` secures it.

One node, or three: then every topic has a copy on each, a write is acknowledged when two have it, and the loss of any one of
them is survived, also of its vote as a controller.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Literal

from infra.cluster import secured
from infra.cluster.artefacts import Installation
from infra.cluster.jvm import environment
from infra.cluster.ports import HOST, Ports
from infra.cluster.state import broker_name
from infra.security.certificates import write_private
from schemas.errors import PermanentError
from schemas.text import Text

NETWORK_THREADS = 2
"""Of each listener."""
_LOG4J = Path(__file__).with_name("log4j2.xml")
_FORMAT_S = 60.0
_CONFIG, _DATA = "server.properties", "data"
_VOTERS = "controller.quorum.voters"


_QUICK = {
    # Nothing is written to what a dead broker led until it is declared dead. That has to happen well within the 3.5 s after
    # which the exchange gives a record up: then its transaction is merely late, else it is aborted and begun anew.
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 250,
    # The one that declares it dead may have been the same: the others elect another first, and that one counts from zero.
    "controller.quorum.fetch.timeout.ms": 1000,
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.election.backoff.max.ms": 500,
}
"""Of several brokers: how soon the others take over."""


def properties(data: str, ports: Ports, node: int = 1) -> str:
    """The text of server.properties for a broker that keeps its log in the folder `data`.

    A relative one: Kafka reads this file as Latin-1, and folders are called 数据 as well.
    """
    copies = len(ports.nodes)
    own = ports.nodes[node - 1]
    settings = {
        "process.roles": "broker,controller",
        "node.id": node,
        "listeners": f"BROKER://{HOST}:{own.broker},CONTROLLER://{HOST}:{own.controller}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        **_quorum(ports),
        "log.dirs": data,
        # a topic exists because somebody created it with the right partitions and retention, never by a typing error
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 8,
        # whoever makes a topic leaves the number of its copies to the broker, so these two lines are true of all of them
        "default.replication.factor": copies,
        "min.insync.replicas": 1 if copies == 1 else 2,
        "offsets.topic.replication.factor": copies,
        "offsets.retention.minutes": 365 * 24 * 60,  # a subscriber may be away for months
        "transaction.state.log.num.partitions": 8,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": 1 if copies == 1 else 2,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": 1 if copies == 1 else 2,
        # after a kill the next owner of a transactional.id waits for the timeout and then for this sweep (default 10 s)
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "transaction.max.timeout.ms": 300_000,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # a killed broker is let in again when its old session has run out; of several, what it led goes to another then
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "message.max.bytes": 9 << 20,  # clients send up to 8 MB, plus the batch's own bytes
        "log.cleaner.dedupe.buffer.size": 8 << 20,
        "log.segment.delete.delay.ms": 1000,
        "num.network.threads": NETWORK_THREADS,
        "num.io.threads": 4,
    }
    if copies > 1:
        settings |= _QUICK
    if ports.internal is not None:
        settings |= secured.properties(ports)
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _quorum(ports: Ports) -> dict[str, str]:
    """Who elects the controller. Several nodes are told of each other here and not in the log they would have to agree on
    first, so that all of them can move to other ports at once."""
    if len(ports.nodes) == 1:
        return {"controller.quorum.bootstrap.servers": f"{HOST}:{ports.controller}"}
    return {_VOTERS: ",".join(f"{n}@{HOST}:{node.controller}" for n, node in enumerate(ports.nodes, 1))}


def count(home: Path) -> int:
    """Of how many brokers the cluster is whose data a state folder keeps; 0 if it keeps none."""
    folder = home / broker_name(1)
    if not (folder / _DATA).exists():
        return 0
    config = folder / _CONFIG
    said = re.search(
        rf"^{re.escape(_VOTERS)}=(.*)$", config.read_text(encoding="ascii") if config.exists() else "", re.M
    )
    return len(said[1].split(",")) if said else 1


def holds(folder: Path) -> Literal["nothing", "secured", "unsecured"]:
    """What kind of cluster's data a broker's folder keeps."""
    if not (folder / _DATA).exists():
        return "nothing"
    config = folder / _CONFIG
    said = config.read_text(encoding="ascii") if config.exists() else ""
    return "secured" if "authorizer.class.name=" in said else "unsecured"


def prepare(installed: Installation, home: Path, ports: Ports, node: int = 1) -> list[str]:
    """Write the configuration, format the storage the first time, and give the command line that starts the broker.

    It is to be run in the broker's folder, with `jvm.environment()`. PermanentError if the storage cannot be formatted.
    """
    folder = home / broker_name(node)
    folder.mkdir(exist_ok=True, mode=0o700)
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
    write_private(folder / _CONFIG, properties(_DATA, ports, node))  # before there is data: it says whose data that is
    if not (folder / _DATA).exists():
        _format(java, folder, ports, node, _cluster_id(home) or _new_cluster_id())
    return [*java, "kafka.Kafka", _CONFIG]


def _format(java: list[str], folder: Path, ports: Ports, node: int, cluster: str) -> None:
    """Beside its place, then renamed: an interrupted format must not pass for a finished one."""
    fresh, config = "data.new", "format.properties"
    shutil.rmtree(folder / fresh, ignore_errors=True)
    write_private(folder / config, properties(fresh, ports, node))
    alone = ["--standalone"] if len(ports.nodes) == 1 else []
    tool = [*java, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", *alone]
    command = [*tool, "-t", cluster, "-c", config]
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


def _cluster_id(home: Path) -> str | None:
    """The id the first node's storage has: all nodes of a cluster need the same."""
    said = home / broker_name(1) / _DATA / "meta.properties"
    found = re.search(r"^cluster\.id=(\S+)$", said.read_text(encoding="ascii"), re.M) if said.exists() else None
    return found[1] if found else None


def _new_cluster_id() -> str:
    """A random UUID as Kafka writes it, never with the leading dash that would look like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
