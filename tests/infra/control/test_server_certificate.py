"""Until when a cluster is believed: asked of a server that shows a certificate, with the duty's clock given."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_server

import pytest
from structlog.testing import capture_logs

from infra.control.duties import duties
from infra.control.server_certificate import believed_until
from infra.runtime import metrics
from infra.runtime.settings import Settings
from infra.security.certificates import Certificates, certificates, read_certificate
from schemas.errors import TransientError

NOW = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)


@contextmanager
def serving(own: Certificates) -> Iterator[str]:
    """The address of a server that shows the broker's certificate to whoever connects."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.broker)
    with create_server(("127.0.0.1", 0)) as plain:

        def greet() -> None:
            while True:
                try:
                    client, _ = plain.accept()
                except OSError:
                    return
                with context.wrap_socket(client, server_side=True) as encrypted:
                    encrypted.recv(1)

        threading.Thread(target=greet, daemon=True).start()
        yield f"127.0.0.1:{plain.getsockname()[1]}"
        plain.shutdown(2)


def settings(address: str, own: Certificates) -> Settings:
    return Settings(
        bootstrap_servers=address,
        registry_url="http://unused",
        security_protocol="SASL_SSL",
        ssl_ca_location=own.authority,
    )


def test_what_the_broker_shows_and_whom_we_trust_are_told(tmp_path: Path) -> None:
    own = certificates(tmp_path / "new", now=NOW)
    with serving(own) as address:
        assert believed_until(settings(address, own)) == {
            "broker": read_certificate(own.broker).not_valid_after_utc,
            "authority": read_certificate(own.authority).not_valid_after_utc,
        }


def test_without_tls_there_is_nothing_to_end_and_a_broker_that_is_away_is_said(tmp_path: Path) -> None:
    own = certificates(tmp_path / "new", now=NOW)
    away = settings("127.0.0.1:1", own)
    assert believed_until(away.model_copy(update={"security_protocol": "PLAINTEXT"})) == {}
    with pytest.raises(TransientError, match="shows no certificate"):
        believed_until(away)


def test_the_controller_shows_the_end_and_warns_when_it_is_near(tmp_path: Path) -> None:
    own = certificates(tmp_path / "new", now=NOW)
    ends = read_certificate(own.broker).not_valid_after_utc
    with ExitStack() as resources, serving(own) as address:
        duty = next(d for d in duties(resources) if d.name == "certificates")
        for days, soon in ((61, ()), (59, ("broker",)), (-1, ("broker",))):
            at = ends - dt.timedelta(days=days)
            with capture_logs() as lines:
                assert duty.run(settings(address, own), int(at.timestamp() * 1000)) == soon
            assert [line["event"] for line in lines] == ["a certificate ends soon"] * len(soon)
    shown = {"certificate": "broker"}
    assert metrics.REGISTRY.get_sample_value("bus_certificate_end_timestamp_seconds", shown) == ends.timestamp()
