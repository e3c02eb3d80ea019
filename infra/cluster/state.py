"""`cluster.json` in the state folder: what runs, where it listens, whose it is. The one truth about a cluster.

Addresses stand in it only while they can be used, so that whoever reads it (`Settings.located`) never meets a cluster
that is still starting or was stopped.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.cluster.ports import Ports
from infra.cluster.processes import ProcessId
from schemas.errors import ConfigError
from schemas.text import Text

STATE_FILE = "cluster.json"


class Processes(BaseModel):
    """The processes of a started cluster. `owner` is whose death ends it, None if it runs on its own.

    others   the brokers after the first, in a cluster of several
    """

    model_config = ConfigDict(frozen=True)

    guard: ProcessId
    broker: ProcessId
    registry: ProcessId
    owner: ProcessId | None = None
    started_at: float
    others: tuple[ProcessId, ...] = ()

    @property
    def brokers(self) -> tuple[ProcessId, ...]:
        """Every broker; node n is at n - 1."""
        return (self.broker, *self.others)

    @property
    def named(self) -> dict[str, ProcessId]:
        """Every process by its name, the guard first; a broker's or the registry's is that of its folder."""
        brokers = {broker_name(n): found for n, found in enumerate(self.brokers, 1)}
        return {"guard": self.guard, **brokers, "registry": self.registry}


def broker_name(node: int) -> str:
    """Name and folder of a broker. The first has the name it has where it is alone."""
    return "broker" if node == 1 else f"broker-{node}"


class ClusterState(BaseModel):
    """What the folder knows. `processes` is None when stopped; the addresses are None unless it is ready for use."""

    model_config = ConfigDict(frozen=True)

    ports: Ports
    processes: Processes | None = None
    bootstrap_servers: str | None = None
    registry_url: str | None = None

    @property
    def all_alive(self) -> bool:
        """Whether guard, brokers and registry run."""
        return self.processes is not None and not self.dead

    @property
    def dead(self) -> tuple[str, ...]:
        """Names of processes that should run and do not."""
        found = self.processes
        return tuple(name for name, process in found.named.items() if not process.alive) if found else ()

    @property
    def degraded(self) -> bool:
        """Whether it works without some of its brokers: most of them run, and all else."""
        found, dead = self.processes, set(self.dead)
        if found is None or not dead or dead & {"guard", "registry"}:
            return False
        return 2 * len(dead) < len(found.brokers)

    def ready(self, *, owner: ProcessId | None) -> ClusterState:
        """This state with its addresses, owned by `owner` from now on."""
        if self.processes is None:
            raise ValueError("a stopped cluster cannot be ready")
        return self.model_copy(
            update={
                "processes": self.processes.model_copy(update={"owner": owner}),
                "bootstrap_servers": bootstrap_servers(self.ports),
                "registry_url": registry_url(self.ports),
            }
        )

    @property
    def secured(self) -> bool:
        """Whether it asks everybody who they are."""
        return self.ports.internal is not None

    def stopped(self) -> ClusterState:
        """What is remembered of a cluster that does not run: its ports."""
        return ClusterState(ports=self.ports)


def bootstrap_servers(ports: Ports) -> str:
    """The brokers' addresses, separated by commas: a client that starts while one is down finds another."""
    return ",".join(f"{ports.inside}:{node.broker}" for node in ports.nodes)


def registry_url(ports: Ports) -> str:
    """The address of the registry's Confluent-compatible API."""
    return f"http://{ports.inside}:{ports.registry}/apis/ccompat/v7"


def read_state(home: Path) -> ClusterState | None:
    """The folder's state, None if no cluster was ever started there. ConfigError if the file is not ours."""
    file = home / STATE_FILE
    try:
        return ClusterState.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ConfigError(
            Text("not a state file of this version.", "不是本版本的状态文件。"),
            where=str(file),
            hint=Text(
                "Remove it if nothing runs here; data is kept, ports are chosen anew.",
                "如无进程运行, 请删除该文件; 数据保留, 端口重新选择。",
            ),
        ) from error


def write_state(home: Path, state: ClusterState) -> None:
    """Replace the state in one step, so that no reader ever sees half of it."""
    file = home / STATE_FILE
    fresh = file.with_name(f"{STATE_FILE}.{os.getpid()}.new")
    try:
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(state.model_dump_json(indent=2, exclude_none=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
