"""A power cut for an embedded cluster."""

from __future__ import annotations

import signal

import psutil

from infra.cluster.state import ClusterState


def kill_9(state: ClusterState) -> None:
    """Broker and registry, at once; returns when both and their guard are gone."""
    assert state.processes is not None
    victims = [psutil.Process(state.processes.broker.pid), psutil.Process(state.processes.registry.pid)]
    guard = psutil.Process(state.processes.guard.pid)
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([*victims, guard], timeout=10)[1] == []
