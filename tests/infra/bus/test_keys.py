"""`bus keys` as a person runs it, up to where it would rotate (tests/e2e/test_key_rotation.py does)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from infra.control import apply_contract, apply_grant
from schemas.sealed import parse_seal_key
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.infra.control.world import NOW, contract, contract_source, grant, grant_document

KEYED = {"uscc": "pass", "person": "pseudonym"}


@pytest.fixture
def environ(cluster: Cluster) -> dict[str, str]:
    return {
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
        "BUS_KEY_FILE": str(cluster.key_file),
    }


@pytest.fixture
def keyed(cluster: Cluster, unique: str) -> str:
    """An active grant with a pseudonym."""
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    return apply_grant(cluster.settings, grant(unique, fields=KEYED), now_ms=NOW).grant


def test_the_versions_are_listed_with_the_grants_that_use_them(
    keyed: str, cluster: Cluster, tmp_path: Path, environ: dict[str, str]
) -> None:
    [version] = json.loads(bus("keys", "--json", home=tmp_path, **environ).stdout)
    assert keyed in version.pop("grants")
    assert re.fullmatch("[0-9a-f]{16}", version.pop("fingerprint"))
    assert version == {
        "version": 1,
        "suite": "sha256",
        "current": True,
        "held": True,
        "announced": True,
        "until": None,
        "over": False,
    }
    shown = bus("keys", "--lang", "zh", home=tmp_path, **environ).stdout.splitlines()
    assert shown[0].split("\t") == ["版本", "算法", "指纹", "现行", "截止日", "已公告", "生效授权数"]
    assert shown[1].split("\t")[3:6] == ["是", "", "是"]
    assert cluster.key_file.read_text() not in "".join(shown)


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        (("rotate", "--window", "30"), "--yes"),
        (("rotate", "--window", "-1", "--yes"), "--window"),
        (("rotate", "--window", "30", "--suite", "md5", "--yes"), "sha256"),
        (("rotate", "--yes"), "--window"),
    ],
)
def test_a_rotation_that_was_not_meant_changes_nothing(
    keyed: str, cluster: Cluster, tmp_path: Path, environ: dict[str, str], verb: tuple[str, ...], reason: str
) -> None:
    before = cluster.key_file.read_bytes()
    done = bus("keys", *verb, home=tmp_path, **environ)
    assert (done.returncode, reason in done.stderr) == (2, True), done.stderr
    assert cluster.key_file.read_bytes() == before


def test_keys_of_a_command_work_and_are_rotated_where_they_are_kept(
    keyed: str, cluster: Cluster, tmp_path: Path, environ: dict[str, str]
) -> None:
    del environ["BUS_KEY_FILE"]
    environ["BUS_KEY_COMMAND"] = f"cat '{cluster.key_file}'"
    [version] = json.loads(bus("keys", "--json", home=tmp_path, **environ).stdout)
    assert version["held"] and keyed in version["grants"]
    refused = bus("keys", "rotate", "--window", "30", "--yes", home=tmp_path, **environ)
    assert (refused.returncode, "key store" in refused.stderr) == (2, True)
    failing = bus("keys", home=tmp_path, **environ | {"BUS_KEY_COMMAND": "sh -c 'echo no token >&2; exit 3'"})
    assert (failing.returncode, "It says: no token" in failing.stderr) == (75, True)


def test_the_sealing_key_is_handed_out_only_for_an_active_grant_and_only_when_confirmed(
    keyed: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    assert bus("keys", "share", "--grant", keyed, home=tmp_path, **environ).returncode == 2
    first = bus("keys", "share", "--grant", keyed, "--yes", home=tmp_path, **environ)
    assert parse_seal_key(first.stdout).version == 1
    as_json = json.loads(bus("keys", "share", "--grant", keyed, "--yes", "--json", home=tmp_path, **environ).stdout)
    assert as_json == {"grant": keyed, "suite": "sha256", "key": first.stdout.strip()}
    absent = bus("keys", "share", "--grant", "no.such", "--yes", home=tmp_path, **environ)
    assert (absent.returncode, "no active grant" in absent.stderr) == (2, True)


def test_another_key_than_the_announced_one_is_refused_by_every_command_that_uses_it(
    keyed: str, cluster: Cluster, tmp_path: Path, environ: dict[str, str]
) -> None:
    other = tmp_path / "other.key"
    other.write_text("ef" * 32)
    other.chmod(0o600)
    environ["BUS_KEY_FILE"] = str(other)
    home = tmp_path / "home"
    grants = tmp_path / "g.yaml"
    grants.write_text(yaml.safe_dump(grant_document(keyed.split(".")[0], fields=KEYED)))
    verbs = [("keys",), ("keys", "share", "--grant", keyed, "--yes"), ("apply", grants), ("apply", grants, "--dry-run")]
    for verb in (*verbs, ("keys", "rotate", "--window", "1", "--yes"), ("exchange",)):
        done = bus(*verb, home=home, **environ)
        assert done.returncode == 2, verb
        assert f"error: {other}: version 1 of the master key here is another secret" in done.stderr
    assert other.read_text() == "ef" * 32


def test_a_dry_run_makes_no_key(cluster: Cluster, tmp_path: Path, unique: str, environ: dict[str, str]) -> None:
    del environ["BUS_KEY_FILE"]
    (tmp_path / "r.avsc").write_text(json.dumps(contract_source(f"{unique}.r")))
    (tmp_path / "g.yaml").write_text(yaml.safe_dump(grant_document(unique, fields=KEYED)))
    config = tmp_path / "config"
    done = bus("apply", tmp_path, "--dry-run", home=tmp_path / "home", XDG_CONFIG_HOME=str(config), **environ)
    assert done.returncode == 0, done.stderr
    assert not config.exists()


def test_the_first_apply_of_a_grant_makes_a_key_and_says_so(
    tmp_path: Path, unique: str, environ: dict[str, str]
) -> None:
    """It is refused all the same: this cluster's log knows another one."""
    del environ["BUS_KEY_FILE"]
    (tmp_path / "r.avsc").write_text(json.dumps(contract_source(f"{unique}.r")))
    (tmp_path / "g.yaml").write_text(yaml.safe_dump(grant_document(unique)))
    config = tmp_path / "config"
    done = bus("apply", tmp_path, home=tmp_path / "home", XDG_CONFIG_HOME=str(config), **environ)
    assert "made a new master key in" in done.stderr
    assert [p.name for p in (config / "exchange-bus").iterdir()] == ["master.key"]
