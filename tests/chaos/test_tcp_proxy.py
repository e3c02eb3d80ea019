"""The proxy lets everything through, and when it is told to cut, what is cut looks like what it is meant to be."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.kit.tcp_proxy import TcpProxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    def serve(taken: socket.socket) -> None:
        with taken, suppress(ConnectionResetError):
            while data := taken.recv(1 << 16):
                taken.sendall(data)

    def accept() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=[taken], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def proxy(echo: int) -> Iterator[TcpProxy]:
    with TcpProxy(echo) as made:
        yield made


def connected(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def exchanged(end: socket.socket, data: bytes) -> bytes:
    """What comes back."""
    got = bytearray()
    sender = threading.Thread(target=end.sendall, args=[data])
    sender.start()
    while len(got) < len(data):
        got += end.recv(1 << 16)
    sender.join()
    return bytes(got)


def test_a_million_bytes_pass_unchanged(proxy: TcpProxy) -> None:
    data = bytes(range(256)) * 4096
    with connected(proxy) as end:
        assert exchanged(end, data) == data


def test_a_silent_cut_tells_nobody_and_nothing_is_lost_when_it_heals(proxy: TcpProxy) -> None:
    with connected(proxy) as old:
        assert exchanged(old, b"before") == b"before"
        proxy.cut("drop")
        old.sendall(b"during")
        with connected(proxy) as new:
            new.sendall(b"new")
            old.settimeout(0.3)
            with pytest.raises(TimeoutError):
                old.recv(10)
            old.settimeout(10)
            proxy.heal()
            assert (old.recv(10), new.recv(10)) == (b"during", b"new")


def test_a_reset_ends_every_connection_and_each_new_one(proxy: TcpProxy) -> None:
    with connected(proxy) as old:
        assert exchanged(old, b"before") == b"before"
        proxy.cut("reset")
        with pytest.raises(ConnectionResetError):
            old.recv(10)
        with connected(proxy) as new, pytest.raises(ConnectionResetError):
            new.recv(10)
    proxy.heal()
    with connected(proxy) as again:
        assert exchanged(again, b"after") == b"after"


def test_a_slow_network_takes_at_least_its_delay_each_way(proxy: TcpProxy) -> None:
    proxy.slow(0.1)
    with connected(proxy) as end:
        began = time.monotonic()
        assert exchanged(end, b"x") == b"x"
        assert time.monotonic() - began >= 0.2
    proxy.heal()
