"""Credentials as they are handed to whoever shall use them: one file, readable by its owner only."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.security.certificates import write_private
from infra.security.principals import NewUser, read_user
from schemas.errors import ConfigError
from schemas.text import Text


def write_credentials(
    path: Path,
    user: NewUser,
    bootstrap_servers: str,
    authority: str,
    *,
    registry_url: str | None = None,
    outside: str | None = None,
) -> None:
    """Write what `infra.runtime.credentials` reads. ConfigError if the folder cannot be written."""
    own = read_user(user.name)
    said = {
        "kind": "Credentials",
        "bootstrap_servers": bootstrap_servers,
        "user": user.name,
        "password": user.password,
        "ca": authority,
        "department": own.department if own else None,
        "registry_url": registry_url,
        "outside": outside,
    }
    try:
        write_private(path, yaml.safe_dump({k: v for k, v in said.items() if v is not None}, sort_keys=False))
    except OSError as error:
        raise ConfigError(
            Text(f"cannot be written: {error.strerror}.", f"无法写入: {error.strerror}。"), where=str(path)
        ) from error
