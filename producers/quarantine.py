"""Rows kept back by their provider, as records: where they stand and what is wrong, never what they hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from producers.adapter import Rejection
from schemas.errors import PermanentError
from schemas.text import Text


def record(adapter: str, rejection: Rejection, at: int) -> bytes:
    """One rejection as JSON (UTF-8): adapter, row, field, reason, at (milliseconds since 1970 UTC)."""
    found = {
        "adapter": adapter,
        "row": rejection.row,
        "field": rejection.field,
        "reason": rejection.reason,
        "at": at,
    }
    return json.dumps(found, ensure_ascii=False).encode()


class QuarantineFile:
    """JSON Lines under `<home>/quarantine/<resource>/`, folders 0700; the file appears with its first record.

    It is for the people who mend the source. The quarantine topic, written in the batch's transaction, is the record:
    a process killed between the two leaves the last batch out of the file only.
    """

    def __init__(self, home: Path, resource: str, adapter: str, started_at: int) -> None:
        self.path = home / "quarantine" / resource / f"{adapter}.{started_at}.jsonl"
        self._adapter = adapter

    def append(self, rejections: Sequence[Rejection], at: int) -> None:
        """Add records. PermanentError if the disk does not take them."""
        if not rejections:
            return
        try:
            private_folder(self.path.parent)
            with self.path.open("ab") as file:
                file.writelines(record(self._adapter, r, at) + b"\n" for r in rejections)
        except OSError as error:
            raise PermanentError(
                Text(f"cannot be written: {error.strerror}.", f"无法写入: {error.strerror}。"), where=str(self.path)
            ) from error


def private_folder(path: Path) -> None:
    """Make a folder (and the two above it inside the home) that only its owner may enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    path.parent.chmod(0o700)
