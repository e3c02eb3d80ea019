"""What a secured cluster asks of everybody, on a real one."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.cluster import up
from infra.control.principals import hand_over, list_principals, retire
from infra.runtime.kafka import admin, client_config, producer_config
from infra.runtime.settings import Settings
from infra.security.acls import EXCHANGE
from infra.security.principals import users_by_department
from schemas.errors import ConfigError
from schemas.text import Text
from tests.infra.security.conftest import SecureCluster


def topics(settings: Settings, **more: Any) -> set[str]:
    """What a user sees of the cluster; KafkaException if it does not get in."""
    client = AdminClient(client_config(settings, **{"socket.timeout.ms": 4000, **more}))
    return set(client.list_topics(timeout=6).topics)


def passwords(home: Path) -> list[str]:
    return [yaml.safe_load(f.read_text())["password"] for f in (home / "security" / "credentials").glob("*.yaml")]


def test_the_bus_s_own_users_get_in_and_the_wrong_password_does_not(secure_cluster: SecureCluster) -> None:
    topics(secure_cluster.settings)
    topics(secure_cluster.exchange)
    wrong = {"sasl.password": "wrong"}
    with pytest.raises(KafkaException):
        topics(secure_cluster.settings, **wrong)


def test_nobody_gets_in_without_a_password_or_without_tls(secure_cluster: SecureCluster) -> None:
    for protocol in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT"):
        with pytest.raises(KafkaException):
            topics(secure_cluster.settings, **{"security.protocol": protocol})


def test_who_is_not_its_authority_is_not_believed_to_be_the_cluster(secure_cluster: SecureCluster) -> None:
    other = secure_cluster.settings.model_copy(update={"ssl_ca_pem": None})
    with pytest.raises(KafkaException):
        topics(other)


def test_without_an_acl_nothing_is_seen_nor_written(secure_cluster: SecureCluster, tmp_path: Path, unique: str) -> None:
    topic = f"bus.{unique}"
    client = admin(secure_cluster.settings)
    client.create_topics([NewTopic(topic, 1)])[topic].result()
    stranger = secure_cluster.system(f"{unique}", "web", tmp_path / "web.yaml")
    assert topic not in topics(stranger)
    failed: list[str] = []
    producer = Producer(producer_config(stranger, **{"message.timeout.ms": 5000, "enable.idempotence": False}))
    producer.produce(topic, b"x", on_delivery=lambda error, _: failed.append(error.name() if error else ""))
    producer.flush(10)
    assert failed == ["TOPIC_AUTHORIZATION_FAILED"]


def test_no_secret_is_in_a_process_list_or_a_log(secure_cluster: SecureCluster) -> None:
    secrets = passwords(secure_cluster.home)
    assert len(secrets) >= 2
    lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    logs = [f.read_text(errors="replace") for f in secure_cluster.home.rglob("*.log") if "data" not in f.parts]
    assert logs
    assert not [s for s in secrets for text in (*lines, *logs) if s in text]


def test_files_with_secrets_are_their_owner_s_alone(secure_cluster: SecureCluster) -> None:
    found = list((secure_cluster.home / "security").rglob("*"))
    assert found
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name


def test_credentials_that_others_may_read_are_refused(secure_cluster: SecureCluster, tmp_path: Path) -> None:
    file = tmp_path / "open.yaml"
    file.write_text((secure_cluster.home / "security" / "credentials" / f"{EXCHANGE}.yaml").read_text())
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        secure_cluster.settings_for(file)


def test_a_new_password_cuts_nobody_off_and_a_retired_one_ends(
    secure_cluster: SecureCluster, tmp_path: Path, unique: str
) -> None:
    first = secure_cluster.system(unique, "taxes", tmp_path / "1.yaml")
    topics(first)
    second = secure_cluster.system(unique, "taxes", tmp_path / "2.yaml")
    topics(first)
    topics(second)
    assert retire(secure_cluster.settings, unique, "taxes") == (f"{unique}~taxes~1",)
    deadline = time.monotonic() + 20
    while _gets_in(first):
        assert time.monotonic() < deadline, "the retired password still works"
    topics(second)
    mine = [p for p in list_principals(secure_cluster.settings) if p.department == unique]
    assert [(p.version, p.current) for p in mine] == [(2, True)]


def _gets_in(settings: Settings) -> bool:
    try:
        return bool(topics(settings)) or True
    except KafkaException:
        return False


def test_credentials_are_never_written_over(secure_cluster: SecureCluster, tmp_path: Path, unique: str) -> None:
    file = tmp_path / "there.yaml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        hand_over(secure_cluster.settings, unique, "web", file)
    assert file.read_text() == "mine"


def test_an_unsecured_folder_is_not_secured_behind_its_data(tmp_path: Path) -> None:
    (tmp_path / "broker" / "data").mkdir(parents=True)
    with pytest.raises(ConfigError, match="unsecured") as caught:
        up(tmp_path, tied=True, secure=True)
    assert isinstance(caught.value.hint, Text)


def test_a_user_somebody_named_by_hand_belongs_to_no_department() -> None:
    assert users_by_department(["Tax Office~web~1", "shuiwu~web~0", "shuiwu~web~2"]) == {"shuiwu": ["shuiwu~web~2"]}
