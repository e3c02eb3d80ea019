"""Renewal on a real broker: new connections see the new certificate, open ones go on, and old credentials still open it."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.cluster import ClusterState, Silent, doctor, down, renew_certificates, show_certificates, status, up
from infra.control.principals import hand_over
from infra.runtime.kafka import admin, client_config, consumer_config, producer_config
from infra.runtime.settings import Settings
from infra.security.certificates import RENEW, certificates, read_certificate, renew
from infra.security.presented import presented
from schemas.errors import ConfigError
from tests.infra.bus.command import bus

TOPIC = "bus.renewed"
NOW = dt.datetime.now(dt.UTC)
LONG_AGO = NOW - dt.timedelta(days=2 * 365) + dt.timedelta(days=20)
"""When what ends in twenty days was made."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("renewal") / "home"
    yield folder
    down(folder)


@pytest.fixture(scope="module")
def system(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A running cluster, whose authority is six years old, with a topic; a system's credentials from before any renewal."""
    lately = NOW - dt.timedelta(days=400)
    home.mkdir()
    renew(certificates(home / "security", now=lately - dt.timedelta(days=1770)), (), lately)
    up(home, tied=True, secure=True)
    here = Settings(home=home).located()
    client = admin(here)
    client.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result()
    file = tmp_path_factory.mktemp("handed") / "tax.yaml"
    hand_over(here, "shuiwu", "tax", file)
    return file


def serials(state: ClusterState) -> set[int]:
    """Of the certificates all listeners show."""
    ports = state.ports
    assert ports.internal is not None
    return {presented(ports.inside, port).serial_number for port in (ports.broker, ports.internal, ports.controller)}


def on_disk(home: Path) -> int:
    return read_certificate(home / "security" / "broker.pem").serial_number


def get_in(settings: Settings) -> None:
    AdminClient(client_config(settings, **{"socket.timeout.ms": 4000})).list_topics(timeout=8)


def send(producer: Producer, text: str) -> None:
    failed: list[str] = []
    producer.produce(TOPIC, text.encode(), on_delivery=lambda error, _: failed.append(error.name()) if error else None)
    assert producer.flush(10) == 0
    assert failed == []


def test_renewed_while_clients_are_connected_nobody_is_cut_off_and_who_comes_sees_the_new_one(
    home: Path, system: Path, tmp_path: Path
) -> None:
    state = up(home, tied=True)
    before, trusted = on_disk(home), (home / "security" / "ca.pem").read_text()
    assert serials(state) == {before}
    here = Settings(home=home).located()
    broken: list[str] = []
    watch = {"error_cb": lambda error: broken.append(error.name())}
    producer = Producer(producer_config(here, **watch))
    consumer = Consumer(consumer_config(here, "bus.control-log", **watch))
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    send(producer, "before")
    assert [m.value() for m in consumer.consume(1, timeout=20)] == [b"before"]

    done = renew_certificates(home, dt.datetime.now(dt.UTC), Silent())

    assert set(done.shown) == {"clients", "internal", "controller"}
    assert on_disk(home) != before
    assert serials(state) == {on_disk(home)}
    send(producer, "after")
    assert [m.value() for m in consumer.consume(1, timeout=20)] == [b"after"]
    consumer.close()
    assert broken == []
    old = Settings(home=home / "no", credentials=system).located()
    assert old.ssl_ca_pem == trusted
    get_in(old)

    assert done.authority_too
    fresh = Settings(home=home).located()
    assert fresh.ssl_ca_pem == (home / "security" / "ca.pem").read_text() != trusted
    hand_over(fresh, "scjg", "web", tmp_path / "web.yaml")
    new = Settings(home=home / "no", credentials=tmp_path / "web.yaml").located()
    assert new.ssl_ca_pem == fresh.ssl_ca_pem
    get_in(new)


def test_what_ends_soon_is_said_by_status_and_doctor_and_renewed_by_the_command(home: Path, system: Path) -> None:
    up(home, tied=True)
    renew(certificates(home / "security"), (), LONG_AGO)
    ends = status(home).certificates_end
    assert ends is not None
    assert ends - NOW < RENEW
    assert "bus certificates renew" in bus("status", home=home).stderr
    found = {c.name: c for c in doctor(home)}["certificates"]
    assert (found.level, "bus certificates renew" in str(found.hint)) == ("warn", True)
    said = bus("certificates", "renew", "--json", home=home)
    assert said.returncode == 0, said.stderr
    assert len(json.loads(said.stdout)["shown"]) == 3
    assert serials(up(home, tied=True)) == {on_disk(home)}
    assert bus("status", home=home).stderr == ""
    assert {c.name: c for c in doctor(home)}["certificates"].level == "ok"


def test_a_start_renews_what_ends_soon_and_leaves_what_does_not(home: Path, system: Path) -> None:
    up(home, tied=True)
    before = on_disk(home)
    down(home)
    assert serials(up(home, tied=True)) == {before}
    down(home)
    renew(certificates(home / "security"), (), LONG_AGO)
    soon = on_disk(home)
    assert serials(up(home, tied=True)) == {on_disk(home)}
    assert on_disk(home) not in (before, soon)
    get_in(Settings(home=home / "no", credentials=system).located())


def test_with_the_authority_s_key_away_a_start_goes_on_until_the_certificate_has_ended(
    home: Path, system: Path, tmp_path: Path
) -> None:
    down(home)
    own = certificates(home / "security")
    renew(own, (), LONG_AGO)
    soon = on_disk(home)
    shutil.move(own.authority_key, tmp_path / "ca.key")
    assert serials(up(home, tied=True)) == {soon}
    with pytest.raises(ConfigError, match="key is not here"):
        renew_certificates(home, NOW, Silent())
    down(home)
    shutil.move(tmp_path / "ca.key", own.authority_key)
    renew(own, (), NOW - dt.timedelta(days=2 * 365 + 1))
    shutil.move(own.authority_key, tmp_path / "ca.key")
    with pytest.raises(ConfigError, match="key is not here"):
        up(home, tied=True)
    shutil.move(tmp_path / "ca.key", own.authority_key)
    up(home, tied=True)
    get_in(Settings(home=home / "no", credentials=system).located())


def test_a_folder_without_a_secured_cluster_has_no_certificates_to_show_or_renew(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no secured cluster"):
        show_certificates(tmp_path, NOW)
    with pytest.raises(ConfigError, match="no secured cluster"):
        renew_certificates(tmp_path, NOW, Silent())
