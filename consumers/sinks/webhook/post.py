"""One signed request and what its answer means. Nothing is retried here, and nothing followed."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpcore2 as httpcore
from standardwebhooks.webhooks import Webhook

from consumers.sinks.webhook.address import CheckedBackend, Resolve, resolved
from consumers.sinks.webhook.settings import WebhookSettings, secrets_of
from schemas.errors import ConfigError, PermanentError
from schemas.reading_words import of_system
from schemas.text import Text

READ_OF_AN_ANSWER = 65_536
"""Bytes of an answer's body that are read, and dropped, so that its connection can be used again,"""
DRAIN_S = 1.0
"""if they come within so much."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not accepted, and may be tried again. `reason`: a short word. `wait_s`: asked for by the receiver."""

    reason: str
    wait_s: float = 0.0


class Poster:
    """A connection to the receiver, kept alive between requests. One thread at a time; close it."""

    def __init__(self, settings: WebhookSettings, resolve: Resolve = resolved) -> None:
        self._settings = settings
        self._signers = [Webhook(secret) for secret in secrets_of(settings)]
        self._network = CheckedBackend(settings, resolve)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(settings), max_connections=1, network_backend=self._network
        )

    def post(self, message_id: str, body: str) -> Failure | None:
        """Send it; None if it was accepted. PermanentError where trying again is no use: gone, redirected, not who it should be."""
        now = dt.datetime.now(dt.UTC)
        headers: dict[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": "exchange-bus",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(s.sign(message_id, now, body) for s in self._signers),
        }
        self._network.deadline = time.monotonic() + self._settings.timeout_s
        timeout = self._settings.timeout_s
        timeouts = {"connect": self._settings.connect_timeout_s, "read": timeout, "write": timeout, "pool": timeout}
        try:
            with self._pool.stream(
                "POST", self._settings.url, headers=headers, content=body.encode(), extensions={"timeout": timeouts}
            ) as response:
                return self._judged(response)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            return Failure("unreachable")
        except httpcore.TimeoutException:
            return Failure("timeout")
        except (httpcore.NetworkError, httpcore.ProtocolError):
            return Failure("connection-lost")

    def close(self) -> None:
        """Give back the connection."""
        self._pool.close()

    def _judged(self, response: httpcore.Response) -> Failure | None:
        status = response.status
        if 200 <= status < 300:
            self._network.deadline = min(self._network.deadline, time.monotonic() + DRAIN_S)
            _drop(response)
            return None
        if status == 410:
            raise self._final(
                Text("the receiver wants no more (410 Gone).", "接收方声明不再接收(410 Gone)。"),
                Text("Ask them; if it was an error, deliver again.", "请与接收方核实; 如属误报, 重新投递即可。"),
            )
        if 300 <= status < 400:
            raise self._final(
                Text(
                    f"the receiver answers with a redirect ({status}), and none is followed.",
                    f"接收方返回重定向({status}), 本程序不予跟随。",
                ),
                Text("Give its final address as url.", "请将最终地址填入 url。"),
            )
        asked = _retry_after(response.headers) if status in (429, 503) else 0.0
        return Failure(f"status-{status}", min(asked, self._settings.longest_retry_after_s))

    def _final(self, what: Text, hint: Text) -> PermanentError:
        return PermanentError(what, where=self._settings.host, hint=hint)


def _drop(response: httpcore.Response) -> None:
    """Read what is left of a short answer, so that its connection can be used again. It was accepted in any case."""
    read = 0
    try:
        for part in response.iter_stream():
            read += len(part)
            if read > READ_OF_AN_ANSWER:
                return
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        return  # the status was the answer; the broken connection is left by whoever opened the response


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """Seconds asked for, as a number or a date; 0 if it is neither."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())


def _trust(settings: WebhookSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise ConfigError(
            Text("holds no certificates (PEM).", "不含证书(PEM)。"), where=str(settings.ca_file)
        ) from error
    except OSError as error:
        why = of_system(error)
        raise ConfigError(
            Text(f"cannot be read: {why.en}.", f"无法读取: {why.zh}。"), where=str(settings.ca_file)
        ) from error
