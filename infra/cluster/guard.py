"""The guard: a small process that is the parent of brokers and registry, so that nothing outlives what should end it.

`python -m infra.cluster.guard` reads one JSON `Launch` on standard input, starts them, writes `cluster.json` and waits:

    SIGTERM                 it stops them, marks the folder as stopped and ends           (`down`)
    SIGUSR1                 it starts again what is dead and writes `cluster.json` anew   (`up`, of several brokers)
    its owner dies          as SIGTERM, even if the owner was killed with -9              (foreground, demo, tests)
    the guard dies          Linux kills them at once (parent-death signal)
    one of them dies        it stays and says nothing; `status` tells, `up` starts again
    all are dead            it ends

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
from typing import Any

import psutil
from pydantic import BaseModel

from infra.cluster.jvm import environment
from infra.cluster.ports import Ports
from infra.cluster.processes import ProcessId, die_with, stop
from infra.cluster.state import ClusterState, Processes, broker_name, read_state, write_state

_LOOK_EVERY_S = 0.2
STOP_S = 20.0
"""Seconds broker and registry get to end in order."""


class Launch(BaseModel):
    """What the guard is told: the folder, whose it is for now, the ports, and a command line for each process."""

    home: Path
    owner: ProcessId
    ports: Ports
    brokers: list[list[str]]
    registry: list[str]

    @property
    def commands(self) -> dict[str, list[str]]:
        """By name, which is the folder too; the brokers first, in the order of their numbers."""
        return {broker_name(n): command for n, command in enumerate(self.brokers, 1)} | {"registry": self.registry}


def main() -> int:
    """Guard one cluster until it ends."""
    launch = Launch.model_validate_json(sys.stdin.buffer.read())
    _leave()
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    again = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: again.set())
    with _children(launch) as children:
        _write_started(launch, children)
        owner = launch.owner.process()
        owned = True
        while not asked.wait(_LOOK_EVERY_S):
            if again.is_set():
                again.clear()
                _start_again(launch, children)
            codes = [
                child.poll() for child in children.values()
            ]  # of all of them: who is not asked after stays a zombie
            if None not in codes:
                return 0
            if owned and not _lives(owner):
                owned = _still_owned(launch.home)
                if owned:
                    break
    write_state(launch.home, ClusterState(ports=launch.ports))
    return 0


Children = dict[str, subprocess.Popen[bytes]]


@contextmanager
def _children(launch: Launch) -> Iterator[Children]:
    """All started; at the end, however it comes, all stopped."""
    started: Children = {}
    try:
        for name, command in launch.commands.items():
            started[name] = _start(command, launch.home / name)
        yield started
    finally:
        stop([ProcessId.of(child.pid) for child in started.values() if child.poll() is None], STOP_S)


def _start_again(launch: Launch, children: Children) -> None:
    """Start what is dead. Whose cluster it is and where it is found stay as they are."""
    for name, command in launch.commands.items():
        if children[name].poll() is not None:
            children[name] = _start(command, launch.home / name)
    state = read_state(launch.home)
    if state is not None and state.processes is not None:
        now = state.processes.model_copy(update=_ids(children))
        write_state(launch.home, state.model_copy(update={"processes": now}))


def _write_started(launch: Launch, children: Children) -> None:
    processes = Processes(guard=ProcessId.of(os.getpid()), owner=launch.owner, started_at=time.time(), **_ids(children))
    write_state(launch.home, ClusterState(ports=launch.ports, processes=processes))


def _ids(children: Children) -> dict[str, Any]:
    """As `Processes` names them. A process that has ended already keeps its number until it is waited for."""
    brokers = [ProcessId.of(child.pid) for name, child in children.items() if name != "registry"]
    return {
        "broker": brokers[0],
        "others": tuple(brokers[1:]),
        "registry": ProcessId.of(children["registry"].pid),
    }


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
