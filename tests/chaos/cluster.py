"""A broker and a registry as machines of our own: what `bus up` would start, but each can be killed alone, and the broker has a
listener more for every party whose network can be cut."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.cluster import broker, schema_registry
from infra.cluster.artefacts import default_cache, ensure
from infra.cluster.jvm import environment
from infra.cluster.lock import read_lock
from infra.cluster.ports import Ports, choose, is_free
from infra.cluster.progress import Silent
from infra.cluster.readiness import broker_answers, set_compatibility, settings_of
from infra.cluster.state import bootstrap_servers, registry_url
from infra.runtime.settings import Settings
from tests.chaos.machine import Machine
from tests.kit.tcp_proxy import TcpProxy

_READY_S = 90.0


@dataclass
class OwnCluster:
    """Its machines, and for each party (`exchange`, `deliverers`, …) the proxy all its connections to Kafka go through."""

    home: Path
    ports: Ports
    brokers: list[Machine]
    registry: Machine
    networks: dict[str, TcpProxy]

    def settings(self, key_file: Path) -> Settings:
        """Of who is on no proxied network."""
        return Settings(
            home=self.home,
            bootstrap_servers=bootstrap_servers(self.ports),
            registry_url=registry_url(self.ports),
            key_file=key_file,
        )

    def address(self, party: str) -> str:
        """Kafka's address as a party is told it."""
        return f"127.0.0.1:{self.networks[party].port}"

    def wait_ready(self) -> None:
        """Return when broker and registry answer."""
        settings, until = settings_of(self.home, self.ports), time.monotonic() + _READY_S
        while not (broker_answers(settings) and set_compatibility(registry_url(self.ports))):
            assert time.monotonic() < until, f"the cluster does not start: {self.home}"
            time.sleep(0.1)


@contextmanager
def own_cluster(home: Path, parties: Sequence[str], repository: str | None = None) -> Iterator[OwnCluster]:
    """A cluster of one broker, running and ready; gone at the end."""
    ports = choose(None, None, None)
    installed = ensure(read_lock(), default_cache(), repository, Silent())
    java = environment()
    kafka = broker.prepare(installed, home, ports)
    registry = schema_registry.prepare(installed, home / "registry", ports)
    with ExitStack() as stack:
        listeners = dict(zip(parties, _free_ports(len(parties)), strict=True))
        networks = {party: stack.enter_context(TcpProxy(port)) for party, port in listeners.items()}
        _listen_for(home / "broker" / "server.properties", ports, listeners, networks)
        machines = [
            Machine("broker", kafka, java, home / "broker" / "out.log", home / "broker"),
            Machine("registry", registry, java, home / "registry" / "out.log", home / "registry"),
        ]
        for machine in machines:
            stack.callback(machine.kill)
            machine.start()
        made = OwnCluster(home, ports, machines[:1], machines[1], networks)
        made.wait_ready()
        yield made


def _listen_for(file: Path, ports: Ports, listeners: dict[str, int], networks: dict[str, TcpProxy]) -> None:
    """Add the parties' listeners, each advertised at its proxy, so that no client ever learns of a way around it."""
    names = {party: party.upper() for party in listeners}
    listen = "".join(f",{names[p]}://127.0.0.1:{port}" for p, port in listeners.items())
    told = "".join(f",{names[p]}://127.0.0.1:{networks[p].port}" for p in listeners)
    plain = "".join(f",{name}:PLAINTEXT" for name in names.values())
    lines = []
    for line in file.read_text(encoding="ascii").splitlines():
        more = {"listeners": listen, "listener.security.protocol.map": plain}.get(line.partition("=")[0], "")
        lines.append(line + more)
    lines.append(f"advertised.listeners=BROKER://127.0.0.1:{ports.broker}{told}")
    file.write_text("\n".join(lines) + "\n", encoding="ascii")


def _free_ports(count: int) -> list[int]:
    """Ports below those that Linux gives to outgoing connections."""
    found: list[int] = []
    while len(found) < count:
        port = choose(None, None, None).controller
        if port not in found and is_free(port):
            found.append(port)
    return found
