"""Standing approvals on a real cluster, as people run them: shown, signed, answering applications, ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.control import apply_contract, apply_files
from infra.control.applications.case import Case
from infra.control.applications.expand import expand
from infra.control.applications.log import act, read_cases
from infra.control.standing.desk import read_standing, reply
from infra.control.standing.reply import auto_reply
from schemas.act import Drafted, Submitted
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.infra.control.applications.office import Office, application
from tests.infra.control.standing.policies import NOW, standing_document
from tests.infra.control.world import contract


class Desk:
    """Two resources of scjg, one unconditional; a policy over all of them; people who run `bus`."""

    def __init__(self, cluster: Cluster, office: Office, word: str) -> None:
        self.cluster, self.office, self.word = cluster, office, word
        self.contracts = {c.id: c for c in (contract(f"{word}.r1"), contract(f"{word}.free", sharing="unconditional"))}
        for one in self.contracts.values():
            apply_contract(cluster.settings, one)
        self.file = office.home / "standing.yaml"

    def certify(self) -> None:
        """Put shuiwu into the directory, certified for the policy's purpose."""
        shuiwu = {"kind": "Department", "id": "shuiwu", "title": "税务局", "certified": [self.word]}
        file = self.office.home / "directory.yaml"
        file.write_text(yaml.safe_dump(shuiwu, allow_unicode=True), encoding="utf-8")
        apply_files(self.cluster.settings, [file])

    def write(self, **changes: Any) -> None:
        document = standing_document(
            id=self.word,
            subscribers={"certified": self.word},
            resources={"resources": [f"{self.word}.r*"]},
            **changes,
        )
        self.file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    def run(self, person: str, *arguments: object) -> Any:
        """The facts, or for a failure what it says."""
        done = bus(
            "standing",
            *arguments,
            "--json",
            home=self.cluster.home,
            BUS_BOOTSTRAP_SERVERS=self.cluster.bootstrap_servers,
            BUS_REGISTRY_URL=self.cluster.registry_url,
            BUS_SIGNERS=str(self.office.folder),
            BUS_IDENTITY=str(self.office.key(person)),
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    def submit(self) -> None:
        """The clerk of shuiwu asks for both resources."""
        settings = self.office.as_(self.cluster.settings, "clerk.sw")
        asked = application(id=f"{self.word}.a", items=[{"resources": [f"{self.word}.*"], "fields": {"uscc": "pass"}}])
        act(settings, Drafted(application=asked))
        found = expand(asked, self.contracts, lambda domain: ())
        act(settings, Submitted(application=asked.id, asked=found.asked))

    @property
    def case(self) -> Case:
        return read_cases(self.office.as_(self.cluster.settings, "clerk.sw")).cases[f"{self.word}.a"]


@pytest.fixture
def desk(cluster: Cluster, office: Office, unique: str) -> Desk:
    return Desk(cluster, office, unique)


def test_a_policy_is_shown_signed_by_its_provider_only_listed_and_ended(desk: Desk) -> None:
    desk.write()
    assert "no department is certified" in desk.run("head.sc", "sign", desk.file, "--yes")
    desk.certify()
    [shown] = desk.run("head.sw", "show", desk.file)
    assert [i["resource"] for i in shown["list"]["items"]["scjg"]] == [f"{desk.word}.r1"]
    assert "none of its resources is shuiwu's" in desk.run("head.sw", "sign", desk.file, "--yes")
    assert "nobody is here to confirm" in desk.run("head.sc", "sign", desk.file)
    assert "it is not yours to do" in desk.run("clerk.sc", "sign", desk.file, "--yes")
    [signed] = desk.run("head.sc", "sign", desk.file, "--yes")
    assert (signed["provider"], signed["lines"], signed["signed_by"]) == ("scjg", 1, "head.sc")
    assert signed["state"] in ("active", "waiting", "over")  # the real clock's day decides
    assert "nothing has changed" in desk.run("head.sc", "sign", desk.file, "--yes")
    assert desk.word in [s["standing"] for s in desk.run("head.sw", "list")]
    [kept] = desk.run("head.sw", "show", desk.word)
    assert kept["items"][0]["subscriber"] == "shuiwu"
    assert desk.run("office.sc", "end", desk.word, "--yes")["state"] == "ended"
    assert "ended already" in desk.run("office.sc", "end", desk.word, "--yes")
    assert "write version: 2" in desk.run("head.sc", "sign", desk.file, "--yes").lower()


def test_what_is_connected_later_is_approved_only_once_a_newer_version_is_signed(desk: Desk) -> None:
    desk.write()
    desk.certify()
    desk.run("head.sc", "sign", desk.file, "--yes")
    apply_contract(desk.cluster.settings, contract(f"{desk.word}.r2"))
    [kept] = desk.run("head.sw", "show", desk.word)
    assert len(kept["items"]) == 1
    assert "Write version: 2" in desk.run("head.sc", "sign", desk.file, "--yes")
    desk.write(version=2)
    [signed] = desk.run("head.sc", "sign", desk.file, "--yes")
    assert (signed["version"], signed["lines"]) == (2, 2)


def test_an_application_is_answered_at_once_by_the_lines_and_the_law_and_each_answer_is_its_own_act(
    desk: Desk,
) -> None:
    desk.write()
    desk.certify()
    desk.run("head.sc", "sign", desk.file, "--yes")
    desk.submit()
    settings = desk.office.as_(desk.cluster.settings, "clerk.sw")
    assert auto_reply(read_cases(settings), desk.contracts, NOW)
    [done] = reply(settings, f"{desk.word}.a", now_ms=NOW)
    names = {item.asked.grant.resource: name for name, item in desk.case.items.items()}
    assert done.standing == {names[f"{desk.word}.r1"]: (desk.word, 0)}
    assert done.unconditional == (names[f"{desk.word}.free"],)
    assert [s.deed for s in desk.case.history] == ["drafted", "submitted", "auto_replied"]
    by = {i.asked.grant.resource: i.decisions["provider"].by for i in desk.case.items.values()}
    assert by == {f"{desk.word}.r1": "head.sc", f"{desk.word}.free": None}
    assert reply(settings, f"{desk.word}.a", now_ms=NOW) == []


def test_a_file_that_contradicts_itself_or_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    two = [standing_document(), standing_document(title="other")]
    file.write_text(yaml.safe_dump_all(two, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError, match="written twice"):
        read_standing(file)
    file.write_text(yaml.safe_dump_all([two[0], two[0]], allow_unicode=True), encoding="utf-8")
    assert [s.id for s in read_standing(file)] == ["tax"]
    file.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="no standing approval"):
        read_standing(file)
