"""Settings of a process, from BUS_* environment variables; by default those of the embedded cluster in `.bus/`.

Read once at the composition root and handed down. Nothing else reads the environment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_config_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.errors import ConfigError
from schemas.key_ring import Suite
from schemas.outage import TOLERATED_MS
from schemas.text import Text

CREDENTIALS = "credentials"
"""Folder with the bus's own credentials, in the `security` folder of an embedded cluster that is secured."""


class Settings(BaseSettings):
    """Where things are and how to get in. Every field is the variable BUS_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="BUS_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    home: Path = Path(".bus")
    """State of the embedded cluster, adapters and sinks (0700)."""
    bootstrap_servers: str | None = None
    """Addresses of an existing Kafka cluster, instead of the embedded one."""
    outside_servers: str | None = None
    """Addresses that credentials handed to departments name, where departments use others than we do."""
    registry_url: str | None = None
    """Address of the registry's Confluent-compatible API."""
    registry_user: str | None = None
    """Name for the registry's basic authentication."""
    registry_password: SecretStr | None = None
    """And its password."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How Kafka is spoken to."""
    sasl_mechanism: str = "SCRAM-SHA-512"
    """With which mechanism, where the protocol is SASL."""
    sasl_username: str | None = None
    """As whom."""
    sasl_password: SecretStr | None = None
    """And the password."""
    ssl_ca_location: Path | None = None
    """Certificates (PEM) of whom to trust."""
    ssl_certificate_location: Path | None = None
    """Our own certificate (PEM)."""
    ssl_key_location: Path | None = None
    """And its key (PEM)."""
    key_file: Path = Field(default_factory=lambda: user_config_path("exchange-bus") / "master.key")
    """The custodian's master key: 32 bytes, hexadecimal. Never in the state folder, so that a copy of one leaks nothing."""
    """The custodian's file with the master keys (0600). Never in the state folder, so that a copy of one leaks nothing."""
    key_command: str | None = None
    """Instead of a file: a command that prints the master keys, as a client of a key store does. No shell is involved."""
    key_fingerprint: str | None = None
    """Fingerprint the current master key must have (`bus keys` shows it); with another one nothing starts."""
    key_suite: Suite = "sha256"
    """Suite of a master key made here on first need: sha256 (with AES) or the national sm3 (with SM4)."""
    passphrase_file: Path | None = None
    """A file (0600) that holds the passphrase of a key ring's backup, for who has no terminal to type it."""
    maven_repository: str | None = None
    """Where the embedded cluster's files are downloaded from; without, Maven's mirrors, else its default repository."""
    signers: Path | None = None
    """Folder that says who may sign: `<department>.yaml` (people with roles and keys) and `<department>.pub` (PEM). With it,
    nothing is released under a grant that both sides have not signed. With SASL_SSL the exchange does not start without."""
    provider_roles: Annotated[tuple[str, ...], NoDecode] = ("head", "data_office")
    """Roles that sign for a provider, separated by commas."""
    subscriber_roles: Annotated[tuple[str, ...], NoDecode] = ("head", "data_office")
    """Roles that sign for a subscriber, separated by commas."""
    destroy_within_days: Annotated[int, Field(ge=1)] = 10
    """Calendar days within which a subscriber destroys what it received under a grant that has ended, and confirms it."""
    identity: Path | None = None
    """Private key (PEM, Ed25519, 0600) of the person who runs this: what is done is signed with it."""
    department: str | None = None
    """The department this process works for: it reads that department's desk instead of the control log and the registry."""
    deadlines: Path | None = None
    """File with working days stricter than the statutory ones (`kind: Deadlines`); never looser."""
    credentials: Path | None = None
    """A file that `bus principal add` wrote (0600): addresses, user, password, certificate and department in one."""
    ssl_ca_pem: str | None = Field(default=None, repr=False)
    """Certificates of whom to trust, as text."""
    tolerated_outage_s: Annotated[int, Field(ge=1)] = TOLERATED_MS // 1000
    """Seconds that an exchange or a subscriber may be away and simply go on. Topics are made so that compaction takes nothing
    younger away; after nine tenths of it the exchange withholds what it may have lost an end of, to be made anew. Topics that
    are there already keep theirs, and deliverers go by seven days: make it longer, or shorter in tests only."""
    history_rate: Annotated[int, Field(ge=1)] = 20_000
    """Records a second that an exchange worker reads again for new grants, all together, so that live records keep their time;
    more only where live ones come so fast that a new grant would never catch up."""
    metrics_host: str = "127.0.0.1"
    """Where processes serve their metrics; anything but loopback shows them to others."""

    @field_validator("provider_roles", "subscriber_roles", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(w.strip() for w in value.split(",") if w.strip()) if isinstance(value, str) else value

    def located(self, user: str = "control") -> Settings:
        """These settings with both addresses known: those given, or those of the embedded cluster in `home`.

        user   of the bus, as whom to log in to an embedded cluster that is secured, unless credentials say otherwise

        An address that is given goes before the one a credentials file names. Raises ConfigError if only one address is
        given, or none is and no embedded cluster has been started, or for credentials that `read_credentials` refuses or
        that other settings contradict.
        """
        if self.credentials is not None:
            return self._with(self.credentials)
        if self.bootstrap_servers and (self.registry_url or self.department):
            return self
        if self.bootstrap_servers or self.registry_url:
            missing = "BUS_REGISTRY_URL" if self.bootstrap_servers else "BUS_BOOTSTRAP_SERVERS"
            raise ConfigError(
                Text(f"{missing} is not set, but its other half is.", f"未设置 {missing}, 但设置了另一半。"),
                hint=Text(
                    "Set both, or neither to use the embedded cluster.", "请同时设置, 或都不设置以使用内嵌集群。"
                ),
            )
        state = self.home / "cluster.json"
        try:
            addresses = json.loads(state.read_text())
            found = {k: str(addresses[k]) for k in ("bootstrap_servers", "registry_url")}
            secured = addresses.get("ports", {}).get("internal") is not None
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ConfigError(
                Text("no embedded cluster has been started here.", "此处没有启动内嵌集群。"),
                where=str(state),
                hint=Text(
                    "Run 'bus up', or set BUS_BOOTSTRAP_SERVERS and BUS_REGISTRY_URL.",
                    "请运行 'bus up', 或设置 BUS_BOOTSTRAP_SERVERS 与 BUS_REGISTRY_URL。",
                ),
            ) from error
        here = self.model_copy(update=found)
        own = self.home / "security" / CREDENTIALS / f"{user}.yaml"
        if secured and not own.exists():
            raise ConfigError(
                Text(f"the credentials of the user '{user}' are gone.", f"用户 '{user}' 的凭据文件已丢失。"),
                where=str(own),
                hint=Text("'bus down', then 'bus up' makes new ones.", "先 'bus down' 再 'bus up' 即重新生成。"),
            )
        return here._with(own) if secured else here

    def _with(self, file: Path) -> Settings:
        from infra.runtime.credentials import read_credentials

        said = read_credentials(file)
        for name, given, own in (
            ("BUS_SASL_USERNAME", self.sasl_username, said.user),
            ("BUS_DEPARTMENT", self.department, said.department),
        ):
            if given and own and given != own:
                raise ConfigError(
                    Text(
                        f"{name} says '{given}', the credentials '{own}'.", f"{name} 为 '{given}', 而凭据为 '{own}'。"
                    ),
                    where=str(file),
                    hint=Text(f"Unset {name}: the credentials say it.", f"请取消 {name}: 以凭据为准。"),
                )
        return self.model_copy(
            update={
                "credentials": file,
                "bootstrap_servers": self.bootstrap_servers or said.bootstrap_servers,
                "registry_url": self.registry_url or said.registry_url,
                "outside_servers": self.outside_servers or said.outside,
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_username": said.user,
                "sasl_password": said.password,
                "ssl_ca_pem": said.ca,
                "department": said.department or self.department,
            }
        )
