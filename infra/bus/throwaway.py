"""A cluster of its own for a demonstration or a benchmark: made from nothing, gone at the end, with a key of its own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.cluster import Progress, running
from infra.runtime.settings import Settings


@contextmanager
def throwaway_cluster(
    root: Path, repository: str | None, progress: Progress, *, secure: bool = False, brokers: int = 1
) -> Iterator[Settings]:
    """Settings of a fresh cluster in `root/cluster` that ends with the block. Whatever stood there before is removed.

    secure   passwords, TLS and ACLs: then the addresses are not in the settings, because who logs in is to be chosen first
    The master key is in `root/key`, apart from the state folder as everywhere. Raises what starting a cluster raises.
    """
    home, key = root / "cluster", root / "key" / "master.key"
    for old in (home, key.parent):
        shutil.rmtree(old, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    key.parent.mkdir(mode=0o700)
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32) + "\n")
    with running(home, repository=repository, progress=progress, secure=secure, brokers=brokers) as state:
        yield Settings(
            home=home,
            bootstrap_servers=None if secure else state.bootstrap_servers,
            registry_url=None if secure else state.registry_url,
            key_file=key,
            key_command=None,
            key_fingerprint=None,
        )
