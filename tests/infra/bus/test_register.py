"""bus directory and bus catalogue as a person runs them, on a real cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Cluster
from tests.infra.bus.command import bus


@pytest.fixture
def environ(cluster: Cluster) -> dict[str, str]:
    return {
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
        "BUS_KEY_FILE": str(cluster.key_file),
    }


@pytest.fixture
def city(tmp_path: Path, unique: str) -> Path:
    facts = {"class": "base", "domain": "法人", "sharing": "unconditional", "update": "daily"}
    documents: list[dict[str, Any]] = [
        {"kind": "Department", "id": unique, "title": f"市监局{unique}", "certified": ["综合治税"]},
        {"kind": "System", "id": f"{unique}.s", "title": "登记系统", "department": unique},
    ]
    documents += [
        {
            "kind": "CatalogueEntry",
            "id": f"{unique}.r{n}",
            "code": f"00{n}",
            "title": f"企业登记{n}",
            "provider": unique,
        }
        | facts
        for n in range(30)
    ]
    path = tmp_path / "city.yaml"
    path.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    return path


def test_a_catalogue_is_applied_searched_shown_reported_and_withdrawn(
    city: Path, tmp_path: Path, unique: str, environ: dict[str, str]
) -> None:
    def run(*words: object) -> Any:
        done = bus(*words, "--json", home=tmp_path, **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    planned = bus("apply", city, "--dry-run", "--lang", "zh", home=tmp_path, **environ)
    assert "目录条目\t\t共 30 项" in planned.stdout
    assert {a["action"] for a in run("apply", city)} == {"created"}
    assert {a["action"] for a in run("apply", city)} == {"unchanged"}
    found = run("catalogue", "search", "企业", "登记7", "--provider", unique, "--catalogued")
    assert (found["total"], found["hits"][0]["id"]) == (1, f"{unique}.r7")
    assert run("catalogue", "show", f"{unique}.r7")["class"] == "base"
    counted = {d["department"]: d["catalogued"] for d in run("catalogue", "coverage")["departments"]}
    assert counted[unique] == 30
    assert [d["certified"] for d in run("directory", "departments", "--find", unique)] == [["综合治税"]]
    assert [s["id"] for s in run("directory", "systems", "--department", unique)] == [f"{unique}.s"]
    refused = bus("directory", "withdraw", "department", unique, "--yes", home=tmp_path, **environ)
    assert (refused.returncode, "no department" in refused.stderr) == (2, True)
    assert run("catalogue", "withdraw", f"{unique}.r7", "--yes")["action"] == "withdrawn"
    gone = bus("catalogue", "show", f"{unique}.r7", "--lang", "zh", home=tmp_path, **environ)
    assert (gone.returncode, "目录中没有" in gone.stderr) == (2, True)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_table_that_was_exported_changes_nothing_when_imported(
    city: Path, tmp_path: Path, unique: str, environ: dict[str, str], ending: str
) -> None:
    assert bus("apply", city, home=tmp_path, **environ).returncode == 0
    table = tmp_path / f"all.{ending}"
    exported = bus("catalogue", "export", table, "--lang", "zh", home=tmp_path, **environ)
    assert exported.returncode == 0, exported.stderr
    again = bus("catalogue", "export", table, home=tmp_path, **environ)
    assert (again.returncode, "--yes" in again.stderr) == (2, True)
    done = bus("catalogue", "import", table, "--json", home=tmp_path, **environ)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert {f["action"] for f in facts if f["id"].startswith(unique)} == {"unchanged"}
    assert sum(f["id"].startswith(unique) for f in facts) == 30
    assert not list(tmp_path.glob(".*.draft"))


def test_without_a_cluster_a_wrong_table_and_a_wrong_kind_are_told_at_once(tmp_path: Path) -> None:
    for words in (("catalogue", "import", tmp_path / "t.pdf"), ("directory", "withdraw", "Grant", "x", "--yes")):
        assert bus(*words, home=tmp_path).returncode == 2
