"""A throw-away MariaDB server for tests: real, private, on a free loopback port, gone at the end."""

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
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pymysql.cursors

_SERVER, _INSTALL = Path("/usr/sbin/mariadbd"), Path("/usr/bin/mariadb-install-db")
_START_S = 60.0
_CONF = "--no-defaults"


class MariadbServer:
    """One server over one folder. It can be stopped at any moment and started again on the same port.

    As root it runs as the user `mysql`. Its user `bus` may do everything, with the password `bus`.
    """

    def __init__(self, folder: Path) -> None:
        _install()
        self._folder = folder
        self._user = "mysql" if os.geteuid() == 0 else None
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"mysql://bus:bus@127.0.0.1:{self.port}/bus"

    def create(self) -> None:
        """Make the data directory."""
        made = subprocess.run(
            [
                *(_INSTALL, _CONF, f"--datadir={self._folder / 'data'}", "--skip-test-db"),
                "--auth-root-authentication-method=normal",
            ],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        (self._folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS bus;\n"
            "CREATE USER IF NOT EXISTS bus@'%' IDENTIFIED BY 'bus';\n"
            "GRANT ALL ON *.* TO bus@'%' WITH GRANT OPTION;\n"
        )
        (self._folder / "init.sql").chmod(0o644)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [
            f"--datadir={self._folder / 'data'}",
            f"--socket={self._folder / 'socket'}",
            f"--pid-file={self._folder / 'pid'}",
            f"--port={self.port}",
            f"--init-file={self._folder / 'init.sql'}",
            *("--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=32M"),
            *("--innodb-flush-log-at-trx-commit=2", "--performance-schema=OFF"),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_SERVER, _CONF, *options], user=self._user, cwd="/", stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text(errors="replace")
            assert time.monotonic() < deadline, (self._folder / "log").read_text(errors="replace")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """SIGKILL as in a crash, SIGTERM in order. The data stays."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def _answers(self) -> bool:
        try:
            pymysql.connect(
                host="127.0.0.1", port=self.port, user="bus", password="bus", database="bus", connect_timeout=2
            ).close()
        except pymysql.err.OperationalError:
            return False
        return True


def ask(url: str, *statements: str) -> list[dict[str, Any]]:
    """The rows of the last statement, each run as its user, in one transaction."""
    parts = urlsplit(url)
    with pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.strip("/"),
        cursorclass=pymysql.cursors.DictCursor,
    ) as db:
        with db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            found = list(cursor.fetchall())
        db.commit()
    return found


@contextmanager
def mariadb_server() -> Iterator[MariadbServer]:
    """A running server. Needs MariaDB's programs; root installs them with apt-get where they are absent."""
    folder = Path(tempfile.mkdtemp(prefix="bus-my-"))
    server = MariadbServer(folder)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _install() -> None:
    if _SERVER.exists() and _INSTALL.exists():
        return
    assert os.geteuid() == 0 and shutil.which("apt-get"), (
        f"these tests need a real MariaDB ({_SERVER}); install it: apt-get install mariadb-server"
    )
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "mariadb-server"]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"apt-get {command[0]} failed: {done.stderr}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
