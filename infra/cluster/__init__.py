"""The embedded cluster: a real Kafka broker and a real schema registry as child processes, from locked artefacts."""

from infra.cluster.lifecycle import UNSECURED, down, running, up
from infra.cluster.progress import Plain, Progress, Silent
from infra.cluster.state import ClusterState, read_state

__all__ = ["UNSECURED", "ClusterState", "Plain", "Progress", "Silent", "down", "read_state", "running", "up"]
