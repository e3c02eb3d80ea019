"""One process at a time, by a lock on a file that the kernel gives back even if its holder is killed."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.cluster.progress import Progress
from schemas.text import Text


@contextmanager
def exclusive(file: Path, progress: Progress, waiting: Text) -> Iterator[None]:
    """Hold the lock on `file`; while another process holds it, say `waiting` once and wait. OSError as it comes."""
    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            progress.step(waiting)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
