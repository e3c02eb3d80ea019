"""Settings of the PostgreSQL sink."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr


class PostgresqlSettings(BaseModel):
    """`postgresql://user:password@host:port/database`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr
    """A libpq connection URI; everything libpq reads (PGPASSFILE, sslmode=…) works."""
    db_schema: str = "public"
    """Schema of the tables; it must exist."""
    connect_timeout_s: int = 10
    statement_timeout_s: int = 60
    """After this a statement is given up and tried again later."""
    lock_timeout_s: int = 10
    """So long a statement waits for somebody else's lock: others queue behind it meanwhile."""
    idle_in_transaction_timeout_s: int = 10
    """After this the server ends a transaction whose deliverer has fallen silent in its midst (frozen, or out of reach), so that
    its successor need not wait for it."""

    @property
    def shown(self) -> str:
        """The address without user and password."""
        parts = urlsplit(self.url.get_secret_value())
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
