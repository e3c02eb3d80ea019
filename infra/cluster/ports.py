"""Where a cluster listens: the ports asked for, the ones used last time, or free ones; beyond loopback only where told to."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil
from pydantic import BaseModel, ConfigDict

from schemas.errors import ConfigError
from schemas.text import Text

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 32_000
"""Below the ports Linux gives to outgoing connections, so that a stopped cluster finds its own again."""
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*\Z")


class Outside(BaseModel):
    """Where departments on other machines find a secured cluster: it listens on `port` of every interface, and says `host`."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def read(cls, text: str) -> Outside:
        """From HOST:PORT. ConfigError if it is something else."""
        host, _, port = text.rpartition(":")
        if not (port.isdecimal() and 0 < int(port) < 1 << 16):
            raise ConfigError(
                Text("an address is HOST:PORT.", "地址的格式为 主机:端口。"),
                where=f"--outside {text}",
                hint=Text("As in: --outside bus.example.gov.cn:9094", "例如: --outside bus.example.gov.cn:9094"),
            )
        return cls(host=check_host(host, "--outside"), port=int(port))


class NodePorts(BaseModel):
    """Where one node listens: as a broker, and as one of the controllers."""

    model_config = ConfigDict(frozen=True)

    broker: int
    controller: int


class Ports(BaseModel):
    """Where the cluster listens. All of it is loopback, unless a secured one was told otherwise."""

    model_config = ConfigDict(frozen=True)

    broker: int
    controller: int
    registry: int
    internal: int | None = None
    """The broker's own and the administrator's listener, in a secured cluster. Always loopback, as the controller's is."""
    inside: str = HOST
    """Where the bus's own processes find broker and registry: another name or address than loopback's if they run in other
    containers. Broker and registry listen on that address and no other."""
    outside: Outside | None = None
    others: tuple[NodePorts, ...] = ()
    """Of a cluster of several brokers: the nodes after the first. Loopback."""

    @property
    def nodes(self) -> tuple[NodePorts, ...]:
        """Of every node; node n is at n - 1."""
        return (NodePorts(broker=self.broker, controller=self.controller), *self.others)

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Address and port of every listener; the address is "" for every interface."""
        own = [(HOST, self.internal)] if self.internal else []
        outside = [("", self.outside.port)] if self.outside else []
        others = [(HOST, port) for node in self.others for port in (node.broker, node.controller)]
        first = ((self.inside, self.broker), (self.inside, self.registry), (HOST, self.controller))
        return (*first, *own, *outside, *others)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the broker's certificate has to be valid for, besides loopback."""
        return tuple(h for h in (self.inside, self.outside.host if self.outside else HOST) if h != HOST)


