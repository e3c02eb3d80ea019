"""What a cluster is doing, as facts."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from infra.cluster.lock import read_lock
from infra.cluster.processes import ProcessId
from infra.cluster.renewal import ends_at
from infra.cluster.secured import FOLDER
from infra.cluster.state import ClusterState, read_state

Phase = Literal["absent", "stopped", "starting", "running", "degraded", "dead"]
"""absent: never started here; degraded: it works without one of its brokers; dead: it does not, for a process that should run
does not. `up` recovers both."""


class ProcessStatus(BaseModel):
    """One process. `rss_bytes` is its resident memory, None if it is dead."""

    model_config = ConfigDict(frozen=True)

    name: str
    """guard, broker (broker-2 and so on where there are several) or registry."""
    pid: int
    alive: bool
    rss_bytes: int | None


class ClusterStatus(BaseModel):
    """A cluster at this moment. Addresses and processes are there only while it runs or should run."""

    model_config = ConfigDict(frozen=True)

    home: Path
    phase: Phase
    kafka_version: str
    registry_version: str
    bootstrap_servers: str | None = None
    registry_url: str | None = None
    owner_pid: int | None = None
    """The process with which the cluster ends, None if it runs until `down`."""
    uptime_s: float | None = None
    disk_bytes: int = 0
    certificates_end: dt.datetime | None = None
    """When the first certificate of a secured cluster ends."""
    processes: tuple[ProcessStatus, ...] = ()


def status(home: Path) -> ClusterStatus:
    """What is known about the cluster of `home` without asking it anything. ConfigError if its state file is not ours."""
    home, lock = home.resolve(), read_lock()
    state = read_state(home)
    known = ClusterStatus(
        home=home,
        phase=_phase(state),
        kafka_version=lock.kafka_version,
        registry_version=lock.registry.version,
        disk_bytes=_disk(home),
        certificates_end=_certificates_end(home) if state is not None and state.secured else None,
    )
    if state is None or state.processes is None:
        return known
    found = state.processes
    return known.model_copy(
        update={
            "bootstrap_servers": state.bootstrap_servers,
            "registry_url": state.registry_url,
            "owner_pid": found.owner.pid if found.owner else None,
            "uptime_s": time.time() - found.started_at if known.phase in ("running", "degraded") else None,
            "processes": tuple(_process(name, process) for name, process in found.named.items()),
        }
    )


def _certificates_end(home: Path) -> dt.datetime | None:
    """None for files that cannot be read, which `doctor` says more of."""
    try:
        return ends_at(home / FOLDER)
    except (OSError, ValueError):
        return None


def _phase(state: ClusterState | None) -> Phase:
    if state is None:
        return "absent"
    if state.processes is None:
        return "stopped"
    if not state.all_alive:
        return "degraded" if state.degraded else "dead"
    return "running" if state.bootstrap_servers else "starting"


def _process(name: str, pid: ProcessId) -> ProcessStatus:
    process = pid.process()
    try:
        rss = process.memory_info().rss if process else None
    except psutil.NoSuchProcess:
        rss = None
    return ProcessStatus(name=name, pid=pid.pid, alive=rss is not None, rss_bytes=rss)


def _disk(home: Path) -> int:
    """Bytes really occupied below `home`: Kafka's index files are mostly holes. Files may vanish while we look."""
    total = 0
    for file in home.rglob("*"):
        try:
            total += file.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
