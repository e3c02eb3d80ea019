"""A throw-away PostgreSQL 15 server for tests and benchmarks: real, private, on a free loopback port, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

_BIN = Path("/usr/lib/postgresql/15/bin")
_START_S = 30.0


class PostgresServer:
    """One server over one folder. It can be stopped at any moment and started again on the same port.

    The program refuses to run as root, so then it runs as the user `postgres`. Its user `bus` may do everything, and needs
    no password.
    """

    def __init__(self, folder: Path, *, options: Sequence[str] = ()) -> None:
        self._folder, self._binaries = folder, _binaries()
        self._user = "postgres" if os.geteuid() == 0 else None
        self._port = _free_port()
        self._options = [
            f"port={self._port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgresql://bus@127.0.0.1:{self._port}/postgres"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._folder / "data"

    def create(self) -> None:
        """Make the data directory."""
        made = subprocess.run(
            [self._binaries / "initdb", "-D", self.data, "-U", "bus", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(made.stderr)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [part for option in self._options for part in ("-c", option)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.data, *options],
                user=self._user,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text(errors="replace"))
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT: at once, without farewells, as in a crash; SIGINT: connections are told. The data stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_server(*, folder: Path | None = None, durable: bool = False) -> Iterator[PostgresServer]:
    """A running server. Needs PostgreSQL 15's programs; root installs them with apt-get where they are absent.

    folder   where its data is, if not in a fresh folder that goes at the end
    durable  commits wait for the disk, as in a real database; else fsync is off
    """
    own = Path(tempfile.mkdtemp(prefix="bus-pg-")) if folder is None else folder
    server = PostgresServer(own, options=() if durable else ("fsync=off",))
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        if folder is None:
            shutil.rmtree(own, ignore_errors=True)


def _binaries() -> Path:
    if (_BIN / "postgres").exists():
        return _BIN
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"a real PostgreSQL 15 is needed ({_BIN}); install it: apt-get install postgresql-15")
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql-15"]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"apt-get {command[0]} failed: {done.stderr}")
    return _BIN


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
