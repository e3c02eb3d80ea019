"""An address that hands every connection on to another one, once it is started: for services that come late."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Relay:
    """Takes the place of the service at `url`. Until `start`, connections to `address` are refused."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._door = socket.socket()
        self._door.bind(("127.0.0.1", 0))
        self.address = self._to._replace(netloc=f"127.0.0.1:{self._door.getsockname()[1]}").geturl()
        self._ends: list[socket.socket] = []

    def start(self) -> None:
        """Take connections from now on."""
        self._door.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Close the door and every connection."""
        for end in (self._door, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection((str(self._to.hostname), int(self._to.port or 80)))
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
