"""Settings of the SQLite sink."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class SqliteSettings(BaseModel):
    """`sqlite:PATH`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """The database file; made with mode 0600, in a folder of mode 0700 if that is absent too."""
    lock_timeout_s: float = 1.0
    """How long a write waits for another writer of the same file, before the runner takes over the waiting."""
