"""Waiting until broker and registry really answer, and the one setting the registry needs first."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2 as httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.cluster.ports import Ports
from infra.cluster.schema_registry import COMPATIBILITY
from infra.cluster.secured import administrator
from infra.cluster.state import ClusterState, bootstrap_servers, broker_name, registry_url
from infra.runtime.kafka import client_config
from infra.runtime.settings import Settings
from schemas.errors import PermanentError
from schemas.text import Text

_LOOK_EVERY_S = 0.1
_CALL_S = 5.0
_TAIL_LINES = 3


def broker_answers(settings: Settings, brokers: int = 1) -> bool:
    """Whether the broker at the settings' one address gives its metadata and counts so many in."""
    assert settings.bootstrap_servers is not None
    host, _, port = settings.bootstrap_servers.rpartition(":")
    if not _listens(host, int(port)):
        return False
    client = AdminClient(client_config(settings, **{"socket.timeout.ms": int(_CALL_S * 1000)}))
    try:
        return len(client.list_topics(timeout=_CALL_S).brokers) >= brokers
    except KafkaException:
        return False


def registry_compatibility(url: str) -> str | None:
    """The registry's global compatibility; None if it does not answer."""
    try:
        answer = httpx.get(f"{url}/config", timeout=_CALL_S, trust_env=False)
        return str(answer.json()["compatibilityLevel"]) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def set_compatibility(url: str) -> bool:
    """Make the registry refuse schemas that break readers; whether it is so afterwards."""
    try:
        httpx.put(f"{url}/config", json={"compatibility": COMPATIBILITY}, timeout=_CALL_S, trust_env=False)
    except httpx.HTTPError:
        return False
    return registry_compatibility(url) == COMPATIBILITY


def wait_until_ready(home: Path, state: ClusterState, deadline_s: float) -> None:
    """Return when all answer and the compatibility is set.

    PermanentError with the end of the log if one of them dies or does not answer within `deadline_s` seconds.
    """
    if state.processes is None:
        raise ValueError("nothing was started")
    until = time.monotonic() + deadline_s
    url = registry_url(state.ports)
    every, ids = len(state.ports.nodes), state.processes.named
    waiting: list[tuple[str, Callable[[], bool]]] = [
        *((name, partial(broker_answers, settings, every)) for name, settings in of_each(home, state.ports)),
        ("registry", lambda: _listens(state.ports.inside, state.ports.registry) and set_compatibility(url)),
    ]
    while waiting:
        waiting = [(name, answers) for name, answers in waiting if not answers()]
        for name, _ in waiting:
            if not ids[name].alive:
                raise _failed(home / name, Text("ended while starting", "启动时退出"))
            if time.monotonic() > until:
                raise _failed(
                    home / name, Text(f"does not answer after {deadline_s:.0f} s", f"{deadline_s:.0f} 秒内无响应")
                )
        if waiting:
            time.sleep(_LOOK_EVERY_S)


def of_each(home: Path, ports: Ports) -> list[tuple[str, Settings]]:
    """Every broker's name, and settings that know its address only. A secured cluster has one."""
    settings = settings_of(home, ports)
    if len(ports.nodes) == 1:
        return [(broker_name(1), settings)]
    addresses = [f"{ports.inside}:{node.broker}" for node in ports.nodes]
    return [
        (broker_name(n), settings.model_copy(update={"bootstrap_servers": address}))
        for n, address in enumerate(addresses, 1)
    ]


def settings_of(home: Path, ports: Ports) -> Settings:
    """With which a cluster's own commands get in: its administrator's, if it is secured."""
    if ports.internal is not None:
        return administrator(home, ports, registry_url(ports))
    return Settings(
        home=home,
        bootstrap_servers=bootstrap_servers(ports),
        registry_url=registry_url(ports),
        security_protocol="PLAINTEXT",
    )


def _listens(host: str, port: int) -> bool:
    """Asked before librdkafka, which would log each refusal."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def _failed(folder: Path, how: Text) -> PermanentError:
    lines: list[str] = []
    for log in (folder / f"{folder.name.split('-')[0]}.log", folder / "out.log"):
        if log.exists():
            written = log.read_text(encoding="utf-8", errors="replace").splitlines()
            lines += [line for line in written if not line.startswith("\t")][-_TAIL_LINES:]  # not the stack frames
    tail = "\n  ".join(["", *lines])
    return PermanentError(
        Text(f"the {folder.name} {how.en}.{tail}", f"{folder.name} {how.zh}。{tail}"),
        where=str(folder),
        hint=Text("Run 'bus doctor'.", "请运行 'bus doctor'。"),
    )
