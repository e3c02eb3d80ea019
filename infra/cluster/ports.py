"""Ports on loopback: the ones asked for, the ones used last time, or free ones."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

import psutil
from pydantic import BaseModel, ConfigDict

from schemas.errors import ConfigError
from schemas.text import Text

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 32_000
"""Below the ports Linux gives to outgoing connections, so that a stopped cluster finds its own again."""


class Ports(BaseModel):
    """Where the cluster listens on loopback."""

    model_config = ConfigDict(frozen=True)

    broker: int
    controller: int
    registry: int
    internal: int | None = None
    """The broker's own and the administrator's listener, in a secured cluster."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the JVM does: TIME_WAIT is no obstacle
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(kafka: int | None, registry: int | None, before: Ports | None, *, secure: bool = False) -> Ports:
    """Ports to start with: those given (ConfigError if one is taken), else those of `before` while free, else free ones."""
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
    for given, last in (
        (kafka, before.broker if before else None),
        (None, before.controller if before else None),
        (registry, before.registry if before else None),
        *([(None, before.internal if before else None)] if secure else []),
    ):
        chosen.append(given or _remembered(last, taken) or _free(taken))
        taken.add(chosen[-1])
    return Ports(broker=chosen[0], controller=chosen[1], registry=chosen[2], internal=chosen[3] if secure else None)


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
