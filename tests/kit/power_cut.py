"""A power cut for an embedded cluster."""

from __future__ import annotations

import signal

import psutil

from infra.cluster.state import ClusterState


def kill_broker(state: ClusterState, node: int) -> None:
    """One broker of several; returns when it is gone. `up(home, tied=True)` starts it again."""
    assert state.processes is not None
    victim = psutil.Process(state.processes.brokers[node - 1].pid)
    victim.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([victim], timeout=10)[1] == []


def kill_9(state: ClusterState) -> None:
    """Broker and registry, at once; returns when both and their guard are gone."""
    assert state.processes is not None
    victims = [psutil.Process(state.processes.broker.pid), psutil.Process(state.processes.registry.pid)]
    guard = psutil.Process(state.processes.guard.pid)
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([*victims, guard], timeout=10)[1] == []