def check_host(host: str, option: str) -> str:
    """A name or an IPv4 address. ConfigError if it is neither, or an address that is nobody's."""
    if not _HOST_NAME.match(host) or host == "0.0.0.0":
        raise ConfigError(
            Text(
                f"'{host}' is no host name or address that clients can be told.",
                f"'{host}' 不是可告知客户端的主机名或地址。",
            ),
            where=option,
        )
    return host


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on the port now. `host`: "" for every interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the JVM does: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person said about where the cluster shall listen; None: nothing."""

    kafka: int | None = None
    registry: int | None = None
    inside: str | None = None
    outside: Outside | None = None

    def on(self, ports: Ports) -> Ports:
        """Those ports but for what was asked."""
        said = {"broker": self.kafka, "registry": self.registry, "inside": self.inside, "outside": self.outside}
        return ports.model_copy(update={name: value for name, value in said.items() if value is not None})


def secured_ports(asked: Asked, before: Ports | None) -> Ports:
    """Where a secured cluster listens: at first as asked and else on free ports, later where it did, but for what is asked.

    Credentials that were handed out name these addresses, so another is never chosen by itself: ConfigError if one is taken.
    """
    if asked.inside is not None:
        check_host(asked.inside, "--inside")
    known = before if before is not None and before.internal is not None else None
    ports = asked.on(known or choose(asked.kafka, asked.registry, before, secure=True))
    _distinct(ports)
    for host, port in ports.places:
        if not is_free(port, host):
            raise _not_free_any_more(port)
    return ports


def choose(
    kafka: int | None, registry: int | None, before: Ports | None, *, secure: bool = False, brokers: int = 1
) -> Ports:
    """Ports to start with: those given (ConfigError if one is taken), else those of `before` while free, else free ones.

    kafka   the first broker's
    """
    for name, port in (("--kafka-port", kafka), ("--registry-port", registry)):
        if port is not None and not is_free(port):
            raise _taken(name, port)
    if kafka is not None and kafka == registry:
        raise ConfigError(
            Text("Kafka and the registry cannot share one port.", "Kafka 与注册中心不能共用一个端口。"),
            where=f"--registry-port {registry}",
        )
    taken = {port for port in (kafka, registry) if port is not None}
    chosen: list[int] = []
    last_others = [port for node in (before.others if before else ()) for port in (node.broker, node.controller)]
    more = 2 * (brokers - 1)
    for given, last in (
        (kafka, before.broker if before else None),
        (None, before.controller if before else None),
        (registry, before.registry if before else None),
        *([(None, before.internal if before else None)] if secure else []),
        *((None, port) for port in [*last_others, *[None] * more][:more]),
    ):
        chosen.append(given or _remembered(last, taken) or _free(taken))
        taken.add(chosen[-1])
    rest = chosen[3 + secure :]
    return Ports(
        broker=chosen[0],
        controller=chosen[1],
        registry=chosen[2],
        internal=chosen[3] if secure else None,
        others=tuple(NodePorts(broker=b, controller=c) for b, c in zip(rest[::2], rest[1::2], strict=True)),
    )


def _remembered(port: int | None, taken: Iterable[int]) -> int | None:
    return port if port is not None and port not in taken and is_free(port) else None


def _free(taken: Iterable[int]) -> int:
    candidates = (port for port in random.SystemRandom().sample(range(_LOWEST, _HIGHEST), 2_000) if port not in taken)
    for port in candidates:
        if is_free(port):
            return port
    raise ConfigError(
        Text(f"no free port between {_LOWEST} and {_HIGHEST}.", f"{_LOWEST} 到 {_HIGHEST} 之间没有空闲端口。")
    )


def _distinct(ports: Ports) -> None:
    used = [port for _, port in ports.places]
    twice = next((port for port in used if used.count(port) > 1), None)
    if twice is not None:
        raise ConfigError(
            Text(f"two listeners cannot share port {twice}.", f"两个监听端口不能同为 {twice}。"),
            hint=Text("Give each a port of its own.", "请为各监听指定不同端口。"),
        )


def _not_free_any_more(port: int) -> ConfigError:
    owner = owner_of(port)
    return ConfigError(
        Text(
            f"port {port} of this secured cluster is in use" + (f" by {owner}." if owner else "."),
            f"此安全集群的端口 {port} 已被占用" + (f", 占用者 {owner}。" if owner else "。"),
        ),
        hint=Text(
            "Credentials that were handed out name this cluster's ports, so it keeps them: free the port. To move it all the "
            "same, give --kafka-port, --registry-port or --outside; systems then need to be told the new address.",
            "已发放的凭据写有此集群的端口, 故不自动更换: 请释放该端口。如确需更换, 请指定 --kafka-port、--registry-port "
            "或 --outside, 并将新地址告知各系统。",
        ),
    )


def _taken(option: str, port: int) -> ConfigError:
    owner = owner_of(port)
    return ConfigError(
        Text(
            f"port {port} is in use" + (f" by {owner}." if owner else "."),
            f"端口 {port} 已被占用" + (f", 占用者 {owner}。" if owner else "。"),
        ),
        where=f"{option} {port}",
        hint=Text("Give another port, or none to have a free one chosen.", "请换一个端口, 或不指定以自动选择。"),
    )


def owner_of(port: int) -> str | None:
    """`name (pid n)` of the process that listens on the port, if this user may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                return None
    return None
