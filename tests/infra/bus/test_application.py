"""`bus application` and `bus identity` as people use them: each with a key of their own, on a real cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.control import apply_contract, state
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.infra.control.applications.office import application_document
from tests.infra.control.world import contract

PEOPLE = (("shuiwu", "clerk"), ("shuiwu", "head"), ("scjg", "head"), ("dsjj", "bureau"))


class Desk:
    """People who made their identities with `bus identity new`."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.cluster, self.home = cluster, home
        for department, role in PEOPLE:
            name = ("--department", department, "--person", f"{role}.{department}", "--role", role)
            self.run("", "identity", "new", *name, "--key", home / f"{role}.{department}.pem", "--deposit")

    def environ(self, who: str) -> dict[str, str]:
        known = {"BUS_IDENTITY": str(self.home / f"{who}.pem")} if who else {}
        return known | {
            "BUS_SIGNERS": str(self.home / "signers"),
            "BUS_BOOTSTRAP_SERVERS": self.cluster.bootstrap_servers,
            "BUS_REGISTRY_URL": self.cluster.registry_url,
            "BUS_KEY_FILE": str(self.cluster.key_file),
        }

    def run(self, who: str, *arguments: object, code: int = 0) -> tuple[Any, str]:
        """What was said as JSON, and on standard error."""
        done = bus(*arguments, "--json", home=self.home, **self.environ(who))
        assert done.returncode == code, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return (lines[0] if len(lines) == 1 else lines), done.stderr


@pytest.fixture
def desk(cluster: Cluster, tmp_path: Path) -> Desk:
    return Desk(cluster, tmp_path)


def test_from_an_identity_to_a_granted_application_by_commands(desk: Desk, unique: str) -> None:
    who, _ = desk.run("head.scjg", "identity")
    assert (who["person"], who["department"], who["roles"]) == ("head.scjg", "scjg", ["head"])
    apply_contract(desk.cluster.settings, contract(f"{unique}.r"))
    file = desk.home / "application.yaml"
    file.write_text(yaml.safe_dump(application_document(id=unique, items=[{"resources": [f"{unique}.r"]}])))
    assert desk.run("clerk.shuiwu", "application", "new", file)[0]["status"] == "draft"
    desk.run("clerk.shuiwu", "application", "submit", unique)
    desk.run("dsjj", "application", "check", unique, code=2)
    assert desk.run("bureau.dsjj", "application", "supplement", unique, "--missing", "scope")[0]["status"] == (
        "supplement_requested"
    )
    desk.run("clerk.shuiwu", "application", "submit", unique)
    desk.run("bureau.dsjj", "application", "check", unique)
    assert (
        desk.run("bureau.dsjj", "application", "extend", unique, "--days", 3, "--reason", "many")[0]["act"]["days"] == 3
    )
    desk.run("bureau.dsjj", "application", "mediate", unique, "--opinion", "share it")

    rows, _ = desk.run("head.scjg", "preview", "--application", unique, "--grant", 1)
    released = [e["after"] for line in rows for e in line["emitted"] if e["after"]]
    assert released
    assert all(set(row) == {"uscc", "name", "person"} for row in released)

    first, _ = desk.run("head.shuiwu", "application", "approve", unique, "--yes")
    assert (first["status"], first["granted"]) == ("submitted", [])
    second, _ = desk.run("head.scjg", "application", "approve", unique, "--yes")
    assert (second["status"], [g["grant"] for g in second["granted"]]) == ("approved", [f"{unique}.1"])
    assert state(desk.cluster.settings).grants[f"{unique}.1"].approval is not None

    shown, _ = desk.run("head.scjg", "application", "show", unique)
    assert (shown["status"], shown["items"][0]["status"]) == ("granted", "granted")
    assert [s["deed"] for s in shown["history"]] == [
        *("drafted", "submitted", "supplement_requested", "submitted"),
        *("form_checked", "extended", "mediated", "approved", "approved"),
    ]
    listed, _ = desk.run("head.scjg", "application", "list", "--status", "granted")
    assert unique in [a["application"] for a in (listed if isinstance(listed, list) else [listed])]
    plain = bus("application", "show", unique, "--lang", "zh", home=desk.home, **desk.environ("head.scjg"))
    assert "已授权" in plain.stdout
    assert "head.shuiwu" in plain.stdout


