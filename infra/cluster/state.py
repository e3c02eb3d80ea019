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
    """The three processes of a started cluster. `owner` is whose death ends it, None if it runs on its own."""

    model_config = ConfigDict(frozen=True)

    guard: ProcessId
    broker: ProcessId
    registry: ProcessId
    owner: ProcessId | None = None
    started_at: float


class ClusterState(BaseModel):
    """What the folder knows. `processes` is None when stopped; the addresses are None unless it is ready for use."""

    model_config = ConfigDict(frozen=True)

    ports: Ports
    processes: Processes | None = None
    bootstrap_servers: str | None = None
    registry_url: str | None = None

    @property
    def all_alive(self) -> bool:
        """Whether guard, broker and registry run."""
        found = self.processes
        return found is not None and all(p.alive for p in (found.guard, found.broker, found.registry))

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
    """The broker's address."""
    return f"{ports.inside}:{ports.broker}"


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
