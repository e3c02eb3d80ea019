"""Rules, signatures and suspended grants through the control log of a real cluster."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import pytest
import yaml

from infra.control import RuleApplied, apply_contract, apply_files, apply_grant, list_grants, state
from schemas.contract import parse_contract
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.infra.control.test_signatures import pair
from tests.infra.control.world import NOW, contract, contract_source, grant, grant_document


def write(folder: Path, name: str, document: Any) -> Path:
    path = folder / name
    text = json.dumps(document) if name.endswith("avsc") else yaml.safe_dump(document, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def rule(unique: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "CombinationRule",
        "id": f"{unique}.rule",
        "subject": f"{unique}.firm",
        "fields": ["uscc", "name"],
        "title": {"zh": "组合", "en": "combination"},
        "basis": "test",
        **changes,
    }


def test_a_rule_holds_from_its_file_until_its_file_says_it_is_withdrawn(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    write(tmp_path, "a.avsc", contract_source(f"{unique}.r", subject=f"{unique}.firm"))
    path = write(tmp_path, "rule.yaml", rule(unique))
    assert [(a.kind, a.action) for a in apply_files(cluster.settings, [tmp_path], dry_run=True, now_ms=NOW)] == [
        ("contract", "created"),
        ("rule", "created"),
    ]
    assert f"{unique}.rule" not in state(cluster.settings).rules
    told = apply_files(cluster.settings, [tmp_path], now_ms=NOW)[-1].fact
    assert isinstance(told, RuleApplied)
    assert told.epoch == state(cluster.settings).epoch
    for dry_run in (True, False):
        with pytest.raises(ConfigError, match=f"{unique}.rule"):
            apply_files(
                cluster.settings, [write(tmp_path, "g.yaml", grant_document(unique))], dry_run=dry_run, now_ms=NOW
            )
    write(tmp_path, "rule.yaml", rule(unique, withdrawn=True))
    apply_files(cluster.settings, [path, tmp_path / "g.yaml"], now_ms=NOW)
    assert f"{unique}.rule" not in state(cluster.settings).rules
    assert f"{unique}.grant" in state(cluster.settings).grants


def test_a_grant_the_contract_no_longer_carries_is_listed_as_withheld_with_the_reason(
    cluster: Cluster, unique: str
) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    source = contract_source(f"{unique}.r")
    stricter = [{**f, "masks": ["drop"]} if f["name"] == "name" else f for f in source["fields"]]

    def listed() -> Any:
        return next(g for g in list_grants(cluster.settings, now_ms=NOW) if g.grant == f"{unique}.grant")

    assert (listed().state, listed().withheld) == ("active", None)
    apply_contract(cluster.settings, parse_contract({**source, "fields": stricter}))
    assert listed().state == "withheld"
    assert "does not permit 'pass'" in listed().withheld.en
    assert "不允许" in listed().withheld.zh
    apply_grant(cluster.settings, grant(unique, fields={"uscc": "pass"}), now_ms=NOW)
    assert (listed().state, listed().generation) == ("active", 2)


def bus(cluster: Cluster, *arguments: object, **variables: object) -> CompletedProcess[str]:
    environment = os.environ | {
        "BUS_HOME": str(cluster.home),
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
        **{name: str(value) for name, value in variables.items()},
    }
    command = [sys.executable, "-m", "infra.bus", *map(str, arguments)]
    return run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_a_provider_signs_what_its_contract_protects_less_and_the_log_keeps_it(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    weaker = write(tmp_path, "w.avsc", contract_source(f"{unique}.r", sharing="unconditional"))
    keys = tmp_path / "keys"
    private = pair(keys, "scjg")

    unsigned = bus(cluster, "apply", weaker, "--dry-run", BUS_SIGNERS=keys)
    assert unsigned.returncode == 2
    assert "sharing: conditional -> unconditional" in unsigned.stderr
    assert "bus sign" in unsigned.stderr

    signed = bus(cluster, "sign", "--key", private, weaker, "--yes", "--json")
    assert signed.returncode == 0, signed.stderr
    assert json.loads(signed.stdout)["weakened"] == ["sharing: conditional -> unconditional"]

    assert bus(cluster, "apply", weaker).returncode == 2
    accepted = bus(cluster, "--lang", "zh", "apply", weaker, BUS_SIGNERS=keys)
    assert accepted.returncode == 0, accepted.stderr
    assert "scjg 已签名" in accepted.stdout
    assert "保护放宽" in accepted.stderr
    assert state(cluster.settings).contracts[f"{unique}.r"].contract.resource.sharing == "unconditional"

    needless = bus(cluster, "sign", "--key", private, weaker, "--yes")
    assert (needless.returncode, needless.stdout) == (0, "")
    assert "no signature is needed" in needless.stderr
