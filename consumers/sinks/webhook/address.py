"""Connecting only to what was looked at: a name is resolved once, its addresses judged, and exactly these connected to."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore2 as httpcore

from consumers.sinks.webhook.settings import WebhookSettings
from schemas.errors import PermanentError
from schemas.text import Text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_METADATA = frozenset(
    ipaddress.ip_address(a) for a in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)
"""Where clouds (Alibaba, Azure, Oracle, AWS) hand out a machine's credentials, besides the link-local 169.254.169.254."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def resolved(host: str, port: int) -> list[str]:
    """Every address the system's resolver has for a host. OSError if there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def is_refused(text: str, settings: WebhookSettings) -> bool:
    """Whether an address must not be connected to."""
    address = _meant(ipaddress.ip_address(text.partition("%")[0]))
    if not settings.tls and not address.is_loopback:
        return True  # in clear to this machine only, whatever else is permitted
    if settings.networks:
        return not any(address in network for network in settings.networks)
    if address.is_loopback:
        return not settings.loopback
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.version == 4 and address.is_reserved)
        or address in _METADATA
    )


class CheckedBackend(httpcore.NetworkBackend):
    """The network under httpcore's connection pool. One thread at a time.

    deadline   by `time.monotonic`; nothing waits beyond it, however slowly bytes come
    """

    def __init__(self, settings: WebhookSettings, resolve: Resolve = resolved) -> None:
        self._settings, self._resolve = settings, resolve
        self._sockets = httpcore.SyncBackend()
        self.deadline = 0.0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to one of the host's addresses. PermanentError if any of them is refused."""
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError("no such host") from error
        for address in addresses:
            if is_refused(address, self._settings):
                raise _refusal(host, address)
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self.left(timeout), local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Timed(stream, self)
        raise failure

    def left(self, timeout: float | None) -> float:
        """Seconds that may still be waited, at most `timeout`."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return left if timeout is None else min(left, timeout)


class _Timed(httpcore.NetworkStream):
    """A connection that keeps its backend's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, backend: CheckedBackend) -> None:
        self._stream, self._backend = stream, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                # it may be someone else: that stops at once, whatever the budget
                raise _not_certified(server_hostname, error.__cause__.verify_message) from None
            raise
        return _Timed(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _meant(address: Address) -> Address:
    """The IPv4 address within an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _refusal(host: str, address: str) -> PermanentError:
    return PermanentError(
        Text(
            f"the host is at {address}, which no webhook may be sent to.",
            f"该主机解析为 {address}, 不允许向其发送 Webhook。",
        ),
        where=host,
        hint=Text(
            "If that is meant, name its network under `networks` (or set `loopback: true`).",
            "如确有需要, 请在 networks 中列出该网段(本机则设 loopback: true)。",
        ),
    )


def _not_certified(host: str | None, why: str) -> PermanentError:
    return PermanentError(
        Text(f"the receiver's certificate is not accepted: {why}.", f"接收方证书未通过校验: {why}。"),
        where=host,
        hint=Text(
            "Check url and the receiver's certificate, or name its issuer as ca_file.",
            "请检查 url 与接收方证书, 或以 ca_file 指定签发机构。",
        ),
    )
