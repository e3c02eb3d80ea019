"""On a real secured cluster, with the real exchange: departments reach what they are granted, by desk and topic, and nothing
else; a grant that ends takes the right to read along; what somebody allows by hand is found and removed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumers.control import GrantWatch
from consumers.grant_reader import GrantReader
from infra.control import repair_acls, revoke, show_acls, state
from infra.control.access import AclFacts
from infra.control.apply import apply_documents
from infra.control.documents import Documents
from infra.control.duties import _mend_acls
from infra.control.followed import Followed
from infra.runtime.kafka import admin, consumer_config
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from infra.security.follow import follow
from infra.security.reconcile import Drift, Held, repair
from producers.run import publish_file
from schemas.errors import BusError, ConfigError, PermanentError
from schemas.grant import Grant
from schemas.ids import desk_topic, grant_topic, own_groups, positions_topic, source_topic
from stream_apps.policy.compile import compile_view
from tests.infra.bus.command import bus
from tests.infra.security.conftest import SecureCluster
from tests.kit.approving import Office
from tests.kit.exchange_lab import Lab, Worker, row, within
from tests.kit.wire import Wire

AS_INSTALLED = {"BUS_BOOTSTRAP_SERVERS": "", "BUS_REGISTRY_URL": ""}


@dataclass(frozen=True)
class City:
    """A resource `<word>.r`, its provider `<word>`, its subscriber `<word>s1`, and somebody who has no part in it."""

    cluster: SecureCluster
    lab: Lab
    provider: Settings
    subscriber: Settings
    neighbour: Settings
    office: Office

    @property
    def grant(self) -> str:
        return f"{self.lab.word}.g.1"

    def open(self, grant: Grant) -> None:
        """A grant that both sides sign comes into force."""
        view = compile_view(self.lab.contract(), grant).fingerprint
        approval = self.office.approval(grant, view, "provider", "subscriber")
        documents = Documents((), (("grant", grant),), approvals={grant.id: approval})
        signing = self.cluster.settings.model_copy(update={"signers": self.office.folder})
        apply_documents(signing, documents)

    def topic(self, generation: int = 1) -> str:
        return grant_topic(self.grant, generation)

    def publish(self, *numbers: int) -> None:
        replace(self.lab, settings=self.provider).publish([("c", None, row(n)) for n in numbers])


@pytest.fixture
def city(secure_cluster: SecureCluster, unique: str, tmp_path: Path) -> City:
    lab = Lab(secure_cluster.settings, unique)
    lab.apply()
    office = Office(tmp_path / "signers")
    office.admit("provider", unique)
    office.admit("subscriber", f"{unique}s1")
    people = [secure_cluster.system(d, "main", tmp_path / f"{d}.yaml") for d in (unique, f"{unique}s1", f"{unique}s2")]
    city = City(secure_cluster, lab, *people, office)
    city.open(lab.grant())
    return city


@pytest.fixture
def exchange(city: City, tmp_path: Path) -> Iterator[None]:
    """The exchange, as its own user."""
    home = Settings(home=city.cluster.home, key_file=city.cluster.key_file)
    worker = Worker(
        home, tmp_path / "exchange.log", (city.lab.word,), AS_INSTALLED | {"BUS_SIGNERS": str(city.office.folder)}
    )
    worker.start()
    yield
    worker.stop()


def answer(settings: Settings, department: str, topic: str) -> str:
    """What the broker says to a department's own plain consumer (the first record, the end), else to its Fetch request."""
    refused = said(settings, topic)
    if refused is not None:
        return refused
    consumer = Consumer(consumer_config(settings, own_groups(department) + "own", **{"enable.partition.eof": True}))
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(15)
        assert message is not None
        error = message.error()
        return "record" if error is None else "end" if error.code() == KafkaError._PARTITION_EOF else error.name()
    finally:
        consumer.close()


def said(settings: Settings, topic: str) -> str | None:
    """The error of a Fetch request; plain consumers do not send one where they are refused already to see the topic."""
    with Wire(settings) as wire:
        return wire.fetch([topic])[topic]


