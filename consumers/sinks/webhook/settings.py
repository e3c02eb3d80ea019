"""Settings of the webhook sink: a file a person writes, `webhook:FILE.yaml`."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, field_validator, model_validator

from schemas.errors import ConfigError
from schemas.reading_words import of_system
from schemas.text import Text
from schemas.validation import Model, build, parse_yaml, read_text

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)


class Budget(Model):
    """How long one request is tried, from its first failure: until either is used up."""

    attempts: int = Field(default=10_000, ge=1)
    seconds: float = Field(default=86_400, gt=0)


class WebhookSettings(Model):
    """The file. Paths in it are relative to its own folder."""

    url: str
    """Where to, in full: it is not redirected. https, or http to this machine with `loopback: true`."""
    hosts: tuple[str, ...] = Field(min_length=1)
    """Hosts that may be delivered to. Whoever changes `url` to another one changes this list too, where a reviewer sees it."""
    secret_file: Path | None = None
    """Signing secrets, one `whsec_…` a line, the file its owner's alone (0600). Of several, all sign: for a rotation."""
    secret_env: str | None = None
    """Instead of a file: the environment variable that holds the secrets, separated by spaces."""
    state: Path | None = None
    """Positions, requests under way and dead letters. Default: this file's name with `.state.db`. Several grants may share it."""
    undeliverable: Literal["stop", "skip"] = "stop"
    """After the budget: stop this grant, or leave a dead letter (a pointer, no content) and go on."""
    budget: Budget = Budget()
    batch_events: int = Field(default=500, ge=1, le=10_000)
    batch_bytes: int = Field(default=1_000_000, ge=1_000, le=50_000_000)
    """A request holds at most so much, except where one event alone is larger."""
    connect_timeout_s: float = Field(default=5, gt=0, le=60)
    timeout_s: float = Field(default=30, gt=0, le=600)
    """From the beginning of an attempt to the head of its answer, however slowly bytes arrive."""
    longest_retry_after_s: float = Field(default=600, ge=0, le=86_400)
    """What a receiver asks for in Retry-After is heeded up to here."""
    networks: tuple[IPvAnyNetwork, ...] = ()
    """If given, the receiver's address must lie in one of them; an address that is refused otherwise is permitted by being named."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    loopback: bool = False
    """The receiver is on this machine: its address may be a loopback one, and `url` may be http."""

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        # the value itself is never told: an address may hold a token
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("an address begins with https:// and a host / 地址须以 https:// 加主机名开头")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise ValueError("no user, password or fragment belongs in the address / 地址中不得含用户、口令或片段")
        if not _HOST.fullmatch(parts.hostname) or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("an address is written in ASCII, a host in punycode / 地址须为 ASCII, 域名须为 punycode")
        if parts.port == 0:
            raise ValueError("port 0 is none / 端口不得为 0")
        return value

    @model_validator(mode="after")
    def _together(self) -> WebhookSettings:
        if self.host not in {h.lower() for h in self.hosts}:
            raise ValueError("the host of url is not in hosts / url 的主机不在 hosts 名单中")
        if not self.tls and not self.loopback:
            raise ValueError(
                "http is for this machine alone, with loopback: true / http 仅限本机, 且须设 loopback: true"
            )
        if not self.tls and not _is_loopback(self.host):
            raise ValueError("http is for localhost, 127.0.0.1 or ::1 / http 仅限 localhost、127.0.0.1 或 ::1")
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("one of secret_file and secret_env is needed / secret_file 与 secret_env 须且仅须填一项")
        return self

    @property
    def host(self) -> str:
        """The receiver's host, in small letters."""
        return str(urlsplit(self.url).hostname)

    @property
    def tls(self) -> bool:
        """Whether the address is https."""
        return urlsplit(self.url).scheme == "https"


def load_settings(path: Path) -> WebhookSettings:
    """The settings in a file, with its paths made absolute. ConfigError names file, key and reason."""
    documents = parse_yaml(read_text(path), str(path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ConfigError(
            Text("one mapping of settings is needed.", "须为一组键值设置。"),
            where=str(path),
            hint=Text("At least url, hosts, secret_file.", "至少应有 url、hosts、secret_file。"),
        )
    found = build(WebhookSettings, documents[0], str(path))
    folder, state = path.parent, found.state or Path(f"{path.stem}.state.db")
    # joined with an absolute path the folder has no effect
    return found.model_copy(
        update={
            "state": folder / state,
            "secret_file": folder / found.secret_file if found.secret_file else None,
            "ca_file": folder / found.ca_file if found.ca_file else None,
        }
    )


def secrets_of(settings: WebhookSettings) -> tuple[bytes, ...]:
    """The signing secrets. ConfigError, never quoting one, if there is none, others may read the file, or one is malformed."""
    where = str(settings.secret_file or f"${settings.secret_env}")
    text = _private_text(settings.secret_file) if settings.secret_file else os.environ.get(str(settings.secret_env), "")
    words = text.split()
    if not words:
        raise ConfigError(
            Text("there is no signing secret.", "没有签名密钥。"),
            where=where,
            hint=Text(
                "Make one: python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"",
                "生成: python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"",
            ),
        )
    return tuple(_secret(word, f"{where} ({n})") for n, word in enumerate(words, 1))


def _private_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode, found = stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read(10_000)
    except OSError as error:
        why = of_system(error)
        raise ConfigError(Text(f"cannot be read: {why.en}.", f"无法读取: {why.zh}。"), where=str(path)) from error
    if mode & 0o077:
        raise ConfigError(
            Text(f"others may read the secret (mode {mode:04o}).", f"密钥可被他人读取(权限 {mode:04o})。"),
            where=str(path),
            hint=Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    return found.decode("ascii", "replace")


def _secret(word: str, where: str) -> bytes:
    try:
        found = base64.b64decode(word.removeprefix(_PREFIX), validate=True) if word.startswith(_PREFIX) else b""
    except binascii.Error:
        found = b""
    if len(found) not in _SECRET_BYTES:
        raise ConfigError(
            Text(
                "not a Standard Webhooks secret: whsec_ and the base64 of 24 to 64 bytes.",
                "不是 Standard Webhooks 密钥: 应为 whsec_ 加 24 至 64 字节的 base64。",
            ),
            where=where,
        )
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
