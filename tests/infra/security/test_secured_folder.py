"""A secured cluster stays what it is: across restarts and kill -9, and when files are lost. One folder, started again and again."""

from __future__ import annotations

import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.cluster import UpOptions, doctor, down, running, up
from infra.cluster.ports import HOST, Outside, Ports, choose
from infra.cluster.secured import administrator, properties
from infra.control.principals import hand_over, list_principals
from infra.runtime.kafka import admin, client_config, consumer_config, producer_config
from infra.runtime.settings import Settings
from infra.security.certificates import certificates
from infra.security.reconcile import held
from schemas.errors import ConfigError
from tests.kit.power_cut import kill_9

TOPIC = "bus.kept"
RECORDS = 200


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("secured-folder") / "安全 集群"
    yield folder
    down(folder)


@pytest.fixture(scope="module")
def started(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a running cluster, a topic that holds records, and one system's credentials (the file returned)."""
    up(home, tied=True, secure=True)
    client = admin(Settings(home=home).located())
    client.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result()
    producer = Producer(producer_config(Settings(home=home).located()))
    for n in range(RECORDS):
        producer.produce(TOPIC, str(n).encode())
    assert producer.flush(20) == 0
    file = tmp_path_factory.mktemp("handed") / "tax.yaml"
    hand_over(Settings(home=home).located(), "shuiwu", "tax", file)
    return file


def get_in(settings: Settings) -> set[str]:
    """What a user sees; KafkaException if it does not get in."""
    return set(AdminClient(client_config(settings, **{"socket.timeout.ms": 4000})).list_topics(timeout=8).topics)


def kept(home: Path) -> list[int]:
    consumer = Consumer(consumer_config(Settings(home=home).located(), "bus.control-log"))
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    try:
        return [int(m.value() or b"") for m in consumer.consume(RECORDS, timeout=20)]
    finally:
        consumer.close()


def everything(home: Path, file: Path) -> None:
    """Records, users and their passwords, and ACLs are there, and strangers are not let in."""
    here = Settings(home=home).located()
    assert (here.security_protocol, here.sasl_username) == ("SASL_SSL", "control")
    assert kept(home) == list(range(RECORDS))
    assert [p.user for p in list_principals(here)] == ["applications", "control", "exchange", "shuiwu~tax~1"]
    acls = held(admin(here)) or ()
    assert {a.principal for a in acls} == {f"User:{u}" for u in ("applications", "control", "exchange", "shuiwu~tax~1")}
    get_in(Settings(home=home / "no", credentials=file).located())
    with pytest.raises(KafkaException):
        get_in(here.model_copy(update={"security_protocol": "PLAINTEXT"}))


def test_after_kill_9_it_is_as_secured_as_before_and_nothing_is_lost(home: Path, started: Path) -> None:
    state = up(home, tied=True)
    kill_9(state)
    again = up(home, tied=True)
    assert again.secured
    assert again.ports == state.ports
    everything(home, started)


def test_a_secured_cluster_keeps_its_ports_and_says_who_took_one(home: Path, started: Path) -> None:
    ports = up(home, tied=True).ports
    down(home)
    for port in (ports.broker, ports.controller, ports.registry, ports.internal):
        assert port is not None
        with socket.create_server((HOST, port)), pytest.raises(ConfigError, match=f"port {port} of this secured"):
            up(home, tied=True)
    (home / "cluster.json").unlink()
    assert up(home, tied=True).ports == ports
    get_in(Settings(home=home / "no", credentials=started).located())


def test_moved_when_asked_to_its_own_users_find_it_and_systems_once_told_where(home: Path, started: Path) -> None:
    ports = up(home, tied=True).ports
    down(home)
    moved = up(home, tied=True, kafka_port=choose(None, None, None).broker)
    assert moved.ports.broker != ports.broker
    assert moved.ports.registry == ports.registry
    assert Settings(home=home).located().bootstrap_servers == moved.bootstrap_servers
    own = home / "security" / "credentials" / "exchange.yaml"
    assert Settings(credentials=own).located().bootstrap_servers == moved.bootstrap_servers
    told = Settings(home=home / "no", credentials=started, bootstrap_servers=moved.bootstrap_servers).located()
    assert told.sasl_username == "shuiwu~tax~1"
    get_in(told)


def test_an_administrator_s_certificate_opens_everything_and_no_other_certificate_anything(
    home: Path, started: Path, tmp_path: Path
) -> None:
    ports = up(home, tied=True).ports
    root = administrator(home, ports, "http://unused")
    topic = f"outside.any.acl.{secrets.token_hex(3)}"
    client = admin(root)
    client.create_topics([NewTopic(topic, 1)])[topic].result()
    assert topic in get_in(root)
    other = certificates(tmp_path / "other")
    for change in (
        {"ssl_certificate_location": None, "ssl_key_location": None},
        {"ssl_certificate_location": other.admin, "ssl_key_location": other.admin_key},
    ):
        with pytest.raises(KafkaException):
            get_in(root.model_copy(update=change))


def test_the_doctor_finds_it_in_order_and_names_a_file_that_others_may_read(home: Path, started: Path) -> None:
    up(home, tied=True)
    assert stat.S_IMODE((home / "broker" / "server.properties").stat().st_mode) == 0o600
    found = {check.name: check for check in doctor(home)}
    assert not [c for c in found.values() if c.level == "fail"]
    kinds = ("protection", "files", "certificates", "listeners", "broker")
    assert {found[name].level for name in kinds} == {"ok"}
    key = home / "security" / "admin.key"
    key.chmod(0o640)
    wrong = {check.name: check for check in doctor(home)}["files"]
    key.chmod(0o600)
    assert (wrong.level, str(key) in wrong.message.en) == ("fail", True)


def test_lost_credentials_are_said_and_made_anew_at_the_next_start(home: Path, started: Path) -> None:
    up(home, tied=True)
    (home / "security" / "credentials" / "control.yaml").unlink()
    with pytest.raises(ConfigError, match="'control' are gone"):
        Settings(home=home).located()
    down(home)
    up(home, tied=True)
    get_in(Settings(home=home).located())


def test_lost_certificates_never_make_it_an_unsecured_cluster(home: Path, started: Path, tmp_path: Path) -> None:
    down(home)
    away = tmp_path / "security"
    shutil.move(home / "security", away)
    (home / "cluster.json").rename(tmp_path / "cluster.json")
    for secure in (False, True):
        with pytest.raises(ConfigError, match="certificates are gone"):
            up(home, tied=True, secure=secure)
    assert not (home / "security").exists()
    shutil.move(away, home / "security")
    assert up(home, tied=True).secured


@pytest.mark.parametrize("variable", ["sasl_username", "department"])
def test_credentials_that_other_settings_contradict_are_refused_not_ignored(
    started: Path, tmp_path: Path, variable: str
) -> None:
    with pytest.raises(ConfigError, match=f"BUS_{variable.upper()} says 'scjg'"):
        Settings.model_validate({"home": tmp_path, "credentials": started, variable: "scjg"}).located()


def test_credentials_count_also_where_every_address_is_set(started: Path) -> None:
    told = Settings(credentials=started, bootstrap_servers="127.0.0.1:1", registry_url="http://127.0.0.1:2").located()
    assert (told.security_protocol, told.sasl_username) == ("SASL_SSL", "shuiwu~tax~1")
    assert told.located() == told


def test_an_unsecured_cluster_hands_out_no_credentials_and_a_stray_folder_does_not_secure_it(tmp_path: Path) -> None:
    home = tmp_path / "plain"
    with running(home):
        with pytest.raises(ConfigError, match="unsecured"):
            hand_over(Settings(home=home).located(), "shuiwu", "tax", tmp_path / "tax.yaml")
        assert not (tmp_path / "tax.yaml").exists()
    (home / "security").mkdir()
    with running(home) as state:
        assert not state.secured
        assert Settings(home=home).located().security_protocol == "PLAINTEXT"


def test_a_file_that_cannot_be_written_leaves_no_user_behind(home: Path, started: Path, tmp_path: Path) -> None:
    up(home, tied=True)
    here = Settings(home=home).located()
    with pytest.raises(ConfigError, match="cannot be written"):
        hand_over(here, "wjw", "main", tmp_path / "absent" / "x.yaml")
    assert not [p for p in list_principals(here) if p.department == "wjw"]


def test_every_listener_is_encrypted_and_nothing_is_allowed_without_an_acl() -> None:
    said = properties(Ports(broker=1, controller=2, registry=3, internal=4))
    assert "PLAINTEXT" not in " ".join(said.values())
    assert said["allow.everyone.if.no.acl.found"] == "false"
    assert all(a.split("://")[1].startswith(HOST) for a in said["listeners"].split(","))


def test_told_to_leave_loopback_only_the_listeners_that_ask_for_passwords_do() -> None:
    wide = Ports(broker=1, controller=2, registry=3, internal=4, inside="bus", outside=Outside(host="bus.city", port=5))
    said = properties(wide)
    places = dict(place.split("://") for place in said["listeners"].split(","))
    kinds = dict(kind.split(":") for kind in said["listener.security.protocol.map"].split(","))
    assert {name for name, place in places.items() if not place.startswith(HOST)} == {"CLIENTS", "OUTSIDE"}
    assert {kinds["CLIENTS"], kinds["OUTSIDE"]} == {"SASL_SSL"}
    assert "OUTSIDE://bus.city:5" in said["advertised.listeners"]
    assert "listener.name.outside.scram-sha-512.connections.max.reauth.ms" in said


@pytest.mark.parametrize("asked", [{"inside": "bus-inside"}, {"outside": "bus.example:9094"}])
def test_an_unsecured_cluster_never_leaves_loopback(tmp_path: Path, asked: UpOptions) -> None:
    with pytest.raises(ConfigError, match="only a secured cluster listens beyond loopback"):
        up(tmp_path, tied=True, **asked)
    assert not (tmp_path / "broker").exists()
