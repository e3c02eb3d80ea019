"""`bus explain` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.kit.exchange_lab import Lab, row, worker


@pytest.fixture
def environ(cluster: Cluster) -> dict[str, str]:
    return {
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
        "BUS_KEY_FILE": str(cluster.key_file),
    }


def test_a_key_is_explained_in_both_languages_and_as_json_without_what_the_record_holds(
    cluster: Cluster, unique: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    lab = Lab(cluster.settings, unique)
    lab.apply()
    lab.open(1, where="district = 'a'")
    lab.publish([("c", None, row(1, name="张三丰"))])
    with worker(cluster.settings, tmp_path / "log"):
        lab.settled()
    asked = ("explain", "--grant", f"{unique}.g.1", "--key", '{"id": "k1"}')
    [found] = json.loads(bus(*asked, "--json", home=tmp_path, **environ).stdout)
    assert (found["outcome"], found["meaning"], found["offsets"]) == ("emitted", "released", [0])
    by_subscriber = ("explain", "--subscriber", f"{unique}s1", *asked[3:], "--json")
    assert json.loads(bus(*by_subscriber, home=tmp_path, **environ).stdout) == [found]
    shown = bus(*asked, "--lang", "zh", home=tmp_path, **environ)
    assert "已放行" in shown.stdout
    assert "partial keep_first=1" in shown.stdout
    assert f"grant.{unique}.g.1.g1 0:0" in shown.stdout
    assert "张" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    "whose",
    [
        (),
        ("--grant", "a.b", "--subscriber", "s"),
        ("--grant", "a.b", "--resource", "r"),
        ("--subscriber", "nobody-knows"),
        ("--subscriber", "s", "--resource", "nobody-knows"),
    ],
)
def test_it_must_be_said_whose_grants_are_meant(
    whose: tuple[str, ...], tmp_path: Path, environ: dict[str, str]
) -> None:
    done = bus("explain", *whose, "--key", '{"id": "1"}', "--json", home=tmp_path, **environ)
    assert done.returncode == 2
    assert "--grant" in done.stderr or "has no such grant" in done.stderr


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ((), "bus explain"),
        (("--source", "0:1", "--at", "0:1"), "bus explain"),
        (("--source", "0"), "--source"),
        (("--at", "x:1"), "--at"),
        (("--key", "[1]"), "--key"),
        (("--key", "{"), "--key"),
    ],
)
def test_a_question_that_is_none_is_refused(
    given: tuple[str, ...], where: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = bus("explain", "--grant", "a.b", *given, "--json", home=tmp_path, **environ)
    assert done.returncode == 2
    assert where in done.stderr
