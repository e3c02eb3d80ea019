"""One artefact, over a bad network and onto a bad disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx2 as httpx
import pytest

from infra.cluster.download import download
from infra.cluster.lock import Artefact
from schemas.errors import PermanentError, TransientError
from tests.infra.cluster.maven_server import MavenServer, serving

BODY = bytes(range(256)) * 8192
PATH = "org/example/thing/1.0/thing-1.0.jar"
ARTEFACT = Artefact(PATH, len(BODY), hashlib.sha256(BODY).hexdigest())


def fetch(server: MavenServer, folder: Path) -> tuple[Path, int]:
    """Download into `folder`; the file and the bytes the progress was told."""
    gained: list[int] = []
    target = folder / "thing.jar"
    with httpx.Client(trust_env=False, timeout=5) as client:
        download(client, server.url, ARTEFACT, target, gained.append)
    return target, sum(gained)


def test_a_download_is_the_locked_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    with serving({PATH: BODY}) as server:
        target, gained = fetch(server, tmp_path)
    assert target.read_bytes() == BODY
    assert gained == len(BODY)
    assert list(tmp_path.iterdir()) == [target]


def test_a_part_left_by_a_killed_process_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "thing.jar.part").write_bytes(BODY[:1_000_000])
    with serving({PATH: BODY}) as server:
        target, gained = fetch(server, tmp_path)
        assert server.asked == [(PATH, "bytes=1000000-")]
    assert target.read_bytes() == BODY
    assert gained == len(BODY)


def test_a_broken_connection_is_resumed_where_it_broke(tmp_path: Path) -> None:
    with serving({PATH: BODY}) as server:
        server.break_after = 700_000
        target, _ = fetch(server, tmp_path)
        (_, first), (_, second) = server.asked
        assert first is None
        assert second is not None
        assert 600_000 < int(second.removeprefix("bytes=").rstrip("-")) <= 700_000
    assert target.read_bytes() == BODY


def test_a_server_that_cannot_resume_gives_the_whole_file_again(tmp_path: Path) -> None:
    (tmp_path / "thing.jar.part").write_bytes(b"x" * 5000)
    with serving({PATH: BODY}) as server:
        server.resumable = False
        target, gained = fetch(server, tmp_path)
    assert target.read_bytes() == BODY
    assert gained == len(BODY)


@pytest.mark.parametrize("size", [10, len(BODY), len(BODY) + 1])
def test_a_spoilt_part_is_thrown_away_and_fetched_anew(tmp_path: Path, size: int) -> None:
    (tmp_path / "thing.jar.part").write_bytes(b"x" * size)
    with serving({PATH: BODY}) as server:
        target, gained = fetch(server, tmp_path)
    assert target.read_bytes() == BODY
    assert gained == len(BODY)


@pytest.mark.parametrize("served", [b"x" * len(BODY), b"x" * 2 * len(BODY), BODY[:-1]])
def test_other_bytes_than_the_locked_ones_are_refused_and_not_kept(tmp_path: Path, served: bytes) -> None:
    with serving({PATH: served}) as server, pytest.raises(PermanentError, match="not the locked one"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_the_repository_lacks_names_its_address_and_the_settings(tmp_path: Path) -> None:
    with serving({}) as server, pytest.raises(PermanentError, match=r"404.*BUS_MAVEN_REPOSITORY") as caught:
        fetch(server, tmp_path)
    assert caught.value.where == f"{server.url}/{PATH}"


def test_an_unreachable_repository_is_transient_and_says_how_to_go_on(tmp_path: Path) -> None:
    with serving({}) as server:
        pass
    with pytest.raises(TransientError, match=r"out of reach.*goes on where it stopped"):
        fetch(server, tmp_path)


def test_a_repository_that_answers_5xx_is_transient(tmp_path: Path) -> None:
    with serving({PATH: BODY}) as server:
        server.status = 503
        with pytest.raises(TransientError, match="HTTP 503"):
            fetch(server, tmp_path)


def test_a_full_disk_says_so_and_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "thing.jar.part").symlink_to("/dev/full")  # the kernel's own full disk: each write fails with ENOSPC
    with serving({PATH: BODY}) as server, pytest.raises(TransientError, match="disk is full"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