def test_who_stops_resumes_and_ends_grants_is_asked_for_and_shown(desk: Desk, unique: str) -> None:
    apply_contract(desk.cluster.settings, contract(f"{unique}.r"))
    file = desk.home / "application.yaml"
    file.write_text(yaml.safe_dump(application_document(id=unique, items=[{"resources": [f"{unique}.r"]}])))
    desk.run("clerk.shuiwu", "application", "new", file)
    desk.run("clerk.shuiwu", "application", "submit", unique)
    for who in ("head.shuiwu", "head.scjg"):
        desk.run(who, "application", "approve", unique, "--yes")
    name = f"{unique}.1"
    _, said = desk.run("", "suspend", name, "--yes", code=2)
    assert "BUS_IDENTITY" in said
    desk.run("clerk.shuiwu", "suspend", name, "--yes")
    desk.run("bureau.dsjj", "suspend", name, "--yes")
    _, said = desk.run("bureau.dsjj", "revoke", name, "--yes", "--lang", "zh", code=2)
    assert f"dsjj 的 bureau.dsjj 无权撤销授权 {name}" in said
    still, _ = desk.run("head.scjg", "resume", name)
    assert still == [{"grant": name, "generation": 1, "suspended_by": ["subscriber"]}]
    done = bus("resume", name, home=desk.home, **desk.environ("head.shuiwu"))
    assert (done.returncode, f"grant.{unique}.1.g2" in done.stdout.replace("--", "_")) == (0, True), done.stderr
    desk.run("head.shuiwu", "revoke", name, "--yes")
    _, said = desk.run("head.scjg", "destroyed", name, "--statement", "shredded", code=2)
    assert "not yours to do" in said
    desk.run("head.shuiwu", "destroyed", name, "--statement", "shredded")
    plain = bus("application", "show", unique, "--lang", "zh", home=desk.home, **desk.environ("head.scjg"))
    for who, what in (
        ("clerk.shuiwu (shuiwu)", "暂停 (需求方)"),
        ("bureau.dsjj (dsjj)", "暂停 (数据主管部门)"),
        ("head.scjg (scjg)", "撤回暂停 (提供方)"),
        ("head.shuiwu (shuiwu)", "恢复 (需求方)"),
        ("head.shuiwu (shuiwu)", "撤销 (需求方)"),
    ):
        assert f"{who}\t{what}\t{name}" in plain.stdout
    assert "核验" not in plain.stdout


def test_what_has_no_effect_says_why_in_the_persons_language(desk: Desk, unique: str) -> None:
    apply_contract(desk.cluster.settings, contract(f"{unique}.r"))
    file = desk.home / "application.yaml"
    file.write_text(yaml.safe_dump(application_document(id=unique, items=[{"resources": [f"{unique}.r"]}])))
    desk.run("clerk.shuiwu", "application", "new", file)
    desk.run("clerk.shuiwu", "application", "submit", unique)
    desk.run("clerk.shuiwu", "application", "withdraw", unique, "--yes")
    _, said = desk.run("head.scjg", "application", "approve", unique, "--yes", "--lang", "zh", code=2)
    assert "申请已撤回" in said
    _, said = desk.run(
        "clerk.shuiwu", "application", "refuse", unique, "--reason", "r", "--article", "a", "--yes", code=2
    )
    assert "to decide" in said
    _, said = desk.run("", "application", "withdraw", unique, "--yes", code=2)
    assert "BUS_IDENTITY" in said
