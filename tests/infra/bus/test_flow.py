"""apply, grants, revoke, reap and exchange as a person runs them, on a real cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from infra.control import state
from infra.control.workers import Place, observe
from infra.runtime.kafka import admin
from schemas.ids import source_topic
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.infra.control.world import contract_source, grant_document, wait_for


@pytest.fixture
def environ(cluster: Cluster) -> dict[str, str]:
    return {
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
        "BUS_KEY_FILE": str(cluster.key_file),
    }


@pytest.fixture
def documents(tmp_path: Path, unique: str) -> Path:
    folder = tmp_path / "city"
    folder.mkdir()
    (folder / "r.avsc").write_text(json.dumps(contract_source(f"{unique}.r")), encoding="utf-8")
    (folder / "g.yaml").write_text(yaml.safe_dump(grant_document(unique)), encoding="utf-8")
    return folder


@contextmanager
def exchange(home: Path, environ: dict[str, str], instance: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "infra.bus", "exchange", "--instance", instance]
    with (home / "exchange.log").open("wb") as log:
        parent = subprocess.Popen(command, env=os.environ | {"BUS_HOME": str(home)} | environ, stdout=log, stderr=log)
        try:
            yield parent
        finally:
            parent.terminate()
            parent.wait(30)


def test_a_grant_lives_and_ends_by_command(
    documents: Path, tmp_path: Path, unique: str, environ: dict[str, str]
) -> None:
    applied = bus("apply", "-f", documents, "--json", home=tmp_path, **environ)
    assert applied.returncode == 0, applied.stderr
    assert [a["action"] for a in json.loads(applied.stdout)] == ["created", "created"]
    listed = json.loads(bus("grants", "--json", home=tmp_path, **environ).stdout)
    assert [g["state"] for g in listed if g["grant"] == f"{unique}.grant"] == ["active"]
    refused = bus("revoke", f"{unique}.grant", home=tmp_path, **environ)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    fence = json.loads(bus("revoke", f"{unique}.grant", "--yes", "--json", home=tmp_path, **environ).stdout)
    assert fence["offsets"] == {"0": 0}
    again = bus("apply", documents, "--lang", "zh", home=tmp_path, **environ)
    assert again.returncode == 2
    assert "version: 2" in again.stderr


def test_publishing_with_json_writes_json_and_nothing_else_on_either_stream(
    documents: Path, tmp_path: Path, unique: str, environ: dict[str, str]
) -> None:
    assert bus("apply", documents, home=tmp_path, **environ).returncode == 0
    columns = {"uscc": {"column": "code"}, "name": {"column": "name"}}
    mapping = {"kind": "FileMapping", "adapter": f"{unique}.a", "resource": f"{unique}.r", "mode": "full"}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(mapping | {"encoding": "auto", "columns": columns}))
    (tmp_path / "d.csv").write_text("code,name\nA,x\nB,y\n")
    done = bus("publish", tmp_path / "d.csv", "--mapping", tmp_path / "m.yaml", "--json", home=tmp_path, **environ)
    assert json.loads(done.stdout)["published"] == {"c": 2}
    metrics, unsecured = map(json.loads, done.stderr.splitlines())
    assert metrics["note"].startswith("Metrics: http://127.0.0.1:")
    assert "without encryption" in unsecured["warning"]


def test_the_exchange_answers_a_revocation_and_is_restarted_when_it_dies(
    documents: Path, tmp_path: Path, unique: str, environ: dict[str, str], cluster: Cluster
) -> None:
    assert bus("apply", documents, home=tmp_path, **environ).returncode == 0
    client, place = admin(cluster.settings), Place(source_topic(f"{unique}.r"), 0)

    def announced_by(name: str) -> bool:
        return observe(client, [place])[place].transaction == name

    with exchange(tmp_path, environ, f"{unique}.x"):
        wait_for(lambda: announced_by(f"bus.exchange.{unique}.x"), 30)
        epoch = observe(client, [place])[place].epoch
        [worker] = [p for p in _children(tmp_path) if "--worker" in p[1]]
        os.kill(worker[0], signal.SIGKILL)
        wait_for(lambda: "SIGKILL" in (tmp_path / "exchange.log").read_text(), 10)
        fence = json.loads(bus("revoke", f"{unique}.grant", "--yes", "--json", home=tmp_path, **environ).stdout)
        assert state(cluster.settings).grants[f"{unique}.grant"].fence == {0: 0}
        assert fence["epoch"] > epoch
    log = (tmp_path / "exchange.log").read_text()
    assert "without encryption" in log
    assert not [p for p in _children(tmp_path) if "--worker" in p[1]]


def _children(home: Path) -> list[tuple[int, list[str]]]:
    import psutil

    return [
        (p.pid, p.cmdline())
        for p in psutil.Process().children(recursive=True)
        if p.status() != psutil.STATUS_ZOMBIE and p.environ().get("BUS_HOME") == str(home)
    ]
