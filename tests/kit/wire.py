"""Requests to a broker, byte by byte: what a client can ask that does not stop where the ordinary one does.

librdkafka asks for a topic's metadata first and gives up where these are refused, so that it never sends the request itself.
A thief's client need not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
from collections.abc import Iterable, Sequence
from types import TracebackType

from confluent_kafka import KafkaError

from infra.runtime.settings import Settings

PRODUCE, FETCH, COMMIT, HANDSHAKE, DELETE_RECORDS, INIT_PRODUCER, AUTHENTICATE = 0, 1, 8, 17, 21, 22, 36
_CLIENT = "wire"


class NotLetIn(Exception):
    """The broker did not accept who we are; its argument says how."""


class Wire:
    """One connection to the first broker of `settings`, logged in as they say. Raises NotLetIn, or OSError."""

    def __init__(self, settings: Settings, timeout_s: float = 15.0) -> None:
        host, port = str(settings.bootstrap_servers).split(",")[0].rsplit(":", 1)
        self._socket: socket.socket = socket.create_connection((host, int(port)), timeout_s)
        self._id = 0
        try:
            if settings.security_protocol.endswith("SSL"):
                self._socket = _tls(settings).wrap_socket(self._socket, server_hostname=host)
            if settings.security_protocol.startswith("SASL"):
                self._log_in(settings)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def fetch(self, topics: Sequence[str]) -> dict[str, str | None]:
        """Ask for the first records of partition 0 of each topic, all in one request; the error of each, None if there is
        none."""
        places = (_text(t) + _array([struct.pack(">iqi", 0, 0, 1 << 16)]) for t in topics)
        answer = _Reader(self._ask(FETCH, 4, struct.pack(">iiiib", -1, 100, 1, 1 << 20, 1) + _array(places)))
        answer.take(">i")
        found = {}
        for _ in range(answer.take(">i")):
            topic = answer.text()
            for _ in range(answer.take(">i")):
                _, error, _, _ = answer.all(">ihqq")
                for _ in range(max(answer.take(">i"), 0)):
                    answer.all(">qq")
                answer.data()
                found[topic] = _name(error)
        return found

    def parked(self, topic: str, offset: int, wait_ms: int, *, committed: bool = True) -> tuple[str | None, bytes]:
        """Ask for partition 0 of a topic from an offset on, and for more than there is: the broker holds the question for
        `wait_ms` milliseconds. Its error, and the records that came."""
        places = _text(topic) + _array([struct.pack(">iqi", 0, offset, 1 << 30)])
        self._socket.settimeout(wait_ms / 1000 + 15)
        answer = _Reader(
            self._ask(FETCH, 4, struct.pack(">iiiib", -1, wait_ms, 1 << 30, 1 << 30, committed) + _array([places]))
        )
        answer.all(">ii")
        answer.text()
        _, _, error, _, _ = answer.all(">iihqq")
        for _ in range(max(answer.take(">i"), 0)):
            answer.all(">qq")
        return _name(error), answer.data()

    def produce(self, topics: Sequence[str]) -> dict[str, str | None]:
        """Ask to append to partition 0 of each topic, all in one request; the error of each. There are no records in it, so
        nothing is written: who may write is told so with INVALID_RECORD or the like."""
        places = (_text(t) + _array([struct.pack(">ii", 0, 0)]) for t in topics)
        answer = _Reader(self._ask(PRODUCE, 3, _text(None) + struct.pack(">hi", -1, 5000) + _array(places)))
        found = {}
        for _ in range(answer.take(">i")):
            topic = answer.text()
            for _ in range(answer.take(">i")):
                _, error, _, _ = answer.all(">ihqq")
                found[topic] = _name(error)
        return found

    def delete_records(self, topics: Sequence[str]) -> dict[str, str | None]:
        """Ask to forget what is before offset 0 of each topic, which is nothing; the error of each."""
        places = (_text(t) + _array([struct.pack(">iq", 0, 0)]) for t in topics)
        answer = _Reader(self._ask(DELETE_RECORDS, 0, _array(places) + struct.pack(">i", 5000)))
        answer.take(">i")
        found = {}
        for _ in range(answer.take(">i")):
            topic = answer.text()
            for _ in range(answer.take(">i")):
                found[topic] = _name(answer.all(">iqh")[2])
        return found

    def commit(self, groups: Sequence[str], topic: str = "no.such.topic") -> dict[str, str | None]:
        """Commit offset 0 of a topic in the name of each group; the error of each."""
        found = {}
        for group in groups:
            place = _text(topic) + _array([struct.pack(">iq", 0, 0) + _text("")])
            head = _text(group) + struct.pack(">i", -1) + _text("") + struct.pack(">q", -1)
            answer = _Reader(self._ask(COMMIT, 2, head + _array([place])))
            answer.take(">i")
            answer.text()
            answer.take(">i")
            found[group] = _name(answer.all(">ih")[1])
        return found

    def init_producer(self, transactions: Sequence[str]) -> dict[str, str | None]:
        """Take over each transactional.id; the error of each."""
        found = {}
        for name in transactions:
            answer = _Reader(self._ask(INIT_PRODUCER, 0, _text(name) + struct.pack(">i", 5000)))
            found[name] = _name(answer.all(">ihqh")[1])
        return found

    def _log_in(self, settings: Settings) -> None:
        answer = _Reader(self._ask(HANDSHAKE, 1, _text("SCRAM-SHA-512")))
        if error := answer.take(">h"):
            raise NotLetIn(_name(error))
        assert settings.sasl_username and settings.sasl_password
        user = settings.sasl_username.replace("=", "=3D").replace(",", "=2C")
        first = f"n={user},r={secrets.token_urlsafe(18)}"
        theirs = self._authenticate(f"n,,{first}").decode()
        said = dict(part.split("=", 1) for part in theirs.split(","))
        final = f"c=biws,r={said['r']}"
        salted = hashlib.pbkdf2_hmac(
            "sha512", settings.sasl_password.get_secret_value().encode(), base64.b64decode(said["s"]), int(said["i"])
        )
        key = hmac.digest(salted, b"Client Key", "sha512")
        signature = hmac.digest(hashlib.sha512(key).digest(), f"{first},{theirs},{final}".encode(), "sha512")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        self._authenticate(f"{final},p={base64.b64encode(proof).decode()}")

    def _authenticate(self, words: str) -> bytes:
        data = words.encode()
        answer = _Reader(self._ask(AUTHENTICATE, 1, struct.pack(">i", len(data)) + data))
        if error := answer.take(">h"):
            raise NotLetIn(_name(error))
        answer.text()
        return answer.data()

    def _ask(self, api: int, version: int, body: bytes) -> bytes:
        self._id += 1
        request = struct.pack(">hhi", api, version, self._id) + _text(_CLIENT) + body
        self._socket.sendall(struct.pack(">i", len(request)) + request)
        answer = self._receive(struct.unpack(">i", self._receive(4))[0])
        assert struct.unpack(">i", answer[:4])[0] == self._id
        return answer[4:]

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self._socket.recv(length - len(data))
            if not more:
                raise NotLetIn("connection closed")
            data += more
        return data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def all(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def take(self, layout: str) -> int:
        return self.all(layout)[0]

    def text(self) -> str:
        return self._bytes(self.take(">h")).decode()

    def data(self) -> bytes:
        return self._bytes(self.take(">i"))

    def _bytes(self, length: int) -> bytes:
        data = self._data[self._at : self._at + max(length, 0)]
        self._at += len(data)
        return data


def _text(value: str | None) -> bytes:
    if value is None:
        return struct.pack(">h", -1)
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def _array(items: Iterable[bytes]) -> bytes:
    parts = list(items)
    return struct.pack(">i", len(parts)) + b"".join(parts)


def _name(error: int) -> str | None:
    return KafkaError(error).name() if error else None


def _tls(settings: Settings) -> ssl.SSLContext:
    return ssl.create_default_context(
        cafile=str(settings.ssl_ca_location) if settings.ssl_ca_location else None, cadata=settings.ssl_ca_pem
    )
