"""A PostgreSQL of our own behind a proxy: restarted, locked, its password changed, its tables constrained."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.chaos.machine import Machine
from tests.kit.postgres import postgres_server
from tests.kit.tcp_proxy import TcpProxy

_TAKER, _PASSWORD = "taker", "first"
_START_S = 40.0
_BIN = Path("/usr/lib/postgresql/15/bin")


@dataclass
class Database:
    """A running server. `url` is what deliverers get: the role `taker`, by way of the proxy."""

    machine: Machine
    folder: Path
    port: int
    network: TcpProxy

    @property
    def url(self) -> str:
        return f"postgresql://{_TAKER}:{_PASSWORD}@127.0.0.1:{self.network.port}/postgres"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """As who may do everything, by way of the socket, which no fault touches."""
        return psycopg.connect(
            f"postgresql:///postgres?host={self.folder}&port={self.port}&user=bus", autocommit=True, connect_timeout=5
        )

    def set_password(self, *, right: bool) -> None:
        """Give `taker` another password than its deliverers know, or that one again; whoever is connected is thrown out."""
        with self.connect() as db:
            db.execute(f"ALTER ROLE {_TAKER} PASSWORD '{_PASSWORD if right else 'second'}'")
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [_TAKER])

    def wait_ready(self) -> None:
        """Return when it answers."""
        until = time.monotonic() + _START_S
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, self.machine.log.read_text(errors="replace")
                time.sleep(0.05)
            else:
                return


@contextmanager
def database() -> Iterator[Database]:
    """A server that is gone at the end. It runs as the user `postgres` where we are root."""
    found, user = _binaries(), "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="bus-chaos-pg-"))
    try:
        if user:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        data, port = folder / "data", _free_port()
        made = subprocess.run(
            [
                *(found / "initdb", "-D", data, "-U", "bus", "-E", "UTF8", "--locale=C", "--no-sync"),
                *("--auth-local=trust", "--auth-host=scram-sha-256"),
            ],
            user=user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
        command = [str(found / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = Path(tempfile.mkstemp(prefix="bus-chaos-pg-log-")[1])
        machine = Machine("database", command, dict(os.environ), log, Path("/"), user, signal.SIGQUIT)
        with TcpProxy(port) as network:
            try:
                machine.start()
                server = Database(machine, folder, port, network)
                server.wait_ready()
                with server.connect() as db:
                    db.execute(f"CREATE ROLE {_TAKER} LOGIN PASSWORD '{_PASSWORD}'")
                    db.execute(f"GRANT ALL ON SCHEMA public TO {_TAKER}")
                yield server
            finally:
                machine.stop()
                log.unlink(missing_ok=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    if not (_BIN / "postgres").exists():
        with postgres_server():  # installs them, or says who must
            pass
    return _BIN


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
