"""A credentials file: how one user gets into a secured cluster. Everything a department needs besides a grant's id.

kind: Credentials
bootstrap_servers: 127.0.0.1:9093
user: shuiwu~taxes~1
password: …
ca: |                    # certificate (PEM) of who signed the brokers' certificates
  -----BEGIN CERTIFICATE-----
department: shuiwu       # absent for the bus's own users, which have the registry's address instead
outside: bus.example:9094 # of the user `control` only: what credentials for departments name, where it is another address
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.text import Text
from schemas.validation import Model, build, parse_yaml, read_text


class Credentials(Model):
    """One user's way in. The password is never shown."""

    kind: Literal["Credentials"] = "Credentials"
    bootstrap_servers: str
    user: str = Field(min_length=1)
    password: SecretStr
    ca: str
    department: Id | None = None
    registry_url: str | None = None
    outside: str | None = None


def read_credentials(path: Path) -> Credentials:
    """What a file holds. ConfigError if it holds something else, or others may read it."""
    documents = [d for d in parse_yaml(read_text(path), str(path)) if d is not None]
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            Text(f"others may read the credentials (mode {mode:04o}).", f"凭据可被他人读取(权限 {mode:04o})。"),
            where=str(path),
            hint=Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    if len(documents) != 1:
        raise ConfigError(
            Text("holds no credentials, or several.", "应恰好包含一份凭据。"),
            where=str(path),
            hint=Text("'bus principal add' writes such a file.", "该文件由 'bus principal add' 生成。"),
        )
    return build(Credentials, documents[0], str(path))
