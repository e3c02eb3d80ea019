"""Rows kept back by their provider, as records: where they stand and what is wrong, never what they hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from producers.adapter import Rejection
from producers.private import private_file, private_folder, unwritable


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
    """JSON Lines under `<home>/quarantine/<resource>/`, folders 0700, files 0600; the file appears with its first record.

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
        private_folder(self.path.parent)
        private_file(self.path)
        try:
            with self.path.open("ab") as file:
                file.writelines(record(self._adapter, r, at) + b"\n" for r in rejections)
        except OSError as error:
            raise unwritable(self.path, error) from error
