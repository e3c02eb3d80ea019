"""One artefact, from a repository to a verified file: resumable, checked, and renamed into place as the last act."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx

from infra.cluster.lock import Artefact
from infra.cluster.repository import without_credentials
from schemas.errors import BusError, PermanentError, TransientError
from schemas.text import Text

_CHUNK = 1 << 16
_ATTEMPTS = 4
_RESUMABLE = (httpx.TransportError,)
Advance = Callable[[int], None]


def sha256_of(file: Path) -> str:
    """Lower-case hex digest of a file's bytes. OSError if it cannot be read."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_intact(file: Path, artefact: Artefact) -> bool:
    """Whether `file` is exactly the locked artefact."""
    try:
        return file.stat().st_size == artefact.size and sha256_of(file) == artefact.sha256
    except FileNotFoundError:
        return False


def download(client: httpx.Client, repository: str, artefact: Artefact, target: Path, advance: Advance) -> None:
    """Bring `artefact` to `target`, going on where an earlier attempt, even of a killed process, stopped.

    `advance` is told the bytes gained (negative when a useless part is thrown away). Connection faults are retried a few
    times, each from where it broke. Raises TransientError when the repository stays out of reach or the disk is full,
    PermanentError when the repository lacks the file or serves other bytes than the locked ones.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    url = f"{repository}/{artefact.path}"
    try:
        _drop_if_useless(part, artefact)
        advance(part.stat().st_size if part.exists() else 0)
        for attempt in range(1, _ATTEMPTS + 1):
            resumed = part.exists()
            try:
                _append(client, url, artefact, part, advance)
            except _RESUMABLE as error:
                if attempt == _ATTEMPTS:
                    raise _unreachable(url, type(error).__name__) from error
                continue
            if is_intact(part, artefact):
                part.replace(target)
                return
            advance(-part.stat().st_size)
            part.unlink()
            if not resumed:  # a part of an older file may spoil the whole, but a fresh download has no excuse
                break
        raise _corrupted(url)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)
        raise disk_error(error, target) from error


def _append(client: httpx.Client, url: str, artefact: Artefact, part: Path, advance: Advance) -> None:
    """Ask for what is missing and append it; start over if the server cannot resume."""
    have = part.stat().st_size if part.exists() else 0
    if have == artefact.size:
        return
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=headers) as answer:
        _check_status(answer, url)
        resuming = answer.status_code == 206
        if have and not resuming:
            advance(-have)
        with part.open("ab" if resuming else "wb") as stream:
            have = stream.tell()
            for chunk in answer.iter_raw(_CHUNK):
                have += len(chunk)
                if have > artefact.size:
                    break  # the digest will say so; a repository must not fill the disk
                stream.write(chunk)
                advance(len(chunk))


def _check_status(answer: httpx.Response, url: str) -> None:
    status = answer.status_code
    if status in (200, 206):
        return
    if status >= 500 or status in (408, 416, 429):
        raise _unreachable(url, f"HTTP {status}")
    raise PermanentError(
        Text(
            f"the Maven repository does not hand this file out (HTTP {status}).",
            f"Maven 仓库不提供此文件(HTTP {status})。",
        ),
        where=without_credentials(url),
        hint=Text(
            "Check BUS_MAVEN_REPOSITORY, the mirrors in ~/.m2/settings.xml, and any proxy.",
            "请检查 BUS_MAVEN_REPOSITORY, ~/.m2/settings.xml 中的镜像以及代理。",
        ),
    )


def _drop_if_useless(part: Path, artefact: Artefact) -> None:
    if part.exists() and part.stat().st_size > artefact.size:
        part.unlink()


def _unreachable(url: str, reason: str) -> TransientError:
    return TransientError(
        Text(f"the Maven repository is out of reach ({reason}).", f"无法连接 Maven 仓库({reason})。"),
        where=without_credentials(url),
        hint=Text(
            "Check the network, or set BUS_MAVEN_REPOSITORY to a mirror. Run the command again: it goes on where it stopped.",
            "请检查网络, 或用 BUS_MAVEN_REPOSITORY 指定镜像。重新运行命令将从中断处继续。",
        ),
    )


def _corrupted(url: str) -> PermanentError:
    return PermanentError(
        Text(
            "the Maven repository served a file that is not the locked one (size or sha256 differs). It was thrown away.",
            "Maven 仓库提供的文件与锁定文件不符(大小或 sha256 不同), 已丢弃。",
        ),
        where=without_credentials(url),
        hint=Text(
            "A proxy or mirror may be damaged: try another with BUS_MAVEN_REPOSITORY.",
            "代理或镜像可能损坏: 请用 BUS_MAVEN_REPOSITORY 换一个。",
        ),
    )


def disk_error(error: OSError, place: Path) -> BusError:
    """What an OSError while writing at `place` means to a person."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(
            Text("the disk is full.", "磁盘已满。"),
            where=str(place),
            hint=Text("Make room and run the command again.", "请清理空间后重新运行命令。"),
        )
    return PermanentError(
        Text(f"the folder cannot be used: {error.strerror}.", f"无法使用该目录: {error.strerror}。"),
        where=str(place),
        hint=Text("Check the permissions of the folder.", "请检查目录权限。"),
    )
