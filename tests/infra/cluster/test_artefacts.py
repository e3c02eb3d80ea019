"""The cache as a whole: complete, verified, mended, shared."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cluster.artefacts import ensure, installed, tree_digest
from infra.cluster.lock import LOCK_FILE, Artefact, Lock, read_lock
from infra.cluster.progress import Plain, Silent
from schemas.errors import PermanentError, TransientError
from tests.infra.cluster.maven_server import MavenServer, serving

JAR = "org/apache/kafka/kafka_2.13/1.0/kafka_2.13-1.0.jar"
TAR = "io/apicurio/apicurio-registry-app/1.0/apicurio-registry-app-1.0-all.tar.gz"
JAR_BODY = b"jar" * 300_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Lock, MavenServer, Path]]:
    """A lock of one small jar and one small archive, a server that has them, an empty cache."""
    buffer = io.BytesIO()
    content = tmp_path / "content"
    (content / "lib").mkdir(parents=True)
    (content / "lib" / "a.jar").write_bytes(b"a" * 1000)
    (content / "x-runner.jar").write_bytes(b"b" * 1000)
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(content, arcname=".")
    files = {JAR: JAR_BODY, TAR: buffer.getvalue()}
    jar, archive = (Artefact(p, len(b), hashlib.sha256(b).hexdigest()) for p, b in files.items())
    with serving(files) as server:
        yield Lock((jar,), archive, tree_digest(content)), server, tmp_path / "cache"


def complete(lock: Lock, server: MavenServer, cache: Path, maven: Path | None = None) -> None:
    found = ensure(lock, cache, server.url, Silent(), maven or cache / "no-maven")
    assert found.jars[0].read_bytes() == JAR_BODY
    assert tree_digest(found.registry) == lock.registry_tree


def test_what_is_complete_is_not_asked_for_again(world: tuple[Lock, MavenServer, Path]) -> None:
    lock, server, cache = world
    assert installed(lock, cache) is None
    complete(lock, server, cache)
    asked = len(server.asked)
    complete(lock, server, cache)
    assert (asked, len(server.asked)) == (2, 2)


def test_a_corrupted_jar_never_runs_and_is_fetched_again(world: tuple[Lock, MavenServer, Path]) -> None:
    lock, server, cache = world
    complete(lock, server, cache)
    body = bytearray(JAR_BODY)
    body[1000] ^= 1
    (cache / JAR).write_bytes(body)
    assert installed(lock, cache) is None
    complete(lock, server, cache)


@pytest.mark.parametrize("change", ["byte", "extra", "missing"])
def test_an_unpacked_registry_that_was_changed_never_runs(world: tuple[Lock, MavenServer, Path], change: str) -> None:
    lock, server, cache = world
    complete(lock, server, cache)
    inside = cache / lock.registry_folder / "lib" / "a.jar"
    if change == "byte":
        inside.write_bytes(b"c" + inside.read_bytes()[1:])
    elif change == "extra":
        inside.with_name("extra.jar").write_bytes(b"")
    else:
        inside.unlink()
    assert installed(lock, cache) is None
    complete(lock, server, cache)


def test_a_corrupted_jar_without_a_repository_is_one_clear_error(world: tuple[Lock, MavenServer, Path]) -> None:
    lock, server, cache = world
    complete(lock, server, cache)
    (cache / JAR).write_bytes(b"broken")
    with pytest.raises(TransientError, match="out of reach"):
        ensure(lock, cache, "http://127.0.0.1:9", Silent(), cache / "no-maven")
    assert installed(lock, cache) is None


def test_mavens_own_copy_is_used_only_when_it_is_the_same(
    world: tuple[Lock, MavenServer, Path], tmp_path: Path
) -> None:
    lock, server, cache = world
    maven = tmp_path / "m2"
    for path, body in ((JAR, JAR_BODY), (TAR, b"not the archive")):
        (maven / "repository" / path).parent.mkdir(parents=True)
        (maven / "repository" / path).write_bytes(body)
    complete(lock, server, cache, maven)
    assert [path for path, _ in server.asked] == [TAR]


def test_ctrl_c_ends_a_download_at_once_and_the_next_run_resumes(
    world: tuple[Lock, MavenServer, Path], tmp_path: Path
) -> None:
    lock, server, cache = world
    server.break_after, server.stall = 500_000, threading.Event()
    lock_file = tmp_path / "artefacts.lock"
    lines = [f"{a.sha256} {a.size} {a.path}" for a in (*lock.jars, lock.registry)]
    lock_file.write_text("\n".join([*lines, f"{lock.registry_tree} 0 {lock.registry_folder}"]), encoding="utf-8")
    program = (
        "from pathlib import Path; from infra.cluster.artefacts import ensure; from infra.cluster.lock import read_lock\n"
        "from infra.cluster.progress import Plain\n"
        f"ensure(read_lock(Path({str(lock_file)!r})), Path({str(cache)!r}), {server.url!r}, Plain(), Path('/nowhere'))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "MB" not in process.stderr.readline().partition("(")[0]:  # a tenth has arrived
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        while "Stopping" not in process.stderr.readline():
            assert process.poll() is None
        server.stall.set()
        process.communicate(timeout=10)
    assert process.returncode != 0
    assert not (cache / JAR).exists()
    have = (cache / f"{JAR}.part").stat().st_size
    assert have > 0
    server.asked.clear()
    server.break_after = None
    complete(lock, server, cache)
    assert (JAR, f"bytes={have}-") in server.asked


def test_a_cache_that_cannot_be_written_names_the_folder(world: tuple[Lock, MavenServer, Path], tmp_path: Path) -> None:
    lock, server, _ = world
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PermanentError, match="cannot be used"):
        ensure(lock, tmp_path / "file" / "cache", server.url, Silent(), tmp_path)


def test_plain_progress_says_what_is_downloaded_in_ten_lines_at_most(
    world: tuple[Lock, MavenServer, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lock, server, cache = world
    ensure(lock, cache, server.url, Plain("zh"), cache / "no-maven")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("下载")
    assert 2 <= len(lines) <= 11


def test_the_committed_lock_names_the_promised_versions() -> None:
    lock = read_lock()
    assert (lock.kafka_version, lock.registry.version) == ("4.2.0", "3.0.9")
    assert len(lock.jars) == 46
    assert all(len(artefact.sha256) == 64 and artefact.size > 0 for artefact in lock.all)


def test_a_lock_without_the_registry_is_no_lock(tmp_path: Path) -> None:
    short = tmp_path / "artefacts.lock"
    lines = LOCK_FILE.read_text(encoding="utf-8").splitlines()
    short.write_text("\n".join(line for line in lines if "apicurio" not in line), encoding="utf-8")
    with pytest.raises(ValueError, match="no registry"):
        read_lock(short)
