"""The whole way, as people and programs go it: a class of the catalogue is approved beforehand, applied for, answered at once,
signed by the subscriber, granted, and proven to the exchange; and the controller answers what was submitted before."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.control import apply_contract, state
from infra.control.applications.shown import show_application
from infra.control.controller import Controller
from infra.control.duties import duties
from infra.runtime.approvals import doubt
from infra.runtime.settings import Settings
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.infra.control.applications.office import Office, application_document
from tests.infra.control.standing.policies import standing_document
from tests.infra.control.world import contract

FREE, ASKED, ELSEWHERE = "free", "r1", "other"


class City:
    """scjg provides two resources of one class and one of another; shuiwu is certified; people run `bus`."""

    def __init__(self, cluster: Cluster, office: Office, word: str) -> None:
        self.cluster, self.office, self.word = cluster, office, word
        for name, more in ((FREE, {"sharing": "unconditional"}), (ASKED, {}), (ELSEWHERE, {})):
            apply_contract(cluster.settings, contract(f"{word}.{name}", **more))
        self.put("directory", {"kind": "Department", "id": "shuiwu", "title": "税务局", "certified": [word]})
        self.put("provider", {"kind": "Department", "id": "scjg", "title": "市场监管局"})
        for name, domain in ((FREE, word), (ASKED, word), (ELSEWHERE, f"{word}x")):
            self.put(
                name,
                {
                    "kind": "CatalogueEntry",
                    "id": f"{word}.{name}",
                    "code": f"{word}-{name}",
                    "title": f"资源{name}",
                    "provider": "scjg",
                    "class": "base",
                    "domain": domain,
                    "sharing": "unconditional" if name == FREE else "conditional",
                    "conditions": "综合治税",
                    "update": "daily",
                },
            )

    def put(self, name: str, document: dict[str, Any], apply: bool = True) -> Path:
        file = self.office.home / f"{name}.yaml"
        file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        if apply:
            self.run("clerk.sc", "apply", file)
        return file

    def run(self, person: str, *arguments: object) -> Any:
        done = bus(
            *arguments,
            "--json",
            home=self.cluster.home,
            BUS_BOOTSTRAP_SERVERS=self.cluster.bootstrap_servers,
            BUS_REGISTRY_URL=self.cluster.registry_url,
            BUS_KEY_FILE=str(self.cluster.key_file),
            BUS_SIGNERS=str(self.office.folder),
            BUS_IDENTITY=str(self.office.key(person)),
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sign_policy(self) -> None:
        """scjg's head approves the class beforehand, for whoever is certified."""
        policy = standing_document(
            id=self.word, subscribers={"certified": self.word}, resources={"domain": f"base:{self.word}"}
        )
        self.run("head.sc", "standing", "sign", self.put("policy", policy, apply=False), "--yes")

    def submit(self) -> None:
        """shuiwu's clerk applies for the class as a whole."""
        asked = application_document(id=self.word, items=[{"domain": f"base:{self.word}", "fields": {"uscc": "pass"}}])
        self.run("clerk.sw", "application", "new", self.put("application", asked, apply=False))
        self.run("clerk.sw", "application", "submit", self.word)

    def words(self) -> dict[str, str | None]:
        """Who answered for the provider, by resource."""
        found = show_application(self.as_("clerk.sw"), self.word)
        return {
            i.resource.removeprefix(f"{self.word}."): i.words["provider"].by
            for i in found.items
            if "provider" in i.words
        }

    def as_(self, person: str) -> Settings:
        return self.office.as_(self.cluster.settings, person)


@pytest.fixture
def city(cluster: Cluster, office: Office, unique: str) -> City:
    return City(cluster, office, unique)


def test_a_class_approved_beforehand_is_answered_at_submission_and_granted_with_the_subscribers_signature(
    city: City,
) -> None:
    city.sign_policy()
    city.submit()
    assert city.words() == {FREE: None, ASKED: "head.sc"}, "nobody of the provider was asked"
    done = city.run("head.sw", "application", "approve", city.word, "--yes")
    assert (done["blocked"], done["not_granted"]) == ({}, None)
    policy = state(city.cluster.settings)
    live = {g.grant.resource.removeprefix(f"{city.word}."): g for g in policy.grants.values() if city.word in g.topic}
    assert set(live) == {FREE, ASKED}, "what is of another class is not granted"
    for grant in live.values():
        under = policy.contracts[grant.grant.resource].contract
        assert doubt(grant, under, city.office.signers) is None, "the exchange releases under it"


def test_the_controller_answers_what_was_submitted_before_it_was_approved_beforehand(city: City) -> None:
    city.submit()
    assert city.words() == {FREE: None}
    city.sign_policy()
    with ExitStack() as resources:
        settings = city.as_("bureau")
        found = Controller(settings, duties(resources), now_ms=lambda: 1_795_500_000_000, monotonic=lambda: 0.0).once()
    assert {r.duty: r.outcome for r in found if r.duty == "replies"} == {"replies": "done"}
    assert city.words() == {FREE: None, ASKED: "head.sc"}


def test_a_class_that_no_entry_has_is_named(city: City) -> None:
    asked = application_document(id=city.word, items=[{"domain": f"base:{city.word}-none", "fields": {"uscc": "pass"}}])
    city.run("clerk.sw", "application", "new", city.put("application", asked, apply=False))
    with pytest.raises(AssertionError, match="no entry of the catalogue is in"):
        city.run("clerk.sw", "application", "submit", city.word)
