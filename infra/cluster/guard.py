"""The guard: a small process that is the parent of broker and registry, so that nothing outlives what should end it.

`python -m infra.cluster.guard` reads one JSON `Launch` on standard input, starts both, writes `cluster.json` and waits:

    SIGTERM                 it stops both, marks the folder as stopped and ends           (`down`)
    its owner dies          the same, even if the owner was killed with -9                (foreground, demo, tests)
    the guard dies          Linux kills both at once (parent-death signal)
    one of the two dies     it stays and says nothing; `status` says dead, `up` starts again
    both are dead           it ends

While `up` works, the guard is owned by it, so an interrupted start leaves nothing running. A cluster that shall run on
its own is let go by writing `cluster.json` without an owner, as the last act of `up`: one atomic rename decides.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pydantic import BaseModel

from infra.cluster.jvm import environment
from infra.cluster.ports import Ports
from infra.cluster.processes import ProcessId, die_with, stop
from infra.cluster.state import ClusterState, Processes, read_state, write_state

_LOOK_EVERY_S = 0.2
STOP_S = 20.0
"""Seconds broker and registry get to end in order."""


class Launch(BaseModel):
    """What the guard is told: the folder, whose it is for now, the ports, and two command lines."""

    home: Path
    owner: ProcessId
    ports: Ports
    broker: list[str]
    registry: list[str]


def main() -> int:
    """Guard one cluster until it ends."""
    launch = Launch.model_validate_json(sys.stdin.buffer.read())
    _leave()
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    with _children(launch) as (broker, registry):
        _write_started(launch, broker.pid, registry.pid)
        owner = launch.owner.process()
        owned = True
        while not asked.wait(_LOOK_EVERY_S):
            if broker.poll() is not None and registry.poll() is not None:
                return 0
            if owned and not _lives(owner):
                owned = _still_owned(launch.home)
                if owned:
                    break
    write_state(launch.home, ClusterState(ports=launch.ports))
    return 0


@contextmanager
def _children(launch: Launch) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Both started; at the end, however it comes, both stopped."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command, name in ((launch.broker, "broker"), (launch.registry, "registry")):
            started.append(_start(command, launch.home / name))
        yield started[0], started[1]
    finally:
        stop([ProcessId.of(child.pid) for child in started if child.poll() is None], STOP_S)


def _write_started(launch: Launch, broker: int, registry: int) -> None:
    processes = Processes(
        guard=ProcessId.of(os.getpid()),
        broker=ProcessId.of(broker),
        registry=ProcessId.of(registry),
        owner=launch.owner,
        started_at=time.time(),
    )
    write_state(launch.home, ClusterState(ports=launch.ports, processes=processes))


def _leave() -> None:
    """Go on as an orphan, so that nobody has to reap the guard; its identity is the one thing printed."""
    if child := os.fork():
        sys.stdout.write(ProcessId.of(child).model_dump_json())
        sys.stdout.flush()
        os._exit(0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the starter waits until nobody holds its pipe


def _lives(owner: psutil.Process | None) -> bool:
    try:
        return owner is not None and owner.is_running() and owner.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _still_owned(home: Path) -> bool:
    """Whether the dead owner had not let the cluster go. A folder whose state is gone belongs to nobody."""
    state = read_state(home)
    found = state.processes if state else None
    return found is None or found.guard.pid != os.getpid() or found.owner is not None


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """A child that dies with this process; what it prints before its own log works lands in `out.log`."""
    with (folder / "out.log").open("wb") as out:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            preexec_fn=die_with(os.getpid(), signal.SIGKILL),  # noqa: PLW1509 - the guard has one thread
        )


if __name__ == "__main__":
    sys.exit(main())
