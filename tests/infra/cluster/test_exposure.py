"""What others could get at is found, whoever opened it."""

from __future__ import annotations

import datetime as dt
import os
import socket
from pathlib import Path

import pytest

from infra.cluster.exposure import beyond_loopback, exposure, is_loopback, open_to_others
from infra.cluster.ports import Ports
from infra.cluster.state import ClusterState
from infra.security.certificates import certificates

NOW = dt.datetime.now(dt.UTC)
SECURED = ClusterState(ports=Ports(broker=1, controller=2, registry=3, internal=4))


def levels(home: Path, state: ClusterState, now: dt.datetime = NOW) -> dict[str, str]:
    return {check.name: check.level for check in exposure(home, state, now)}


def test_a_listener_that_other_machines_reach_is_named_and_one_on_loopback_is_not() -> None:
    with socket.create_server(("0.0.0.0", 0)) as wide, socket.create_server(("127.0.0.1", 0)) as narrow:
        found = beyond_loopback([os.getpid()])
        assert f"0.0.0.0:{wide.getsockname()[1]}" in found
        assert not [a for a in found if a.endswith(f":{narrow.getsockname()[1]}")]


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.1.2.3", False), ("bus.example", False)],
)  # fmt: skip
def test_loopback_is_what_only_this_machine_reaches(host: str, only_here: bool) -> None:
    assert is_loopback(host) == only_here


def test_secrets_and_folders_that_others_may_enter_are_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    own = certificates(tmp_path / "security")
    assert levels(tmp_path, SECURED) == {"protection": "ok", "files": "ok", "certificates": "ok"}
    own.broker.chmod(0o604)
    (tmp_path / "security").chmod(0o750)
    assert set(open_to_others(tmp_path)) == {own.broker, tmp_path / "security"}
    assert levels(tmp_path, SECURED)["files"] == "fail"


def test_certificates_that_end_soon_have_ended_or_are_gone_are_told_apart(tmp_path: Path) -> None:
    own = certificates(tmp_path / "security")
    for days, level in ((10, "ok"), (665, "ok"), (675, "warn"), (731, "fail")):
        assert levels(tmp_path, SECURED, NOW + dt.timedelta(days=days))["certificates"] == level
    own.broker.write_text("no certificate")
    assert levels(tmp_path, SECURED)["certificates"] == "fail"


def test_an_unsecured_cluster_is_said_to_be_one(tmp_path: Path) -> None:
    plain = ClusterState(ports=Ports(broker=1, controller=2, registry=3))
    assert levels(tmp_path, plain)["protection"] == "warn"
