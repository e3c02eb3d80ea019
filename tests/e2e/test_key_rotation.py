"""Keys are rotated under a running exchange: old and new tokens join in the window, and nothing is made with a wrong key.

On clusters of their own, because a control log remembers every key that was ever announced in it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cluster import running
from infra.control import apply_contract, state
from infra.runtime.key_file import read_ring
from infra.runtime.settings import Settings
from schemas.clock import shanghai_date
from schemas.key_ring import KeyRing
from schemas.key_ring_file import ring_text
from schemas.sealed import parse_seal_key
from tests.conftest import own_key
from tests.infra.bus.command import bus
from tests.kit.exchange_lab import Event, Lab, row, within, worker

ROWS = 2_000
KEYED = {"id": "pass", "id_no": {"mask": "pseudonym", "previous": True}}
ID_NO = {"name": "id_no", "type": "string", "personal": "personal"}


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("own")
    with running(home) as found:
        yield Lab(
            Settings(
                home=home,
                bootstrap_servers=found.bootstrap_servers,
                registry_url=found.registry_url,
                key_file=own_key(tmp_path_factory.mktemp("custodian")),
            ),
            "keys",
        )


def person(i: int) -> dict[str, Any]:
    return row(i) | {"id_no": f"5201021990{i:08d}"}


def created(first: int, count: int) -> list[Event]:
    return [("c", None, person(i)) for i in range(first, first + count)]


def environ(settings: Settings) -> dict[str, str]:
    return {
        "BUS_BOOTSTRAP_SERVERS": settings.bootstrap_servers or "",
        "BUS_REGISTRY_URL": settings.registry_url or "",
        "BUS_KEY_FILE": str(settings.key_file),
    }


def said(lab: Lab, *arguments: object, code: int = 0) -> tuple[Any, str]:
    """What a command printed as JSON, and what it said besides."""
    done = bus(*arguments, "--json", home=lab.settings.home, **environ(lab.settings))
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else None, done.stderr


def write_grants(folder: Path, lab: Lab, fields: dict[int, dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    for n, granted in fields.items():
        document = lab.grant(n, fields=granted).model_dump(mode="json", by_alias=True)
        document["fields"] = granted
        (folder / f"{n}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder


def by_id(lab: Lab, n: int, generation: int) -> dict[str, dict[str, Any]]:
    events = [event for _, event in lab.released(n, generation) if event is not None]
    found = {e["after"]["id"]: e["after"] for e in events}
    assert len(found) == len(events), "no row came twice"
    return found


def saw_epoch(log: Path, epoch: int) -> bool:
    return any(f'"epoch": {epoch}' in line for line in log.read_text().splitlines() if '"policy"' in line)


def test_tokens_join_across_a_rotation_within_its_window_and_not_after_it(lab: Lab, tmp_path: Path) -> None:
    lab.apply(ID_NO)
    documents = write_grants(tmp_path / "grants", lab, {1: KEYED, 2: {"id": "pass", "amount": "pass"}, 3: KEYED})
    log = tmp_path / "worker.log"
    with worker(lab.settings, log):
        said(lab, "apply", "-f", documents)
        lab.publish(created(0, ROWS))
        lab.settled()

        rotated, _ = said(lab, "keys", "rotate", "--suite", "sm3", "--window", 30, "--yes")
        assert (rotated["version"], rotated["suite"], rotated["former"]) == (2, "sm3", 1)
        assert rotated["again"] == ["keys.g.1", "keys.g.3"]
        listed, _ = said(lab, "keys")
        assert [(k["version"], k["suite"], k["current"], k["announced"], len(k["grants"])) for k in listed] == [
            (1, "sha256", False, True, 2),
            (2, "sm3", True, True, 0),
        ]
        (documents / "3.yaml").unlink()
        applied, _ = said(lab, "apply", "-f", documents)
        assert [(a["id"], a["action"], a["fact"]["generation"], a["fact"]["reason"]) for a in applied] == [
            ("keys.g.1", "changed", 2, "the keys were rotated"),
            ("keys.g.2", "unchanged", 1, None),
        ]
        within(30, lambda: len(lab.messages("grant.keys.g.1.g2")) >= ROWS)
        lab.publish(created(ROWS, 10))
        lab.settled()
        old, new = by_id(lab, 1, 1), by_id(lab, 1, 2)
        assert len(old) == ROWS and len(new) == ROWS + 10
        assert {i: r["id_no"] for i, r in old.items()} == {i: r["_previous_id_no"] for i, r in new.items() if i in old}
        assert all(r["id_no"].startswith("2-") and r["_previous_id_no"].startswith("1-") for r in new.values())
        assert len(by_id(lab, 3, 1)) == ROWS + 10, "a grant not yet applied again goes on within the window"

        end_window(lab.settings.key_file)
        _, warned = said(lab, "apply", "-f", documents)
        assert "keys.g.3 is under version 1" in warned
        epoch = state(lab.settings).epoch
        within(10, lambda: saw_epoch(log, epoch))
        lab.publish(created(ROWS + 10, 10))
        lab.settled()
        late = [r for i, r in by_id(lab, 1, 2).items() if i not in new]
        assert len(late) == 10
        assert all(r["id_no"].startswith("2-") and r["_previous_id_no"] is None for r in late)
        assert len(by_id(lab, 2, 1)) == ROWS + 20, "what needs no keys is not concerned"
        assert len(by_id(lab, 3, 1)) == ROWS + 10, "nothing is released under the retired key"
        listed, warned = said(lab, "keys")
        assert [(k["version"], k["over"], k["grants"]) for k in listed] == [
            (1, True, ["keys.g.3"]),
            (2, False, ["keys.g.1"]),
        ]

    shared, _ = said(lab, "keys", "share", "--grant", "keys.g.1", "--yes")
    assert parse_seal_key(shared["key"]).version == 2
    secrets = [s.secret.hex() for s in read_ring(lab.settings.key_file).secrets.values()]
    assert not any(secret in log.read_text() for secret in secrets)


def end_window(path: Path) -> None:
    """As a custodian does who shortens a window: the former version ended yesterday."""
    ring = read_ring(path)
    yesterday = shanghai_date(int(time.time() * 1000)) - dt.timedelta(days=1)
    shorter = KeyRing({**ring.secrets, 1: replace(ring.secrets[1], until=yesterday)}, ring.current)
    path.write_text(ring_text(shorter))


def test_an_exchange_with_another_secret_ends_when_the_right_one_is_announced_and_never_starts_again(
    lab: Lab, tmp_path: Path
) -> None:
    apply_contract(lab.settings, lab.contract(ID_NO))
    lab.apply(ID_NO)
    other = tmp_path / "other.key"
    other.write_text("cd" * 32)
    other.chmod(0o600)
    wrong = environ(lab.settings) | {"BUS_KEY_FILE": str(other), "BUS_HOME": str(lab.settings.home)}
    log, documents = tmp_path / "exchange.log", write_grants(tmp_path / "grants", lab, {1: KEYED})
    command = [sys.executable, "-m", "infra.bus", "--json", "exchange", "--instance", "keys-x"]
    with log.open("wb") as out:
        parent = subprocess.Popen(command, env=os.environ | wrong, stdout=out, stderr=out)
        try:
            lab.publish(created(0, 100))
            lab.settled(60)
            said(lab, "apply", "-f", documents)
            assert parent.wait(30) == 2, log.read_text()
        finally:
            if parent.poll() is None:
                parent.terminate()
                parent.wait(30)
    assert log.read_text().count("is another secret") == 1
    assert lab.messages("grant.keys.g.1.g1") == []
    again = bus("exchange", home=lab.settings.home, **wrong)
    assert again.returncode == 2
    assert f"error: {other}: version 1 of the master key here is another secret" in again.stderr
    refused = bus("apply", "-f", documents, home=lab.settings.home, **wrong)
    assert (refused.returncode, "is another secret" in refused.stderr) == (2, True)
    with worker(lab.settings, tmp_path / "right.log"):
        within(30, lambda: len(lab.messages("grant.keys.g.1.g1")) == 100)