REFUSED = "TOPIC_AUTHORIZATION_FAILED"


@pytest.mark.usefixtures("exchange")
def test_a_subscriber_reads_its_grant_with_its_desk_and_credentials_alone(city: City) -> None:
    city.publish(1, 2)
    assert city.subscriber.registry_url is None, "a department has no way to the registry"
    with GrantReader(city.subscriber, city.grant) as program:
        names: list[str] = []
        deadline = time.monotonic() + 30
        while len(names) < 2 and time.monotonic() < deadline:
            batch = program.poll()
            names += [e.key["id"] for e in batch.events] if batch else []
    assert names == ["k1", "k2"]
    assert program.view.title.startswith("测试")


@pytest.mark.usefixtures("exchange")
def test_a_plain_consumer_of_a_department_reads_its_own_grant_and_nothing_else(city: City) -> None:
    word, me = city.lab.word, f"{city.lab.word}s1"
    city.publish(1)
    within(30, lambda: answer(city.subscriber, me, city.topic()) == "record")
    assert answer(city.subscriber, me, desk_topic(me)) == "record"
    others = (city.lab.topic, positions_topic(city.lab.resource), desk_topic(word), "bus.grants")
    assert {t: answer(city.subscriber, me, t) for t in others} == dict.fromkeys(others, REFUSED)
    assert answer(city.neighbour, f"{word}s2", city.topic()) == REFUSED
    assert answer(city.provider, word, city.topic()) == REFUSED
    assert answer(city.provider, word, city.lab.topic) == REFUSED, "a provider writes its source and does not read it"


@pytest.mark.usefixtures("exchange")
def test_when_a_grant_is_revoked_the_right_to_read_goes_and_its_deliverer_ends(city: City) -> None:
    me = f"{city.lab.word}s1"
    city.publish(1)
    within(30, lambda: answer(city.subscriber, me, city.topic()) == "record")
    with GrantReader(city.subscriber, city.grant) as program:
        within(20, lambda: bool((batch := program.poll()) and batch.events))
        within(20, lambda: program.poll() is None and program.at_end)
        fence = revoke(city.cluster.settings, city.grant)
        within(10, lambda: program.poll() is None and program.ended is not None)
    assert answer(city.subscriber, me, city.topic()) == REFUSED
    assert fence.fenced_out == (), "the exchange answered"
    assert program.ended is not None
    assert (program.ended.reason, program.ended.cut_off) == ("revoked", False), "it had read everything"
    with pytest.raises(PermanentError, match="can be read no longer"):
        GrantReader(city.subscriber, city.grant)


@pytest.mark.usefixtures("exchange")
def test_a_fetch_that_a_subscriber_has_parked_with_its_own_credentials_brings_nothing_after_the_end(city: City) -> None:
    me = f"{city.lab.word}s1"
    city.publish(1)
    within(30, lambda: answer(city.subscriber, me, city.topic()) == "record")
    with Wire(city.subscriber) as wire, ThreadPoolExecutor(1) as pool:
        parked = pool.submit(wire.parked, city.topic(), 0, 3_000)
        time.sleep(0.3)  # until it is at the broker; were it later, it would be refused, which is no less
        revoke(city.cluster.settings, city.grant)
        assert not parked.done(), "it is not authorised again"
        assert parked.result(20) == ("OFFSET_OUT_OF_RANGE", b"")


@pytest.mark.usefixtures("exchange")
def test_an_amended_grant_is_read_in_its_new_topic_and_its_former_one_no_longer(city: City) -> None:
    me = f"{city.lab.word}s1"
    city.publish(1)
    city.open(city.lab.grant(fields={"id": "pass"}, version=2))
    within(30, lambda: answer(city.subscriber, me, city.topic(2)) == "record")
    assert answer(city.subscriber, me, city.topic(1)) == REFUSED


