"""Settings of the MySQL-compatible sink."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from schemas.errors import ConfigError
from schemas.text import Text


class MysqlSettings(BaseModel):
    """`mysql://user:password@host:port/database?ssl_ca=FILE`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = 3306
    user: str
    password: SecretStr = SecretStr("")
    database: str
    ssl_ca: Path | None = None
    """Certificates the server's is checked against, name and all; without it the connection is not encrypted."""
    connect_timeout_s: int = 10
    answer_timeout_s: int = 60
    """After this without an answer the connection is given up and the batch tried again."""
    lock_timeout_s: int = 10
    """So long a statement waits for somebody else's lock."""

    @classmethod
    def from_url(cls, url: str) -> MysqlSettings:
        """The settings an address stands for. ConfigError if it is none."""
        try:
            parts = urlsplit(url)
            options: dict[str, Any] = {
                k: v[-1] for k, v in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
            }
            return cls(
                host=parts.hostname or "",
                port=parts.port or 3306,
                user=unquote(parts.username or ""),
                password=SecretStr(unquote(parts.password or "")),
                database=_database(parts.path),
                **options,
            )
        except (ValueError, TypeError):  # pydantic's error quotes what it was given, and that may be the password
            raise ConfigError(
                Text("this is no address of a MySQL-compatible database.", "这不是 MySQL 兼容数据库的地址。"),
                where="mysql:",
                hint=Text(
                    "It is mysql://user:password@host:3306/database, and may end in ?ssl_ca=FILE.",
                    "格式为 mysql://用户:密码@主机:3306/数据库, 其后可加 ?ssl_ca=文件。",
                ),
            ) from None

    @property
    def shown(self) -> str:
        """The address without user and password."""
        return f"mysql://{self.host}:{self.port}/{self.database}"


def _database(path: str) -> str:
    name = unquote(path.removeprefix("/"))
    if not name or "/" in name:
        raise ValueError("no database")
    return name
