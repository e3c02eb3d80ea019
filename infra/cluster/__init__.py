"""The embedded cluster: a real Kafka broker and a real schema registry as child processes, from locked artefacts."""

from infra.cluster.check import Check
from infra.cluster.copies import behind
from infra.cluster.doctor import doctor
from infra.cluster.exposure import is_loopback
from infra.cluster.lifecycle import UNSECURED, UpOptions, down, running, up
from infra.cluster.progress import Plain, Progress, Silent
from infra.cluster.renewal import CertificateFacts, Renewed, renew_certificates
from infra.cluster.renewal import show as show_certificates
from infra.cluster.state import ClusterState, read_state
from infra.cluster.status import ClusterStatus, ProcessStatus, status

__all__ = [
    "UNSECURED",
    "CertificateFacts",
    "Check",
    "ClusterState",
    "ClusterStatus",
    "Plain",
    "ProcessStatus",
    "Progress",
    "Renewed",
    "Silent",
    "UpOptions",
    "behind",
    "doctor",
    "down",
    "is_loopback",
    "read_state",
    "renew_certificates",
    "running",
    "show_certificates",
    "status",
    "up",
]
