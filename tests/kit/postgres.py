"""A throw-away PostgreSQL 15 server for tests: real, private, on a free loopback port, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_BIN = Path("/usr/lib/postgresql/15/bin")
_START_S = 30.0


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URI of a running server's database, whose user may do everything in it.

    Needs PostgreSQL 15's programs; root installs them with apt-get where they are absent. The server refuses to run as
    root, so then it runs as the user `postgres`.
    """
    binaries = _binaries()
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="bus-pg-"))
    try:
        if user:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        yield from _running(binaries, folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _running(binaries: Path, folder: Path, user: str | None) -> Iterator[str]:
    data, port = folder / "data", _free_port()
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "bus", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        user=user,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options, "-c", "fsync=off"], user=user, cwd="/", stdout=log, stderr=log
        )
    url = f"postgresql://bus@127.0.0.1:{port}/postgres"
    try:
        _wait(url, server, folder / "log")
        yield url
    finally:
        server.send_signal(3)  # SIGQUIT: no farewells, the data is thrown away
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)
        else:
            return


def _binaries() -> Path:
    if (_BIN / "postgres").exists():
        return _BIN
    assert os.geteuid() == 0 and shutil.which("apt-get"), (
        f"these tests need a real PostgreSQL 15 ({_BIN}); install it: apt-get install postgresql-15"
    )
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql-15"]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"apt-get {command[0]} failed: {done.stderr}"
    return _BIN


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
