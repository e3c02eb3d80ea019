"""A grant's folder: one folder for each generation, and a link `current` to the one in force."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumers.sinks.files.atomic import sync
from schemas.errors import TransientError
from schemas.text import Text

_CURRENT = "current"
_GENERATION = re.compile(r"g[0-9]+(\.[0-9]+)?")
_AGAIN_S = 0.01


class GrantFolder:
    """`FOLDER/<table>`. What is not named as here stays untouched."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make it for its owner alone."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)

    @contextmanager
    def locked(self, timeout_s: float) -> Iterator[None]:
        """While inside, no other process writes here. TransientError if one holds on to it for longer than `timeout_s`."""
        descriptor = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            self._lock(descriptor, time.monotonic() + timeout_s)
            yield
        finally:
            os.close(descriptor)

    def current(self) -> Path | None:
        """The folder of the generation in force."""
        try:
            return self.path / (self.path / _CURRENT).readlink()
        except FileNotFoundError:
            return None

    def fresh(self, generation: int) -> Path:
        """A new folder for a generation; a rebuilt one has a number behind it. Not in force yet."""
        number, path = 1, self.path / f"g{generation}"
        while path.exists():
            number += 1
            path = self.path / f"g{generation}.{number}"
        path.mkdir(mode=0o700)
        return path

    def switch(self, folder: Path) -> None:
        """Put a generation's folder in force, in one step."""
        sync(folder)
        link = self.path / f".{_CURRENT}.tmp"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.replace(self.path / _CURRENT)
        sync(self.path)
        sync(self.path.parent)

    def sweep(self) -> None:
        """Remove the generations that are not in force: nothing of them may linger."""
        current = self.current()
        for path in self.path.iterdir():
            if _GENERATION.fullmatch(path.name) and path != current:
                shutil.rmtree(path)

    def _lock(self, descriptor: int, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TransientError(
                        Text("another process is writing to this folder.", "另有进程正在写入该目录。"),
                        where=str(self.path),
                    ) from None
                time.sleep(_AGAIN_S)
            else:
                return
