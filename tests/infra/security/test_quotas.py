"""No system takes more than it may, whichever of its passwords it uses; and a retired password is of no use at once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic import SecretStr

from infra.cluster.quotas import client_properties
from infra.control import apply_contract
from infra.control.principals import list_quotas, retire, set_quota
from infra.runtime.kafka import producer_config
from infra.runtime.settings import Settings
from infra.security.quotas import DESK, EVERYBODY, UNBOUNDED, Quota, as_kafka, from_kafka, names
from schemas.errors import ConfigError
from schemas.ids import source_topic
from tests.infra.bus.command import bus
from tests.infra.control.world import contract
from tests.infra.security.conftest import SecureCluster

PRINTED = """\
Quota configs for the default user-principal are consumer_byte_rate=6.4E7, request_percentage=200.0, producer_byte_rate=6.4E7
Quota configs for user-principal 'shuiwu~taxes~1' are producer_byte_rate=50000.0
SCRAM credential configs for user-principal 'control' are SCRAM-SHA-512=iterations=8192
"""


class Writer:
    """A system's producer, whose connection stays open."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic, self._errors = topic, list[str | None]()
        self.slowed_ms = 0
        more: dict[str, Any] = {"enable.idempotence": False, "compression.type": "none", "throttle_cb": self._slowed}
        self._producer = Producer(producer_config(settings, **more))

    def write(self, size: int = 1, times: int = 1) -> set[str | None]:
        """What became of so many records: None, or an error's name."""
        self._errors.clear()
        for _ in range(times):
            try:
                self._producer.produce(self._topic, bytes(size), b"key", on_delivery=self._landed)
            except KafkaException as error:  # metadata have told it already
                self._errors.append(error.args[0].name())
            self._producer.flush(30)
        return set(self._errors)

    def _landed(self, error: KafkaError | None, message: Any) -> None:
        self._errors.append(error.name() if error else None)

    def _slowed(self, event: Any) -> None:
        self.slowed_ms += round(event.throttle_time * 1000)


@pytest.fixture
def topic(secure_cluster: SecureCluster, unique: str) -> str:
    """The source topic of a department's resource; the department is called `unique`."""
    apply_contract(secure_cluster.settings, contract(f"{unique}.r", provider=unique))
    return source_topic(f"{unique}.r")


def test_what_kafka_s_tool_prints_is_read_back_as_it_was_said() -> None:
    assert from_kafka(PRINTED) == {None: Quota(64, 64, 200), "shuiwu~taxes~1": Quota(write=0.05)}
    assert as_kafka(Quota(0.05, None, 50)) == "producer_byte_rate=50000,request_percentage=50"
    assert names(Quota(read=1)) == "consumer_byte_rate"
    assert Quota(write=1).over(EVERYBODY) == Quota(1, 64, 200)


@pytest.mark.parametrize("quota", [Quota(write=0), Quota(read=-1), Quota(requests=float("nan"))])
def test_a_quota_that_lets_nothing_through_is_refused(quota: Quota) -> None:
    with pytest.raises(ConfigError, match="at least"):
        quota.check()


def test_a_password_of_any_characters_reaches_the_tool_as_it_is(tmp_path: Path) -> None:
    """Read as Java reads a properties file, then as JAAS reads its own line."""
    password = 'a"b\\c\n密码😀 '
    settings = Settings(
        security_protocol="SASL_SSL", sasl_username="control", sasl_password=SecretStr(password), home=tmp_path
    )
    line = next(p for p in client_properties(settings).splitlines() if p.startswith("sasl.jaas.config="))
    assert line.isascii()
    value = json.loads('"' + line.removeprefix("sasl.jaas.config=").replace('"', "\\u0022") + '"')
    quoted = value.split("password=")[1].removesuffix(";")
    assert quoted[1:-1].replace('\\"', '"').replace("\\\\", "\\") == password


def test_from_the_first_start_everybody_is_bounded_the_application_desk_tightly_and_the_exchange_not(
    secure_cluster: SecureCluster,
) -> None:
    found = {q.user: Quota(q.write, q.read, q.requests) for q in list_quotas(secure_cluster.settings)}
    assert (found[None], found["control"], found["exchange"]) == (EVERYBODY, EVERYBODY, UNBOUNDED)
    assert found["applications"] == DESK.over(EVERYBODY), "what it writes is kept for ever"


def test_a_system_beyond_its_quota_is_slowed_down_under_its_next_password_too_and_its_neighbour_is_not(
    secure_cluster: SecureCluster, topic: str, tmp_path: Path, unique: str
) -> None:
    control = secure_cluster.settings
    first = secure_cluster.system(unique, "bulk", tmp_path / "1.yaml")
    other = Writer(secure_cluster.system(unique, "web", tmp_path / "web.yaml"), topic)
    [changed] = set_quota(control, (unique, "bulk"), Quota(write=0.02))
    assert (changed.user, changed.own, changed.write, changed.read) == (f"{unique}~bulk~1", True, 0.02, 64)
    second = secure_cluster.system(unique, "bulk", tmp_path / "2.yaml")
    for settings in (first, second):
        slow = Writer(settings, topic)
        assert slow.write(100_000, 5) == {None}  # 0.5 MB, where 0.02 MB/s over the broker's 10 s allow 0.2
        assert slow.slowed_ms > 0
    assert other.write(100_000, 5) == {None}
    assert other.slowed_ms == 0
    assert len(retire(control, unique, "bulk", every=True)) == 2
    assert not [q for q in list_quotas(control) if q.own and (q.user or "").startswith(unique)]


def test_a_producer_goes_on_through_a_change_of_password_and_ends_with_its_own_at_once(
    secure_cluster: SecureCluster, topic: str, tmp_path: Path, unique: str
) -> None:
    old = Writer(secure_cluster.system(unique, "taxes", tmp_path / "1.yaml"), topic)
    assert old.write() == {None}
    new = Writer(secure_cluster.system(unique, "taxes", tmp_path / "2.yaml"), topic)
    assert (old.write(), new.write()) == ({None}, {None})
    assert retire(secure_cluster.settings, unique, "taxes") == (f"{unique}~taxes~1",)
    since = time.monotonic()
    while (answer := old.write()) == {None}:  # over the connection it has had all along
        assert time.monotonic() - since < 5, "the retired password still writes"
    assert answer == {"TOPIC_AUTHORIZATION_FAILED"}
    assert new.write() == {None}


def test_the_command_lists_changes_and_refuses_half_an_order(
    secure_cluster: SecureCluster, tmp_path: Path, unique: str
) -> None:
    secure_cluster.system(unique, "web", tmp_path / "web.yaml")
    quota = ("principal", "quota")
    done = bus(*quota, unique, "web", "--read", "3", "--json", home=secure_cluster.home)
    assert done.returncode == 0, done.stderr
    user = f"{unique}~web~1"
    assert json.loads(done.stdout) == [{"user": user, "own": True, "write": 64.0, "read": 3.0, "requests": 200.0}]
    listed = bus(*quota, "--lang", "zh", home=secure_cluster.home).stdout.splitlines()
    assert listed[0].split("\t")[0] == "用户"
    assert f"{user}\t✓\t64\t3\t200" in listed
    for wrong in ((unique, "--write", "1"), ("--write", "1"), ("--default",)):
        refused = bus(*quota, *wrong, home=secure_cluster.home)
        assert (refused.returncode, "name a system and numbers" in refused.stderr) == (2, True), wrong
    nobody = bus(*quota, "nobody", "web", "--write", "1", home=secure_cluster.home)
    assert (nobody.returncode, "no system 'web'" in nobody.stderr) == (2, True)
