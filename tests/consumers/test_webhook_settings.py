"""A webhook goes only where its file says, and a mistake in the file is told with its key."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumers.catalogue import shown, sink_for
from consumers.sinks.webhook.address import is_refused
from consumers.sinks.webhook.settings import WebhookSettings, load_settings, secrets_of
from schemas.errors import ConfigError

BASIC = {"url": "https://hooks.example/bus", "hosts": ["hooks.example"], "secret_env": "HOOK_SECRET"}


def write(path: Path, **more: Any) -> Path:
    path.write_text(yaml.safe_dump(BASIC | more))
    return path


def test_paths_are_relative_to_the_files_own_folder(tmp_path: Path) -> None:
    found = load_settings(write(tmp_path / "a.yaml", secret_env=None, secret_file="s", ca_file="/etc/ca.pem"))
    assert (found.state, found.secret_file) == (tmp_path / "a.state.db", tmp_path / "s")
    assert found.ca_file == Path("/etc/ca.pem")


@pytest.mark.parametrize(
    ("more", "place", "words"),
    [
        ({"retries": 3}, "retries", "未知的键"),
        ({"url": "ftp://hooks.example/"}, "url", "https://"),
        ({"url": "https://u:geheim@hooks.example/"}, "url", "口令"),
        ({"url": "https://例子.cn/geheim"}, "url", "punycode"),
        ({"url": "https://other.example/geheim"}, "", "hosts"),
        ({"url": "http://hooks.example/geheim"}, "", "loopback"),
        ({"url": "http://hooks.example/geheim", "loopback": True}, "", "localhost"),
        ({"hosts": []}, "hosts", "至少"),
        ({"secret_env": None}, "", "secret_file"),
        ({"secret_file": "x"}, "", "secret_file"),
        ({"undeliverable": "ignore"}, "undeliverable", "skip"),
        ({"budget": {"attempts": 0}}, "budget.attempts", "大于或等于 1"),
        ({"networks": ["10.0.0.0/33"]}, "networks.0", ""),
    ],
)
def test_what_is_wrong_is_named_in_both_languages_without_the_value(
    tmp_path: Path, more: dict[str, Any], place: str, words: str
) -> None:
    file = write(tmp_path / "a.yaml", **more)
    with pytest.raises(ConfigError) as caught:
        sink_for(f"webhook:{file}")
    assert caught.value.where == (f"{file}: {place}" if place else str(file))
    assert words in caught.value.message("zh")
    assert "geheim" not in str(caught.value) + caught.value.message("zh")


def test_the_address_of_a_webhook_is_its_file(tmp_path: Path) -> None:
    assert shown("webhook:/etc/bus/hook.yaml") == "webhook:/etc/bus/hook.yaml"
    with pytest.raises(ConfigError, match="names a path"):
        sink_for("webhook:")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match="one mapping"):
        sink_for(f"webhook:{tmp_path / 'empty.yaml'}")


def test_secrets_come_from_the_environment_or_a_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (b"1" * 24, b"2" * 64)
    words = ["whsec_" + base64.b64encode(s).decode() for s in (one, two)]
    monkeypatch.setenv("HOOK_SECRET", " ".join(words))
    assert secrets_of(WebhookSettings.model_validate(BASIC)) == (one, two)
    file = tmp_path / "s"
    file.write_text("\n".join(words))
    file.chmod(0o640)
    settings = load_settings(write(tmp_path / "a.yaml", secret_env=None, secret_file="s"))
    with pytest.raises(ConfigError, match="chmod 600"):
        secrets_of(settings)
    file.chmod(0o600)
    assert secrets_of(settings) == (one, two)


@pytest.mark.parametrize("text", ["", "geheim", "whsec_", "whsec_!!!", "whsec_Z2VoZWlt"])
def test_a_secret_that_is_none_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HOOK_SECRET", text)
    with pytest.raises(ConfigError, match=r"\$HOOK_SECRET") as caught:
        secrets_of(WebhookSettings.model_validate(BASIC))
    assert "geheim" not in str(caught.value)
    assert "Z2VoZWlt" not in str(caught.value)


def refused(address: str, **more: Any) -> bool:
    return is_refused(address, WebhookSettings.model_validate(BASIC | more))


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "100.100.100.200", "168.63.129.16"),
        *("fd00:ec2::254", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1"),
        *("255.255.255.255", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:127.0.0.1"),
    ],
)
def test_addresses_of_the_machine_and_its_cloud_are_refused(address: str) -> None:
    assert refused(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.0.9", "192.168.1.1", "8.8.8.8", "2001:4860:4860::8888"])
def test_addresses_of_the_city_and_of_the_world_are_not(address: str) -> None:
    assert not refused(address)


def test_named_networks_permit_and_exclude() -> None:
    assert not refused("169.254.7.7", networks=["169.254.7.0/24"])
    assert not refused("10.1.2.3", networks=["10.0.0.0/8"])
    assert refused("192.168.1.1", networks=["10.0.0.0/8"])
    assert refused("::1", networks=["10.0.0.0/8"])


def test_in_clear_nothing_leaves_the_machine_whatever_the_name_resolves_to() -> None:
    local = {"url": "http://localhost/x", "hosts": ["localhost"], "loopback": True}
    assert not refused("127.0.0.1", **local)
    assert refused("10.1.2.3", **local)
    assert refused("10.1.2.3", **local, networks=["10.0.0.0/8"])


def test_the_settings_on_the_page_are_settings(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "consumers" / "sinks" / "webhook" / "README.md").read_text()
    file = tmp_path / "hook.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0])
    assert load_settings(file).host == "hooks.shuiwu.example"
    table = page.split("| key | default | meaning |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"\w+", row.split("|")[1])}
    unnamed = set(WebhookSettings.model_fields) - named
    assert unnamed == {"url", "hosts", "secret_file", "secret_env", "undeliverable"}  # these are in the file above it
