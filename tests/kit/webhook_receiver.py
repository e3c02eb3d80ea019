"""A real receiver of webhooks on loopback, HTTP or HTTPS, that applies what it accepts and misbehaves on request."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import socket
import sqlite3
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consumers.sinks.webhook.examples.receiver import TABLES, receive

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

COUNTS = "CREATE TABLE IF NOT EXISTS counted (partition INTEGER, offset INTEGER, times INTEGER, PRIMARY KEY (partition, offset));"


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    id: str
    message: dict[str, Any]


@dataclass
class Receiver:
    """Requests in order of arrival, and the table they come to. `next_answers`: what to do with the next requests."""

    database: Path
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    next_answers: deque[Callable[[Any], None]] = field(default_factory=deque)
    headers: list[dict[str, str]] = field(default_factory=list)

    def settings_file(self, path: Path, **more: Any) -> Path:
        """A settings file that delivers here."""
        secret = path.with_suffix(".secret")
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        basic = {
            "url": self.url,
            "hosts": ["127.0.0.1", "localhost", "receiver.example"],
            "secret_file": secret.name,
            "loopback": True,
            **more,
        }
        path.write_text(json.dumps(basic))  # JSON is YAML
        return path

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """What is in the receiver's database."""
        with closing(sqlite3.connect(self.database, timeout=10)) as db:
            return db.execute(statement, values).fetchall()

    def accept(self, headers: dict[str, str], body: bytes) -> None:
        """Apply it, and count its events in a transaction of their own, once for each id."""
        with closing(sqlite3.connect(self.database, timeout=10)) as db:
            known = db.execute("SELECT 1 FROM seen WHERE id = ?", [headers["webhook-id"]]).fetchone()
            receive(db, SECRET, headers, body)
            if known is None:
                with db:
                    for event in json.loads(body)["data"].get("events", ()):
                        if event["released_at"] is not None:
                            db.execute(
                                "INSERT INTO counted VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1",
                                list(event["place"].values()),
                            )


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Callable[[Any], None]:
    """Answer so, without applying anything."""

    def act(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def drop(handler: Any) -> None:
    """Apply it, and cut the connection instead of answering."""
    handler.apply()
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def drip(seconds: float) -> Callable[[Any], None]:
    """Send the head of an answer a byte at a time, so that no single read waits long."""

    def act(handler: Any) -> None:
        handler.close_connection = True
        until = time.monotonic() + seconds
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        try:
            while time.monotonic() < until:
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            return  # the other side has had enough, which is what is tested

    return act


@contextmanager
def receiving(folder: Path, *, certificate: Path | None = None) -> Iterator[Receiver]:
    """A receiver that runs until the block ends; HTTPS with a certificate (`certificate_for`)."""
    receiver = Receiver(folder / "receiver.db")
    with closing(sqlite3.connect(receiver.database)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(TABLES + COUNTS)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.body = self.rfile.read(int(self.headers["content-length"]))
            self.lower = {k.lower(): v for k, v in self.headers.items()}
            receiver.seen.append(Seen(self.lower["webhook-id"], json.loads(self.body)))
            receiver.headers.append(self.lower)
            if receiver.next_answers:
                receiver.next_answers.popleft()(self)
            else:
                self.apply()
                answer(204)(self)

        def apply(self) -> None:
            receiver.accept(self.lower, self.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Connections that break are what is tested; anything else shows in what is counted."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    receiver.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/hook?x=1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def certificate_for(path: Path, *names: str) -> Path:
    """A file with a key and a certificate it signed itself, for DNS names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