def test_a_publisher_needs_its_desk_and_credentials_alone(city: City, tmp_path: Path) -> None:
    columns = {n: {"column": n} for n in ("id", "district")}
    mapping = {
        "kind": "FileMapping",
        "adapter": "file",
        "resource": city.lab.resource,
        "mode": "full",
        "columns": columns,
    }
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(mapping))
    (tmp_path / "d.csv").write_text("id,district\nA,x\nB,y\n")
    report = publish_file(city.provider, tmp_path / "m.yaml", tmp_path / "d.csv")
    assert report.published == {"c": 2}
    again = publish_file(city.provider, tmp_path / "m.yaml", tmp_path / "d.csv")
    assert (again.published, again.unchanged) == ({}, 2), "it found its position"
    with pytest.raises(ConfigError, match="no resource of"):
        publish_file(city.neighbour, tmp_path / "m.yaml", tmp_path / "d.csv")


def test_a_department_sees_only_its_own_in_its_desk(city: City) -> None:
    with GrantWatch(city.subscriber) as watch:
        found = watch.state(fresh=True)
    assert (set(found.grants), set(found.contracts)) == ({city.grant}, set())
    with GrantWatch(city.neighbour) as watch:
        assert not watch.state(fresh=True).grants, "its desk is there, and empty"


def hand_made(cluster: SecureCluster, *acls: Held) -> None:
    repair(admin(cluster.settings), Drift(acls, ()))


def test_an_acl_added_by_hand_is_found_and_removed_and_a_removed_one_comes_back(city: City) -> None:
    settings, thief = city.cluster.settings, f"User:{city.neighbour.sasl_username}"
    stolen = Held(thief, "topic", source_topic(city.lab.resource), "literal", "read")
    own = Held(f"User:{city.subscriber.sasl_username}", "topic", city.topic(), "literal", "read")
    hand_made(city.cluster, stolen)
    repair(admin(settings), Drift((), (own,)))
    assert show_acls(settings) == AclFacts(True, (own,), (stolen,))
    assert repair_acls(settings).surplus == (stolen,)
    assert show_acls(settings) == AclFacts(True)


def test_a_deny_made_by_hand_is_told_and_left(city: City) -> None:
    settings = city.cluster.settings
    stop = Held(f"User:{city.subscriber.sasl_username}", "topic", city.topic(), "literal", "read", allow=False)
    hand_made(city.cluster, stop)
    try:
        assert repair_acls(settings).left == (stop,)
        assert answer(city.subscriber, f"{city.lab.word}s1", city.topic()) == REFUSED
    finally:
        repair(admin(settings), Drift((), (stop,)))


def test_the_controller_mends_drift(city: City) -> None:
    stolen = Held(f"User:{city.neighbour.sasl_username}", "topic", city.topic(), "literal", "read")
    hand_made(city.cluster, stolen)
    with Followed(PolicyReader) as policy:
        assert _mend_acls(city.cluster.settings, policy) == (stolen,)
        assert _mend_acls(city.cluster.settings, policy) == ()


def test_a_command_that_was_slow_does_not_bring_back_what_another_has_taken_away(city: City) -> None:
    before = state(city.cluster.settings)
    revoke(city.cluster.settings, city.grant)
    follow(city.cluster.settings, before)
    assert show_acls(city.cluster.settings) == AclFacts(True)
    assert answer(city.subscriber, f"{city.lab.word}s1", city.topic()) == REFUSED


def test_departments_can_neither_see_nor_mend_acls(city: City) -> None:
    with pytest.raises(BusError):
        show_acls(city.subscriber.model_copy(update={"department": None}))


def test_bus_acls_tells_and_mends_by_command(city: City) -> None:
    environ = {"BUS_KEY_FILE": str(city.cluster.key_file)}
    stolen = Held(f"User:{city.neighbour.sasl_username}", "topic", "bus.grants", "literal", "read")
    hand_made(city.cluster, stolen)
    shown = bus("acls", home=city.cluster.home, **environ)
    assert (shown.returncode, "too much" in shown.stdout) == (1, True), shown.stderr
    mended = bus("acls", "--repair", "--yes", "--json", home=city.cluster.home, **environ)
    assert (mended.returncode, '"repaired": true' in mended.stdout) == (0, True), mended.stderr
    assert bus("acls", "--lang", "zh", home=city.cluster.home, **environ).returncode == 0
